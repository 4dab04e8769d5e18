//! The data folder: whose it is, which version made it, whether there is room, and that one server uses it at a time.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock, statvfs};

/// Version of the folder's layout. Raised only with a migration of what is there.
const FORMAT: u32 = 1;
const FORMAT_FILE: &str = "FORMAT";

/// Why the folder can't be used. One line each; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// It could not be made or read.
    #[error("data folder {path}: {source}; choose another with --data or correct its owner and mode")]
    Io {
        /// Which path.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Something else lives there.
    #[error(
        "data folder {0} is not empty and was not made by Bedside (it has no {FORMAT_FILE} file); choose another with --data"
    )]
    Foreign(PathBuf),
    /// Another version made it.
    #[error(
        "data folder {path} has format {found}, this version of Bedside reads {FORMAT}; start the version that made it, or restore a backup into a new folder"
    )]
    Version {
        /// Which folder.
        path: PathBuf,
        /// Its format.
        found: String,
    },
    /// A server runs on it.
    #[error(
        "data folder {0} is in use by another bedside server; stop that one first or choose another folder with --data"
    )]
    InUse(PathBuf),
    /// Too little room.
    #[error(
        "data folder {path} has {free_mib} MiB free, data.min_free_mib asks for {needed_mib}; free some space or lower data.min_free_mib"
    )]
    Full {
        /// Which folder.
        path: PathBuf,
        /// Room there is.
        free_mib: u64,
        /// Room there should be.
        needed_mib: u64,
    },
}

/// An opened data folder.
#[derive(Debug)]
pub struct DataDir {
    root: PathBuf,
    /// Held for as long as the server runs: an advisory lock that ends with the process.
    lock: Option<File>,
}

impl DataDir {
    /// Opens the folder for a server: alone, made if it is missing.
    ///
    /// # Errors
    /// [`DataDirError`]; nothing was changed.
    pub fn open_exclusive(root: &Path, min_free_mib: u64) -> Result<Self, DataDirError> {
        let root = prepare(root)?;
        let lock_path = root.join("server.lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock_path)
            .map_err(|source| DataDirError::Io { path: lock_path.clone(), source })?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|_| DataDirError::InUse(root.clone()))?;
        let data = Self { root, lock: Some(lock) };
        data.check_space(min_free_mib)?;
        Ok(data)
    }

    /// Opens an existing folder beside a running server, for the other subcommands.
    ///
    /// # Errors
    /// [`DataDirError`].
    pub fn open_shared(root: &Path) -> Result<Self, DataDirError> {
        let root = root.canonicalize().map_err(|source| DataDirError::Io { path: root.to_owned(), source })?;
        check_format(&root)?;
        Ok(Self { root, lock: None })
    }

    /// Whether another server holds the folder right now.
    ///
    /// # Errors
    /// [`DataDirError::Io`].
    pub fn server_is_running(&self) -> Result<bool, DataDirError> {
        if self.lock.is_some() {
            return Ok(false);
        }
        let path = self.root.join("server.lock");
        let Ok(lock) = OpenOptions::new().write(true).open(&path) else {
            return Ok(false);
        };
        Ok(flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err())
    }

    /// Fails when less than `min_free_mib` MiB are free.
    ///
    /// # Errors
    /// [`DataDirError::Full`].
    pub fn check_space(&self, min_free_mib: u64) -> Result<(), DataDirError> {
        let stat =
            statvfs(&self.root).map_err(|error| DataDirError::Io { path: self.root.clone(), source: error.into() })?;
        let free_mib = stat.f_bavail.saturating_mul(stat.f_frsize) / (1024 * 1024);
        if free_mib < min_free_mib {
            return Err(DataDirError::Full { path: self.root.clone(), free_mib, needed_mib: min_free_mib });
        }
        Ok(())
    }

    /// The private PostgreSQL.
    #[must_use]
    pub fn postgres(&self) -> PathBuf {
        self.root.join("postgres")
    }

    /// The key ring: a file that only the server's user may read.
    #[must_use]
    pub fn key_ring(&self) -> PathBuf {
        self.root.join("keyring.json")
    }

    /// Captures that are not composed yet, a folder each.
    #[must_use]
    pub fn captures(&self) -> PathBuf {
        self.root.join("captures")
    }

    /// Composed recordings, sealed.
    #[must_use]
    pub fn objects(&self) -> PathBuf {
        self.root.join("objects")
    }

    /// The audit log's signing key, and its checkpoints outside the database.
    #[must_use]
    pub fn audit(&self) -> PathBuf {
        self.root.join("audit")
    }

    /// Patients' documents, sealed.
    #[must_use]
    pub fn attachments(&self) -> PathBuf {
        self.objects().join("attachments")
    }

    /// What `--demo` tells scripts and tests.
    #[must_use]
    pub fn demo_json(&self) -> PathBuf {
        self.root.join("demo.json")
    }
}

fn prepare(root: &Path) -> Result<PathBuf, DataDirError> {
    let io = |source| DataDirError::Io { path: root.to_owned(), source };
    let is_new = match std::fs::read_dir(root) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            std::fs::create_dir_all(root).map_err(io)?;
            true
        }
        Err(error) => return Err(io(error)),
    };
    let root = root.canonicalize().map_err(io)?;
    if is_new {
        let path = root.join(FORMAT_FILE);
        let write = || -> std::io::Result<()> {
            let mut file = File::create_new(&path)?;
            writeln!(file, "{FORMAT}")?;
            file.sync_all()?;
            File::open(&root)?.sync_all()
        };
        write().map_err(|source| DataDirError::Io { path: path.clone(), source })?;
    }
    check_format(&root)?;
    for folder in ["captures", "objects"] {
        let path = root.join(folder);
        std::fs::create_dir_all(&path)
            .and_then(|()| std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o700)))
            .map_err(|source| DataDirError::Io { path: path.clone(), source })?;
    }
    Ok(root)
}

fn check_format(root: &Path) -> Result<(), DataDirError> {
    let path = root.join(FORMAT_FILE);
    match std::fs::read_to_string(&path) {
        Ok(found) if found.trim() == FORMAT.to_string() => Ok(()),
        Ok(found) => {
            Err(DataDirError::Version { path: root.to_owned(), found: found.trim().chars().take(20).collect() })
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(DataDirError::Foreign(root.to_owned())),
        Err(source) => Err(DataDirError::Io { path, source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_folder_is_made_and_opens_again() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let root = dir.path().join("data");
        drop(DataDir::open_exclusive(&root, 0).expect("made"));
        drop(DataDir::open_exclusive(&root, 0).expect("opened again"));
    }

    #[test]
    fn a_second_server_on_the_same_folder_is_refused() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let first = DataDir::open_exclusive(dir.path(), 0).expect("made");
        assert!(matches!(DataDir::open_exclusive(dir.path(), 0), Err(DataDirError::InUse(_))));
        // What the owner finds there is its own: it must end a leftover database rather than use it.
        assert!(!first.server_is_running().expect("readable"));
        assert!(DataDir::open_shared(dir.path()).expect("opened").server_is_running().expect("readable"));
    }

    #[test]
    fn a_folder_of_another_version_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(dir.path().join(FORMAT_FILE), "99\n").expect("writable");
        assert!(matches!(DataDir::open_exclusive(dir.path(), 0), Err(DataDirError::Version { .. })));
        assert_eq!(std::fs::read_dir(dir.path()).expect("readable").count(), 1);
    }

    #[test]
    fn someone_elses_folder_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(dir.path().join("thesis.txt"), "mine").expect("writable");
        assert!(matches!(DataDir::open_exclusive(dir.path(), 0), Err(DataDirError::Foreign(_))));
        assert_eq!(std::fs::read_dir(dir.path()).expect("readable").count(), 1);
    }

    #[test]
    fn too_little_space_is_said_with_numbers() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let error = DataDir::open_exclusive(dir.path(), u64::MAX).expect_err("refused").to_string();
        assert!(error.contains("data.min_free_mib"), "{error}");
    }
}
