//! The waiting room as the record keeps it: the lines, what staff do with those who wait, and what is said to them.
//!
//! Who stands where is computed by `visit::queue` from what [`lines`] reads. Being let in is not here: that is the room's.

mod board;
mod chat;
mod deeds;
mod lines;
mod said;
mod words;

pub use board::{Board, BoardItem, BoardProvider, Devices, Ready, board};
pub use chat::{ChatError, Message, patient_writes, read_chat, seen, staff_writes};
pub use deeds::{DeedError, MoveError, MoveTo, decline, expect_again, hold, mark_no_show, move_to, return_to_waiting};
pub use lines::{Lines, Stand, lines};
pub use said::{Announcement, SaidError, announce, end_announcement, say_delay};
pub use words::{DeviceReport, Network, NetworkFound, PartWorks, WaitingWords, patient_words, report_devices};

use time::{Duration, OffsetDateTime};
use visit::Now;

/// Longest text to somebody who waits, characters.
pub const MAX_WORDS: usize = 500;
/// After so long beyond the beginning of their slot, somebody who has not come is suggested as not coming.
pub const NO_SHOW_AFTER: Duration = Duration::minutes(15);
/// A place in line outlives a lost connection by so long.
pub const PLACE_KEPT: Duration = Duration::minutes(5);

/// An instant in the words of the pure parts.
fn millis(at: OffsetDateTime) -> Now {
    Now(i64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX))
}
