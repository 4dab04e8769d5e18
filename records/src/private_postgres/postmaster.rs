//! The postmaster process: started, watched, stopped, and found again when its parent was killed.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use super::binaries::{Binaries, RunAs};
use super::{PrivatePostgresError, last_line};

/// Crash recovery replays the write-ahead log, which may take a while on a slow disk.
const START_WITHIN: Duration = Duration::from_secs(120);
/// A fast shutdown writes one checkpoint.
const STOP_WITHIN: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(3);

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
                let said = std::fs::read_to_string(log).ok().and_then(|text| last_line(&text));
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
    let text = std::fs::read_to_string(dir.join("postmaster.pid")).ok()?;
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
    let text = std::fs::read_to_string(dir.join("postmaster.pid")).ok()?;
    let number: i32 = text.lines().next()?.trim().parse().ok()?;
    let pid = Pid::from_raw(number)?;
    test_kill_process(pid).ok()?;
    let exe = std::fs::read_link(format!("/proc/{number}/exe")).ok()?;
    let cwd = std::fs::read_link(format!("/proc/{number}/cwd")).ok()?;
    let is_ours = exe.file_name()?.to_string_lossy().starts_with("postgres") && cwd == dir.canonicalize().ok()?;
    is_ours.then_some(pid)
}

/// Ends the database that a killed process left behind, and waits until its folder is free.
pub(super) fn end_leftover(dir: &Path) -> Result<(), PrivatePostgresError> {
    let Some(pid) = live(dir) else { return Ok(()) };
    for signal in [Signal::INT, Signal::QUIT] {
        // It may be ending already.
        let _ = kill_process(pid, signal);
        let deadline = Instant::now() + STOP_WITHIN;
        while Instant::now() < deadline {
            if live(dir).is_none() {
                return Ok(());
            }
            pause();
        }
    }
    Err(PrivatePostgresError::Failed {
        program: "postgres",
        message: format!("process {pid:?} of an earlier run does not end; end it by hand"),
    })
}
