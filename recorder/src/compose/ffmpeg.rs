//! ffmpeg as a confined child process between two pipes. It sees hostile media, so it gets no network, no file to
//! write, no environment, and bounds on processor, memory and time; it is ended with us.

use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// Address space, bytes. A decoder of 4K needs a tenth of it; libraries are mapped into the rest.
const MEMORY: u64 = 3 << 30;
/// Open files.
const FILES: u64 = 64;
/// The user and group `nobody`, whom a server that runs as root becomes here.
const NOBODY: u32 = 65_534;
/// Kept of what ffmpeg says, bytes.
const MAX_WORDS: u64 = 2_000;

/// A running ffmpeg. Dropped, it is ended and reaped.
pub(super) struct Ffmpeg {
    child: Killable,
    pub input: Option<ChildStdin>,
    pub output: Option<ChildStdout>,
    words: Option<JoinHandle<String>>,
}

/// The end of a process that another thread may bring about. The lock keeps its id from being reaped and reused
/// between looking and killing.
#[derive(Clone)]
pub(super) struct Killable(Arc<Mutex<Child>>);

impl Killable {
    pub fn kill(&self) {
        let _ = self.0.lock().unwrap_or_else(PoisonError::into_inner).kill();
    }

    fn wait(&self) -> io::Result<ExitStatus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).wait()
    }
}

impl Ffmpeg {
    /// Starts it with `args` after the ones that always hold. `cpu_s` bounds its processor time, seconds.
    ///
    /// It dies with the thread that calls this.
    pub fn start(program: &Path, args: &[String], cpu_s: u64) -> io::Result<Self> {
        let mut command = Command::new(program);
        command
            .args(["-nostdin", "-hide_banner", "-loglevel", "error", "-protocol_whitelist", "pipe"])
            .args(args)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let parent = std::process::id();
        // SAFETY: between fork and exec only system calls are made; nothing allocates or locks.
        unsafe { command.pre_exec(move || confine(parent, cpu_s)) };
        let mut child = command.spawn()?;
        let (input, output, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let child = Killable(Arc::new(Mutex::new(child)));
        let mut ffmpeg = Self { child, input, output, words: None };
        if let Some(mut errors) = errors {
            let listen = move || {
                let mut words = Vec::new();
                let _ = errors.by_ref().take(MAX_WORDS).read_to_end(&mut words);
                let _ = io::copy(&mut errors, &mut io::sink());
                String::from_utf8_lossy(&words).trim().to_owned()
            };
            ffmpeg.words = Some(std::thread::Builder::new().name("ffmpeg-says".into()).spawn(listen)?);
        }
        Ok(ffmpeg)
    }

    pub fn killable(&self) -> Killable {
        self.child.clone()
    }

    /// Waits for it to end by itself, its pipes being closed, and answers with its last words if it failed.
    ///
    /// Its words end when it does, so that the lock is only taken when there is nothing left to kill.
    pub fn finish(mut self) -> Result<(), String> {
        self.input = None;
        self.output = None;
        let words = self.words.take().and_then(|words| words.join().ok()).unwrap_or_default();
        match self.child.wait() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("{status}: {words}")),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Drop for Ffmpeg {
    fn drop(&mut self) {
        self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs in the child, before exec.
fn confine(parent: u32, cpu_s: u64) -> io::Result<()> {
    let check = |result: libc::c_int| {
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    };
    // SAFETY: plain system calls on values and on one local that outlives its call.
    unsafe {
        let root = libc::geteuid() == 0;
        // An empty network of its own, where the system lets us: the protocol whitelist stands in any case.
        libc::unshare(if root { libc::CLONE_NEWNET } else { libc::CLONE_NEWUSER | libc::CLONE_NEWNET });
        let limits = [
            (libc::RLIMIT_CPU, cpu_s),
            (libc::RLIMIT_AS, MEMORY),
            (libc::RLIMIT_FSIZE, 0),
            (libc::RLIMIT_NOFILE, FILES),
            (libc::RLIMIT_CORE, 0),
        ];
        for (what, most) in limits {
            let limit = libc::rlimit { rlim_cur: most, rlim_max: most };
            check(libc::setrlimit(what, &limit))?;
        }
        // Visits that are running come first.
        libc::setpriority(libc::PRIO_PROCESS, 0, 10);
        if root {
            check(libc::setgroups(0, std::ptr::null()))?;
            check(libc::setresgid(NOBODY, NOBODY, NOBODY))?;
            check(libc::setresuid(NOBODY, NOBODY, NOBODY))?;
        }
        check(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))?;
        // After the change of user, which would clear it.
        check(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0))?;
        if libc::getppid() as u32 != parent {
            return Err(io::Error::other("the server has ended"));
        }
    }
    Ok(())
}
