//! A PostgreSQL of our own: started from the installed binaries, in a folder of ours, on a unix socket that only
//! the server's user can reach. It ends with the process, however that ends.
//!
//! As root the database runs as the user `postgres`, since PostgreSQL refuses to run as root.

mod binaries;
mod postmaster;

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use binaries::{Binaries, RunAs};
use postmaster::Postmaster;

/// The role that owns the tables and migrates.
const OWNER: &str = "bedside_owner";
/// The role that the server works as.
const APP: &str = "bedside_app";
/// The database.
const DATABASE: &str = "bedside";
/// Longest path of a unix socket (`sockaddr_un`), less the name PostgreSQL gives it.
const SOCKET_DIR_MAX: usize = 107 - "/.s.PGSQL.5432".len();
const SETTINGS: &str = "
# Set by Bedside at the first start. One machine, local connections only.
listen_addresses = ''
max_connections = 80
shared_buffers = 128MB
jit = off
# Nothing that a person wrote may reach the log: no statements, no parameters, no key values.
log_min_error_statement = panic
log_error_verbosity = terse
log_statement = none
";

/// Why the private PostgreSQL does not run. One line each; nothing was damaged.
#[derive(Debug, thiserror::Error)]
pub enum PrivatePostgresError {
    /// No server binaries.
    #[error(
        "PostgreSQL 15 or later is not installed (looked in {looked}); install it (Debian: apt install postgresql) or set database.url and database.owner_url"
    )]
    NotInstalled {
        /// Where was looked.
        looked: String,
    },
    /// The folder was made by a major version that is not installed.
    #[error(
        "the database in {dir} was made by PostgreSQL {made_by}, which is not installed; install postgresql-{made_by}, or migrate the folder with pg_upgrade"
    )]
    Version {
        /// Which folder.
        dir: PathBuf,
        /// Its `PG_VERSION`.
        made_by: String,
    },
    /// As root, but no user to run as.
    #[error(
        "PostgreSQL can't run as root and there is no user `postgres`; run bedside as an ordinary user or create that user"
    )]
    NoUser,
    /// As root, with a folder that `postgres` can't enter.
    #[error(
        "as root, PostgreSQL runs as the user `postgres`, which may not enter {0}; choose a folder with --data, such as /var/lib/bedside, or run bedside as an ordinary user"
    )]
    Unreachable(PathBuf),
    /// A program of PostgreSQL failed.
    #[error("{program} failed: {message}")]
    Failed {
        /// Which.
        program: &'static str,
        /// The last thing it said.
        message: String,
    },
    /// It ended or hung while starting.
    #[error("PostgreSQL did not start: {message} (its log is {log})")]
    DidNotStart {
        /// The last thing it said.
        message: String,
        /// Where more is.
        log: PathBuf,
    },
    /// The system refused something.
    #[error("private PostgreSQL: {path}: {source}; correct its owner and mode, or choose another folder with --data")]
    Io {
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// A running private PostgreSQL. Dropping it stops it.
#[derive(Debug)]
pub struct PrivatePostgres {
    socket_dir: PathBuf,
    /// None when another process runs it.
    _postmaster: Option<Postmaster>,
}

impl PrivatePostgres {
    /// Starts the database in `dir`, making it first if `dir` does not exist. Blocks until it takes connections.
    ///
    /// A database that a killed process left behind is ended first; the caller makes sure that no live server uses `dir`.
    ///
    /// # Errors
    /// [`PrivatePostgresError`].
    pub fn start(dir: &Path) -> Result<Self, PrivatePostgresError> {
        Self::start_with(dir, None)
    }

    /// As [`PrivatePostgres::start`], with the folder that holds `postgres` and `initdb`.
    ///
    /// # Errors
    /// [`PrivatePostgresError`].
    pub fn start_with(dir: &Path, binaries: Option<&Path>) -> Result<Self, PrivatePostgresError> {
        let run_as = RunAs::find()?;
        let made_by = std::fs::read_to_string(dir.join("PG_VERSION")).ok().map(|version| version.trim().to_owned());
        let binaries = Binaries::find(binaries, made_by.as_deref(), dir)?;
        let parent = dir.parent().unwrap_or(Path::new("/"));
        run_as.check_reach(parent)?;
        if made_by.is_none() {
            initialise(dir, &binaries, &run_as)?;
        }
        let socket_dir = socket_dir(dir, &run_as)?;
        postmaster::end_leftover(dir, &socket_dir)?;
        let postmaster = Postmaster::start(dir, &socket_dir, &binaries, &run_as)?;
        Ok(Self { socket_dir, _postmaster: Some(postmaster) })
    }

    /// The folder of the binaries that a new database would be made with.
    ///
    /// # Errors
    /// [`PrivatePostgresError::NotInstalled`].
    pub fn installed() -> Result<PathBuf, PrivatePostgresError> {
        Binaries::find(None, None, Path::new("")).map(Binaries::into_folder)
    }

    /// The database in `dir`, if another process runs it right now.
    #[must_use]
    pub fn running_in(dir: &Path) -> Option<Self> {
        postmaster::live(dir)?;
        let run_as = RunAs::find().ok()?;
        Some(Self { socket_dir: socket_dir(dir, &run_as).ok()?, _postmaster: None })
    }

    /// Where the owner connects: migrations only.
    #[must_use]
    pub fn owner_url(&self) -> String {
        self.url(OWNER)
    }

    /// Where the server connects.
    #[must_use]
    pub fn app_url(&self) -> String {
        self.url(APP)
    }

    /// Stops the database and waits for it. Does nothing to one that another process runs.
    pub fn stop(self) {
        drop(self);
    }

    fn url(&self, role: &str) -> String {
        let mut host = String::new();
        for byte in self.socket_dir.as_os_str().as_encoded_bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => host.push(char::from(*byte)),
                other => host.push_str(&format!("%{other:02X}")),
            }
        }
        format!("postgres://{role}@localhost/{DATABASE}?host={host}")
    }
}

/// Makes the database beside its place and renames it there, so that a kill in between leaves nothing half-made.
fn initialise(dir: &Path, binaries: &Binaries, run_as: &RunAs) -> Result<(), PrivatePostgresError> {
    let unfinished = dir.with_extension("new");
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| PrivatePostgresError::Io { path, source }
    };
    if unfinished.exists() {
        std::fs::remove_dir_all(&unfinished).map_err(io(&unfinished))?;
    }
    std::fs::create_dir_all(&unfinished).map_err(io(&unfinished))?;
    std::fs::set_permissions(&unfinished, std::fs::Permissions::from_mode(0o700)).map_err(io(&unfinished))?;
    if let Some((user, group)) = run_as.ids() {
        chown(&unfinished, Some(user), Some(group)).map_err(io(&unfinished))?;
    }
    let mut initdb = run_as.command(&binaries.initdb());
    initdb.current_dir(&unfinished).arg("-D").arg(&unfinished).args([
        "-U",
        OWNER,
        "--auth=trust",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
    ]);
    run("initdb", initdb, None)?;
    let conf = unfinished.join("postgresql.conf");
    let mut text = std::fs::read_to_string(&conf).map_err(io(&conf))?;
    text.push_str(SETTINGS);
    std::fs::write(&conf, text).map_err(io(&conf))?;
    let mut single = run_as.command(&binaries.postgres());
    single.current_dir(&unfinished).args(["--single", "-D"]).arg(&unfinished).arg("postgres");
    run("postgres --single", single, Some(&format!("CREATE DATABASE {DATABASE}\n")))?;
    std::fs::rename(&unfinished, dir).map_err(io(dir))?;
    if let Some(parent) = dir.parent() {
        std::fs::File::open(parent).and_then(|folder| folder.sync_all()).map_err(io(parent))?;
    }
    Ok(())
}

fn run(program: &'static str, mut command: Command, input: Option<&str>) -> Result<(), PrivatePostgresError> {
    use std::io::Write as _;
    let failed = |message: String| PrivatePostgresError::Failed { program, message };
    let mut child = command
        .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
        stdin.write_all(input.as_bytes()).map_err(|error| failed(error.to_string()))?;
    }
    let output = child.wait_with_output().map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(failed(reason(&said).or_else(|| last_line(&said)).unwrap_or_else(|| output.status.to_string())))
}

/// The line that says why: after it the programs of PostgreSQL only tell how they clean up.
fn reason(text: &str) -> Option<String> {
    let says_why = |line: &&str| ["error:", "FATAL:", "PANIC:", "No space left"].iter().any(|mark| line.contains(mark));
    text.lines().find(says_why).and_then(last_line)
}

fn last_line(text: &str) -> Option<String> {
    text.lines().map(str::trim).rfind(|line| !line.is_empty()).map(|line| line.chars().take(300).collect())
}

/// The socket's folder: in the database's own, or, where that path is too long for a socket, a private one in the
/// system's temporary folder.
fn socket_dir(dir: &Path, run_as: &RunAs) -> Result<PathBuf, PrivatePostgresError> {
    let inside = dir.join("socket");
    let socket_dir = if inside.as_os_str().len() <= SOCKET_DIR_MAX {
        inside
    } else {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, dir.as_os_str().as_encoded_bytes());
        std::env::temp_dir().join(format!("bedside-{}", &hex::encode(digest.as_ref())[..16]))
    };
    let io = |source| PrivatePostgresError::Io { path: socket_dir.clone(), source };
    match std::fs::create_dir(&socket_dir) {
        Ok(()) => {
            std::fs::set_permissions(&socket_dir, std::fs::Permissions::from_mode(0o700)).map_err(io)?;
            if let Some((user, group)) = run_as.ids() {
                chown(&socket_dir, Some(user), Some(group)).map_err(io)?;
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(io(error)),
    }
    // Somebody else's folder at that name would see every query.
    let found = std::fs::symlink_metadata(&socket_dir).map_err(io)?;
    if !found.is_dir() || found.uid() != run_as.user() || found.mode() & 0o077 != 0 {
        return Err(io(std::io::Error::other("is not a private folder of the database's user")));
    }
    Ok(socket_dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a temporary folder");
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).expect("ours");
        dir
    }

    async fn one(url: &str) -> i32 {
        use sqlx::Connection as _;
        let mut connection = sqlx::PgConnection::connect(url).await.expect("connects");
        sqlx::query_scalar::<_, i32>("SELECT 1").fetch_one(&mut connection).await.expect("answers")
    }

    #[tokio::test]
    async fn it_starts_answers_stops_and_starts_again() {
        let dir = folder();
        let pg = dir.path().join("postgres");
        let first = PrivatePostgres::start(&pg).expect("starts");
        assert_eq!(one(&first.owner_url()).await, 1);
        assert!(PrivatePostgres::running_in(&pg).is_some());
        first.stop();
        assert!(PrivatePostgres::running_in(&pg).is_none());
        let second = PrivatePostgres::start(&pg).expect("starts again");
        assert_eq!(one(&second.owner_url()).await, 1);
    }

    #[tokio::test]
    async fn a_database_whose_postmaster_was_killed_starts_again() {
        let dir = folder();
        let pg = dir.path().join("postgres");
        let first = PrivatePostgres::start(&pg).expect("starts");
        let pid = postmaster::live(&pg).expect("runs");
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("ours");
        drop(first);
        let second = PrivatePostgres::start(&pg).expect("recovers");
        assert_eq!(one(&second.owner_url()).await, 1);
    }

    #[tokio::test]
    async fn locks_whose_pid_is_somebody_elses_now_do_not_keep_it_from_starting() {
        use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
        let dir = folder();
        let pg = dir.path().join("postgres");
        let first = PrivatePostgres::start(&pg).expect("starts");
        let lock = std::fs::read_to_string(pg.join("postmaster.pid")).expect("it runs");
        first.stop();
        // Dead, of the database's own user, and not waited for: to PostgreSQL it looks alive.
        let mut other = RunAs::find().expect("a user").command(Path::new("/bin/true")).spawn().expect("runs");
        waitid(WaitId::Pid(Pid::from_child(&other)), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).expect("a child");
        let (_, rest) = lock.split_once('\n').expect("lines");
        for path in [pg.join("postmaster.pid"), pg.join("socket/.s.PGSQL.5432.lock")] {
            std::fs::write(path, format!("{}\n{rest}", other.id())).expect("written");
        }
        let second = PrivatePostgres::start(&pg).expect("starts again");
        assert_eq!(one(&second.owner_url()).await, 1);
        other.wait().expect("a child");
    }

    #[test]
    fn a_half_made_database_is_made_anew() {
        let dir = folder();
        std::fs::create_dir(dir.path().join("postgres.new")).expect("made");
        std::fs::write(dir.path().join("postgres.new/PG_VERSION"), "15\n").expect("written");
        PrivatePostgres::start(&dir.path().join("postgres")).expect("starts");
    }

    #[test]
    fn missing_binaries_are_named_with_the_way_out() {
        let dir = folder();
        let error = PrivatePostgres::start_with(&dir.path().join("postgres"), Some(dir.path())).expect_err("refused");
        assert!(error.to_string().contains("database.url"), "{error}");
        assert!(!dir.path().join("postgres").exists());
    }

    #[test]
    fn a_folder_of_another_major_version_is_left_alone() {
        let dir = folder();
        let pg = dir.path().join("postgres");
        std::fs::create_dir(&pg).expect("made");
        std::fs::write(pg.join("PG_VERSION"), "9\n").expect("written");
        let error = PrivatePostgres::start(&pg).expect_err("refused");
        assert!(matches!(error, PrivatePostgresError::Version { .. }), "{error}");
        assert_eq!(std::fs::read_dir(&pg).expect("readable").count(), 1);
    }

    #[tokio::test]
    async fn a_path_too_long_for_a_socket_still_works() {
        let dir = folder();
        let deep = dir.path().join("a".repeat(60)).join("b".repeat(60));
        std::fs::create_dir_all(&deep).expect("made");
        let pg = PrivatePostgres::start(&deep.join("postgres")).expect("starts");
        assert_eq!(one(&pg.owner_url()).await, 1);
    }
}
