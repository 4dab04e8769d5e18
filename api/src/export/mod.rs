//! A patient's whole record as one ZIP file: FHIR R4 for programs, PDF for people, and what neither has a place for as JSON.
//!
//! It is made while it is sent; nothing of it is ever stored here. `records` has gathered and logged it before.

mod fhir;
mod fhir_lists;
mod more;
mod pdf;
mod summary;
mod texts;

use std::io::{self, Write};

use axum::body::{Body, Bytes};
use futures_util::stream;
use records::patients::export::Everything;
use tokio::sync::mpsc;
use visit::RecordingId;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::SeekableMedia;
pub(crate) use texts::Lang;

/// Bytes that are handed on at once.
const PIECE_BYTES: usize = 64 * 1024;
/// Pieces that wait for a slow reader before making stops.
const PIECES_AHEAD: usize = 8;

/// A recording that goes along.
pub(crate) type File = (RecordingId, Box<dyn SeekableMedia>);

/// The file, made on a thread of its own as it is read. If something fails half-way the connection breaks, so that half a
/// record can't be taken for a whole one.
pub(crate) fn body(everything: Everything, recordings: Vec<File>, lang: Lang) -> Body {
    let (sender, receiver) = mpsc::channel::<io::Result<Bytes>>(PIECES_AHEAD);
    tokio::task::spawn_blocking(move || {
        let pieces = Pieces { sender: sender.clone(), piece: Vec::with_capacity(PIECE_BYTES) };
        if let Err(error) = write(pieces, &everything, recordings, lang) {
            // Who stopped reading needs no answer.
            if !sender.is_closed() {
                tracing::error!(%error, "an export was not finished");
                let _ = sender.blocking_send(Err(error));
            }
        }
    });
    Body::from_stream(stream::unfold(receiver, async |mut receiver| {
        let piece = receiver.recv().await?;
        Some((piece, receiver))
    }))
}

/// Writes the archive.
fn write(to: impl Write, everything: &Everything, recordings: Vec<File>, lang: Lang) -> io::Result<()> {
    let mut zip = ZipWriter::new_stream(to);
    let at = everything.at;
    let modified = DateTime::from_date_and_time(
        u16::try_from(at.year()).unwrap_or(1980),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second(),
    )
    .unwrap_or_default();
    let packed =
        SimpleFileOptions::default().compression_method(CompressionMethod::Deflated).last_modified_time(modified);
    let stored = packed.compression_method(CompressionMethod::Stored).large_file(true);
    let mut add = |name: &str, content: &[u8]| -> io::Result<()> {
        zip.start_file(name, packed)?;
        zip.write_all(content)
    };
    let notes = note_files(everything);
    add("README.txt", texts::readme(everything, lang).as_bytes())?;
    add("summary.pdf", &summary::summary(everything, lang)?)?;
    for (name, nth) in &notes {
        add(name, &summary::note(everything, *nth, lang)?)?;
    }
    add("fhir/bundle.json", &json(&fhir::bundle(everything, &notes))?)?;
    add("more.json", &json(&more::more(everything))?)?;
    for (id, mut media) in recordings {
        zip.start_file(format!("recordings/{id}.webm"), stored)?;
        copy(&mut *media, &mut zip)?;
    }
    zip.finish()?.into_inner().flush()
}

/// What the files of signed notes are called, with the note's place in the list.
fn note_files(everything: &Everything) -> Vec<(String, usize)> {
    let name = |nth: usize| {
        let (visit, _, note) = &everything.notes[nth];
        let day = note.signed_at.unwrap_or(everything.at).date();
        let short: String = visit.0.simple().to_string().chars().rev().take(8).collect();
        (format!("notes/{day}-{short}.pdf"), nth)
    };
    (0..everything.notes.len()).map(name).collect()
}

fn json(value: &serde_json::Value) -> io::Result<Vec<u8>> {
    Ok(serde_json::to_vec_pretty(value)?)
}

fn copy(media: &mut dyn SeekableMedia, to: &mut impl Write) -> io::Result<()> {
    let mut buffer = vec![0; PIECE_BYTES];
    let mut at = 0;
    loop {
        let read = media.read_at(at, &mut buffer)?;
        if read == 0 {
            break;
        }
        to.write_all(&buffer[..read])?;
        at += read as u64;
    }
    if at == media.byte_len() { Ok(()) } else { Err(io::Error::other("a recording ended before its end")) }
}

/// Hands what is written on, piece by piece.
struct Pieces {
    sender: mpsc::Sender<io::Result<Bytes>>,
    piece: Vec<u8>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE_BYTES));
        self.sender.blocking_send(Ok(piece.into())).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}
