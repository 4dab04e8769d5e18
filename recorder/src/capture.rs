//! A running capture: packets go in without ever waiting, encrypted chunks come to rest on disk.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Sender, SyncSender, channel, sync_channel};

use sfu_core::tap::{PeerKey, TapPacket};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use visit::fact::StopReason;
use visit::{Now, ParticipantId, RecordingId, VisitId};

use crate::journal::{FILE_NAME, Identity, JournalWriter};
use crate::{CaptureSummary, Mark, ObjectKey, Participant, TimedMark};

mod writer;

use writer::{Control, Writer};

/// Free space that a capture asks for before it begins, bytes: about half an hour of two people at 2.5 Mbit/s each,
/// and the composed file.
pub const MIN_FREE_BYTES: u64 = 2 << 30;
/// Packets that may wait for the writer: over five seconds of two people with screen, so that a slow `fsync` loses none.
const QUEUE: usize = 8_192;

/// What a capture needs to begin.
#[derive(Debug, Clone)]
pub struct CaptureSpec {
    /// Folder of this one capture. Made if it is missing; must not hold a capture yet.
    pub dir: PathBuf,
    /// The recording.
    pub recording: RecordingId,
    /// Of which visit.
    pub visit: VisitId,
    /// The recording's own key.
    pub key: ObjectKey,
    /// Everyone who is captured: packets of others are refused.
    pub participants: Vec<Participant>,
    /// When the recording began; the composed file begins here too.
    pub started: Now,
    /// Least free space to begin with, bytes; usually [`MIN_FREE_BYTES`].
    pub min_free_bytes: u64,
}

/// Why a capture did not begin. Nothing is left running.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The disk is nearly full.
    #[error("only {} MiB are free where recordings are kept, {} are needed: free some space, then start the recording again", .free >> 20, .needed >> 20)]
    NoSpace {
        /// Free, bytes.
        free: u64,
        /// Asked for, bytes.
        needed: u64,
    },
    /// The folder already holds a capture.
    #[error("this recording was captured before: start a new recording")]
    Exists,
    /// The folder or file cannot be made or written.
    #[error(
        "recordings cannot be written ({0}): check the data folder's disk and permissions, then start the recording again"
    )]
    Io(#[from] io::Error),
}

/// What a capture says of itself.
#[derive(Debug, Clone, PartialEq)]
pub enum CaptureEvent {
    /// `fsync` has returned for the first media, or, if nobody sends anything for a second, for the opening marks.
    FirstBytesDurable,
    /// It cannot write any more and has ended. What is on disk stays readable.
    Failed {
        /// Why.
        why: CaptureFailure,
    },
    /// All is written, closed and durable.
    Stopped {
        /// What there is.
        summary: CaptureSummary,
    },
}

/// Why a running capture ended by itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CaptureFailure {
    /// No space, or a quota or size limit was reached.
    #[error("the disk is full: free some space, then start a new recording; what was recorded so far is kept")]
    DiskFull,
    /// Any other fault of disk or file system.
    #[error("the disk reported a fault ({0}): check it, then start a new recording; what was recorded so far is kept")]
    Disk(String),
}

/// Where a capture's events arrive: first `FirstBytesDurable`, last `Failed` or `Stopped`.
pub type CaptureEvents = UnboundedReceiver<CaptureEvent>;

/// The way in for packets, for the SFU's tap. Never waits.
#[derive(Debug, Clone)]
pub struct PacketSink {
    packets: SyncSender<TapPacket>,
    gate: Arc<Gate>,
}

/// Whether packets are taken: told by the capture's owner at once, by the writer in the order of marks.
#[derive(Debug, Default)]
struct Gate {
    open: AtomicBool,
    over: AtomicBool,
    dropped: AtomicU64,
}

impl Gate {
    fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire) && !self.over.load(Ordering::Acquire)
    }

    fn set_open(&self, open: bool) {
        self.open.store(open, Ordering::Release);
    }

    fn end(&self) {
        self.over.store(true, Ordering::Release);
    }
}

impl PacketSink {
    /// Hands a packet over: true if it was taken. It is not while the capture is paused or over, nor when the queue
    /// is full, which is counted and shows as a gap.
    pub fn offer(&self, packet: TapPacket) -> bool {
        if !self.gate.is_open() {
            return false;
        }
        let taken = self.packets.try_send(packet).is_ok();
        if !taken {
            self.gate.dropped.fetch_add(1, Ordering::Relaxed);
        }
        taken
    }
}

/// A running capture, written by a thread of its own. Dropping it stops the capture as [`StopReason::Interrupted`].
#[derive(Debug)]
pub struct Capture {
    control: Sender<Control>,
    sink: PacketSink,
}

impl Capture {
    /// Makes the journal with its opening marks durable and starts the writer.
    ///
    /// Does file I/O: call it where blocking is allowed.
    ///
    /// # Errors
    /// [`StartError`]: too little space, a capture is there already, or the disk refuses.
    pub fn start(spec: CaptureSpec) -> Result<(Self, CaptureEvents), StartError> {
        fs::create_dir_all(&spec.dir)?;
        let free = free_bytes(&spec.dir)?;
        if free < spec.min_free_bytes {
            return Err(StartError::NoSpace { free, needed: spec.min_free_bytes });
        }
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(spec.dir.join(FILE_NAME)).map_err(
            |error| match error.kind() {
                io::ErrorKind::AlreadyExists => StartError::Exists,
                _ => StartError::Io(error),
            },
        )?;
        let journal = open_journal(file, &spec).inspect_err(|_| {
            // An empty journal would stand in the way of the next try.
            let _ = fs::remove_file(spec.dir.join(FILE_NAME));
        })?;
        let (packets, packets_in) = sync_channel(QUEUE);
        let (control, control_in) = channel();
        let (events, events_in) = unbounded_channel();
        let gate = Arc::new(Gate::default());
        gate.set_open(true);
        let allowed: BTreeSet<PeerKey> = spec.participants.iter().map(Participant::peer).collect();
        let writer = Writer::new(journal, spec, allowed, gate.clone(), packets_in, control_in, events);
        std::thread::Builder::new().name("capture".into()).spawn(move || writer.run())?;
        Ok((Self { control, sink: PacketSink { packets, gate } }, events_in))
    }

    /// The way in for packets.
    #[must_use]
    pub fn sink(&self) -> PacketSink {
        self.sink.clone()
    }

    /// Writes down that `participant` answered. An answer of no also ends the capture of this participant's media.
    pub fn consent(&self, participant: ParticipantId, text_version: String, allowed: bool, at: Now) {
        self.say(Mark::Consent { participant, text_version, allowed }, at);
    }

    /// Captures nothing from `at` on. When this returns, no more packets are taken.
    pub fn pause(&self, by: Option<ParticipantId>, at: Now) {
        self.sink.gate.set_open(false);
        self.say(Mark::Paused { by }, at);
    }

    /// Captures `participants` from `at` on. The tap should ask for keyframes.
    pub fn resume(&self, participants: Vec<Participant>, at: Now) {
        self.say(Mark::Resumed { participants }, at);
    }

    /// Ends it. When this returns, no more packets are taken; [`CaptureEvent::Stopped`] follows when all is durable.
    pub fn stop(&self, why: StopReason, at: Now) {
        self.sink.gate.end();
        self.say(Mark::Stopped { why, dropped: 0, refused: 0 }, at);
    }

    fn say(&self, mark: Mark, at: Now) {
        // Without a writer the capture has failed and has said so by its event.
        let _ = self.control.send(Control(TimedMark { at, mark }));
    }
}

fn open_journal(file: File, spec: &CaptureSpec) -> io::Result<JournalWriter<File>> {
    let identity = Identity { recording: spec.recording, visit: spec.visit, started: spec.started };
    let mut journal = JournalWriter::new(file, &spec.key, identity)?;
    let mark = Mark::Started { participants: spec.participants.clone() };
    journal.mark(&TimedMark { at: spec.started, mark });
    journal.write_chunk(false)?;
    journal.get_ref().sync_all()?;
    sync_dir(&spec.dir)?;
    if let Some(parent) = spec.dir.parent() {
        sync_dir(parent)?;
    }
    Ok(journal)
}

/// Makes the names in a folder durable.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

fn free_bytes(dir: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(dir)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}
