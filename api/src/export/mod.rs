//! A patient's whole record as one ZIP file: FHIR R4 for programs, PDF for people, and what neither has a place for as JSON.
//!
//! It is made while it is sent; nothing of it is ever stored here. `records` has gathered and logged it before.

mod archive;
mod fhir;
mod fhir_lists;
mod more;
mod pdf;
mod summary;
mod texts;

use std::io::{self, Write};
use std::sync::Arc;

use axum::body::{Body, Bytes};
use futures_util::stream;
use records::attachments::Opened;
use records::patients::export::Everything;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use visit::RecordingId;

use crate::{AttachmentFiles, SeekableMedia};
use archive::Archive;
pub(crate) use texts::Lang;

/// Bytes that are handed on at once.
const PIECE_BYTES: usize = 64 * 1024;
/// Pieces that wait for a slow reader before making stops.
const PIECES_AHEAD: usize = 8;

/// A recording that goes along.
pub(crate) type File = (RecordingId, Box<dyn SeekableMedia>);

/// The file, made on a thread of its own as it is read. If something fails half-way the connection breaks, so that half a
/// record can't be taken for a whole one.
pub(crate) fn body(
    everything: Everything,
    recordings: Vec<File>,
    documents: Arc<dyn AttachmentFiles>,
    lang: Lang,
) -> Body {
    let (sender, receiver) = mpsc::channel::<io::Result<Bytes>>(PIECES_AHEAD);
    let runtime = Handle::current();
    tokio::task::spawn_blocking(move || {
        let open = |document: &Opened| open(&runtime, &*documents, document);
        let pieces = Pieces { sender: sender.clone(), piece: Vec::with_capacity(PIECE_BYTES) };
        if let Err(error) = write(pieces, &everything, recordings, open, lang) {
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

/// Opens a document's file. Called where waiting is no harm.
fn open(runtime: &Handle, files: &dyn AttachmentFiles, document: &Opened) -> io::Result<Box<dyn SeekableMedia>> {
    let opened = runtime.block_on(files.open(document.attachment.attachment_id, document.key.clone()));
    opened.map_err(io::Error::other)?.ok_or_else(|| io::Error::other("a document has no file"))
}

/// Writes the archive. Recordings and documents are read piece by piece, and each document is opened when it is its turn.
fn write(
    to: impl Write,
    everything: &Everything,
    recordings: Vec<File>,
    mut open: impl FnMut(&Opened) -> io::Result<Box<dyn SeekableMedia>>,
    lang: Lang,
) -> io::Result<()> {
    let mut archive = Archive::new(to, everything.at);
    let notes = note_files(everything);
    archive.add("README.txt", texts::readme(everything, lang).as_bytes())?;
    archive.add("summary.pdf", &summary::summary(everything, lang)?)?;
    for (name, nth) in &notes {
        archive.add(name, &summary::note(everything, *nth, lang)?)?;
    }
    archive.add("fhir/bundle.json", &json(&fhir::bundle(everything, &notes))?)?;
    archive.add("more.json", &json(&more::more(everything))?)?;
    for document in &everything.documents {
        let hash = archive.copy(&document_file(document), &mut *open(document)?)?;
        if hash != document.sha256 {
            return Err(io::Error::other("a document is not the one that was put on record"));
        }
    }
    for (id, mut media) in recordings {
        archive.copy(&format!("recordings/{id}.webm"), &mut *media)?;
    }
    archive.finish()
}

/// What a document's file is called: its own name may be anything, and two may have the same; it stands in the bundle.
fn document_file(document: &Opened) -> String {
    let attachment = &document.attachment;
    let ending = match attachment.media_type.as_str() {
        "image/jpeg" => "jpg",
        "image/png" => "png",
        _ => "pdf",
    };
    format!("documents/{}-{}.{ending}", attachment.uploaded_at.date(), attachment.attachment_id)
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
