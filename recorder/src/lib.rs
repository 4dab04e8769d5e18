//! Recordings: from packets of consenting participants to one playable, encrypted file.
//!
//! What lives here: the durable encrypted capture ([`Capture`], [`recover`]), composing ([`compose`]) and the
//! sealed file that comes out ([`SealedObject`]).
//! What deliberately does not: who may be recorded (`visit`), where packets come from (`sfu`), the rows about
//! recordings and their keys (`records`), HTTP.
//!
//! The way of a recording:
//!
//! 1. [`Capture::start`] writes the consents into a journal of encrypted, hash-chained chunks, and gives a
//!    [`PacketSink`] for the SFU's tap. [`CaptureEvent::FirstBytesDurable`] comes after `fsync` has returned.
//! 2. [`Capture::pause`], [`Capture::resume`], [`Capture::consent`], [`Capture::stop`]; or the power goes, and
//!    [`recover`] says what is intact.
//! 3. [`compose()`] turns the journal into one side-by-side WebM inside a [`SealedObject`]. No plain media touches
//!    a disk on the way: decoder and encoder are child processes on pipes.
//! 4. [`verify_object`] reads the object back and hashes it; only its answer opens [`delete_capture`].

mod aead;
mod capture;
mod clock;
mod compose;
mod ivf;
mod journal;
mod mark;
mod object;
mod recover;
mod timeline;
mod track;
mod vp8;
mod webm;

pub use aead::ObjectKey;
pub use capture::{
    Capture, CaptureEvent, CaptureEvents, CaptureFailure, CaptureSpec, MIN_FREE_BYTES, PacketSink, StartError,
};
pub use compose::{ComposeError, ComposeOptions, Composed, Gap, GapReason, compose};
pub use journal::{Damage, DamageKind, Tail};
pub use mark::{Mark, Participant, TimedMark};
pub use object::{
    CHUNK_BYTES as OBJECT_CHUNK_BYTES, DeleteError, ObjectError, SealWriter, SealedObject, VerifiedObject,
    delete_capture, verify_object,
};
pub use recover::{CaptureSummary, RecoverError, recover};
pub use timeline::Pause;
