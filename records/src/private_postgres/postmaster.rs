//! The postmaster process: started, watched, stopped, and found again when its parent was killed.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use super::binaries::{Binaries, RunAs};
use super::{PrivatePostgresError, last_line, reason};

/// Crash recovery replays the write-ahead log, which may take a while on a slow disk.
const START_WITHIN: Duration = Duration::from_secs(120);
/// A fast shutdown writes one checkpoint.
const STOP_WITHIN: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(3);
/// PostgreSQL's lock on its folder.
const PID_FILE: &str = "postmaster.pid";
/// And on its socket.
const SOCKET_LOCK: &str = ".s.PGSQL.5432.lock";

/// A postmaster that we started.
///
/// A thread of its own starts it and lives as long, because `PR_SET_PDEATHSIG` speaks of the death of the parent's
/// thread: when this process dies, PostgreSQL gets SIGINT (fast shutdown) from the kernel.
#[derive(Debug)]
pub(super) struct Postmaster {
    stop: Option<Sender<()>>,
    keeper: Option<JoinHandle<()>>,
}

impl Postmaster {
    pub(super) fn start(
        dir: &Path,
        socket_dir: &Path,
        binaries: &Binaries,
        run_as: &RunAs,
    ) -> Result<Self, PrivatePostgresError> {
        let log = dir.join("server.log");
        let io = |source| PrivatePostgresError::Io { path: log.clone(), source };
        let output = std::fs::File::create(&log).map_err(io)?;
        let mut command = run_as.command(&binaries.postgres());
        command
            .current_dir(dir)
            .arg("-D")
            .arg(dir)
            .arg("-k")
            .arg(socket_dir)
            .stdin(Stdio::null())
            .stdout(output.try_clone().map_err(io)?)
            .stderr(output)
            // Not our process group: Ctrl-C is for the server, which then stops the database in order.
            .process_group(0);
        // SAFETY: between fork and exec only `prctl` is called, which is async-signal-safe and allocates nothing.
        unsafe {
            command.pre_exec(|| {
                if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGINT) != 0 {
                    return Err(std::io::Error::last_os_error());
                }
                Ok(())
            });
        }
        let (stop, stopped) = channel::<()>();
        let (started, ready) = channel();
        let (dir, log) = (dir.to_owned(), log.clone());
        let keeper = std::thread::Builder::new()
            .name("postgres-keeper".into())
            .spawn(move || {
                let child = command
                    .spawn()
                    .map_err(|source| PrivatePostgresError::Io { path: binaries_path(&command), source });
                let mut child = match child {
                    Ok(child) => child,
                    Err(error) => return drop(started.send(Err(error))),
                };
                let outcome = wait_until_ready(&mut child, &dir, &log);
                let failed = outcome.is_err();
                let _ = started.send(outcome);
                if !failed {
                    // Ends when the handle says so or is dropped.
                    let _ = stopped.recv();
                }
                end(&mut child);
            })
            .map_err(|source| PrivatePostgresError::Io { path: socket_dir.to_owned(), source })?;
        let postmaster = Self { stop: Some(stop), keeper: Some(keeper) };
        match ready.recv() {
            Ok(outcome) => outcome.map(|()| postmaster),
            Err(_) => Err(PrivatePostgresError::Failed {
                program: "postgres",
                message: "the thread that keeps it ended".into(),
            }),
        }
    }
}

impl Drop for Postmaster {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(keeper) = self.keeper.take() {
            // A panic there has been printed; there is nothing left to stop then.
            let _ = keeper.join();
        }
    }
}

fn binaries_path(command: &std::process::Command) -> PathBuf {
    PathBuf::from(command.get_program())
}

fn wait_until_ready(child: &mut Child, dir: &Path, log: &Path) -> Result<(), PrivatePostgresError> {
    let deadline = Instant::now() + START_WITHIN;
    let did_not_start = |message: String| PrivatePostgresError::DidNotStart { message, log: log.to_owned() };
    loop {
        if status(dir, child.id()).as_deref() == Some("ready") {
            return Ok(());
        }
        match child.try_wait() {
            Ok(None) => {}
            Ok(Some(status)) => {
                let said =
                    std::fs::read_to_string(log).ok().and_then(|text| reason(&text).or_else(|| last_line(&text)));
                return Err(did_not_start(said.unwrap_or_else(|| status.to_string())));
            }
            Err(error) => return Err(did_not_start(error.to_string())),
        }
        if Instant::now() > deadline {
            return Err(did_not_start(format!("not ready after {} s", START_WITHIN.as_secs())));
        }
        pause();
    }
}

#[expect(clippy::disallowed_methods, reason = "PostgreSQL says that it is ready, or gone, by a file and a pid only")]
fn pause() {
    std::thread::sleep(POLL);
}

/// Line 8 of `postmaster.pid`, if line 1 is `pid`: `starting`, `ready`, `stopping`.
fn status(dir: &Path, pid: u32) -> Option<String> {
    let text = std::fs::read_to_string(dir.join(PID_FILE)).ok()?;
    let mut lines = text.lines();
    (lines.next()?.trim() == pid.to_string()).then(|| lines.nth(6).map(|line| line.trim().to_owned()))?
}

fn end(child: &mut Child) {
    let pid = Pid::from_child(child);
    for signal in [Signal::INT, Signal::QUIT, Signal::KILL] {
        // It may have ended by itself.
        let _ = kill_process(pid, signal);
        let deadline = Instant::now() + STOP_WITHIN;
        while Instant::now() < deadline {
            match child.try_wait() {
                Ok(None) => pause(),
                Ok(Some(_)) | Err(_) => return,
            }
        }
    }
}

/// The live postmaster of `dir`: its pid file names a process that is PostgreSQL and works in that very folder.
pub(super) fn live(dir: &Path) -> Option<Pid> {
    let text = std::fs::read_to_string(dir.join(PID_FILE)).ok()?;
    let number: i32 = text.lines().next()?.trim().parse().ok()?;
    let pid = Pid::from_raw(number)?;
    test_kill_process(pid).ok()?;
    works_in(number, &dir.canonicalize().ok()?).then_some(pid)
}

/// Whether this process is PostgreSQL and works in `dir` (canonical). One that is dead but not waited for is not. One that is
/// ending has no program any more, but for a moment still the memory that it shared, and PostgreSQL would not start beside
/// it; it leaves its folder after that.
fn works_in(pid: i32, dir: &Path) -> bool {
    if std::fs::read_link(format!("/proc/{pid}/cwd")).ok().as_deref() != Some(dir) {
        return false;
    }
    match std::fs::read_link(format!("/proc/{pid}/exe")) {
        Ok(exe) => exe.file_name().is_some_and(|name| name.to_string_lossy().starts_with("postgres")),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

/// Whether any process of PostgreSQL works in `dir`: after the postmaster was killed, its workers end by themselves.
fn somebody_works_in(dir: &Path) -> bool {
    let (Ok(dir), Ok(processes)) = (dir.canonicalize(), std::fs::read_dir("/proc")) else {
        return false;
    };
    processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).any(|pid: i32| works_in(pid, &dir))
}

/// Ends the database that a killed process left behind, and waits until its folder is free.
pub(super) fn end_leftover(dir: &Path, socket_dir: &Path) -> Result<(), PrivatePostgresError> {
    for signal in [Signal::INT, Signal::QUIT] {
        if let Some(pid) = live(dir) {
            // It may be ending already.
            let _ = kill_process(pid, signal);
        }
        let deadline = Instant::now() + STOP_WITHIN;
        while Instant::now() < deadline {
            if live(dir).is_none() && !somebody_works_in(dir) {
                return remove_stale_locks(&[dir.join(PID_FILE), socket_dir.join(SOCKET_LOCK)]);
            }
            pause();
        }
    }
    Err(PrivatePostgresError::Failed {
        program: "postgres",
        message: format!("processes of an earlier run still work in {}; end them by hand", dir.display()),
    })
}

/// A killed postmaster leaves its locks. PostgreSQL goes by the pid in them alone, and would refuse to start while that is
/// one of a dead process that nobody has waited for, or has been given to another process since.
fn remove_stale_locks(locks: &[PathBuf]) -> Result<(), PrivatePostgresError> {
    for path in locks {
        match std::fs::remove_file(path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(PrivatePostgresError::Io { path: path.clone(), source });
            }
            _ => {}
        }
    }
    Ok(())
}
