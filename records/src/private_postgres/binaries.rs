//! Which PostgreSQL is installed, and as whom it runs.

use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::PrivatePostgresError;

/// Oldest major version that the migrations work with.
const OLDEST: u32 = 15;
/// Where Debian and Ubuntu put one folder per major version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// A folder with `postgres` and `initdb`.
#[derive(Debug)]
pub(super) struct Binaries(PathBuf);

impl Binaries {
    /// The version that made the database in `dir`, else the newest.
    pub(super) fn find(given: Option<&Path>, made_by: Option<&str>, dir: &Path) -> Result<Self, PrivatePostgresError> {
        let looked = match given {
            Some(folder) => folder.display().to_string(),
            None => format!("{DEBIAN}/*/bin and PATH"),
        };
        let mut installed: Vec<(u32, PathBuf)> = match given {
            Some(folder) => version_of(folder).map(|version| (version, folder.to_owned())).into_iter().collect(),
            None => folders().into_iter().filter_map(|folder| Some((version_of(&folder)?, folder))).collect(),
        };
        installed.retain(|(version, _)| *version >= OLDEST);
        installed.sort();
        if installed.is_empty() {
            return Err(PrivatePostgresError::NotInstalled { looked });
        }
        let Some(made_by) = made_by else {
            let (_, folder) = installed.pop().expect("checked: not empty");
            return Ok(Self(folder));
        };
        installed
            .into_iter()
            .find(|(version, _)| version.to_string() == made_by)
            .map(|(_, folder)| Self(folder))
            .ok_or_else(|| PrivatePostgresError::Version {
                dir: dir.to_owned(),
                made_by: made_by.chars().take(10).collect(),
            })
    }

    pub(super) fn into_folder(self) -> PathBuf {
        self.0
    }

    pub(super) fn postgres(&self) -> PathBuf {
        self.0.join("postgres")
    }

    pub(super) fn initdb(&self) -> PathBuf {
        self.0.join("initdb")
    }
}

fn folders() -> Vec<PathBuf> {
    let debian = std::fs::read_dir(DEBIAN).into_iter().flatten().flatten().map(|entry| entry.path().join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    debian.chain(std::env::split_paths(&path)).collect()
}

/// The major version of the binaries in `folder`. Debian's folder says it; elsewhere the program is asked.
fn version_of(folder: &Path) -> Option<u32> {
    let postgres = folder.join("postgres");
    if !postgres.is_file() || !folder.join("initdb").is_file() {
        return None;
    }
    let named = folder.strip_prefix(DEBIAN).ok().and_then(|rest| rest.iter().next()?.to_str()?.parse().ok());
    named.or_else(|| {
        let output = Command::new(postgres).arg("--version").output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        text.split_whitespace().find_map(|word| word.split('.').next()?.parse().ok())
    })
}

/// The user that the database's processes run as.
#[derive(Debug, Clone, Copy)]
pub(super) enum RunAs {
    /// Ours, an ordinary user.
    Ourselves,
    /// `postgres`, since we are root.
    User {
        /// User id.
        user: u32,
        /// Group id.
        group: u32,
    },
}

impl RunAs {
    pub(super) fn find() -> Result<Self, PrivatePostgresError> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self::Ourselves);
        }
        let passwd = std::fs::read_to_string("/etc/passwd").map_err(|_| PrivatePostgresError::NoUser)?;
        passwd
            .lines()
            .map(|line| line.split(':').collect::<Vec<_>>())
            .find(|fields| fields.first() == Some(&"postgres"))
            .and_then(|fields| {
                Some(Self::User { user: fields.get(2)?.parse().ok()?, group: fields.get(3)?.parse().ok()? })
            })
            .ok_or(PrivatePostgresError::NoUser)
    }

    /// User and group to hand files to, if they aren't ours already.
    pub(super) fn ids(self) -> Option<(u32, u32)> {
        match self {
            Self::Ourselves => None,
            Self::User { user, group } => Some((user, group)),
        }
    }

    pub(super) fn user(self) -> u32 {
        match self {
            Self::Ourselves => rustix::process::geteuid().as_raw(),
            Self::User { user, .. } => user,
        }
    }

    /// A command that runs as this user, with a clean environment.
    pub(super) fn command(self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C.UTF-8").env("TZ", "UTC");
        if let Self::User { user, group } = self {
            command.uid(user).gid(group);
        }
        command
    }

    /// Whether this user may walk down to `folder`.
    pub(super) fn check_reach(self, folder: &Path) -> Result<(), PrivatePostgresError> {
        let Self::User { user, group } = self else {
            return Ok(());
        };
        for step in folder.ancestors() {
            let Ok(found) = std::fs::metadata(step) else {
                continue;
            };
            let bit = match () {
                () if found.uid() == user => 0o100,
                () if found.gid() == group => 0o010,
                () => 0o001,
            };
            if found.mode() & bit == 0 {
                return Err(PrivatePostgresError::Unreachable(step.to_owned()));
            }
        }
        Ok(())
    }
}
