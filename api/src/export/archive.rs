//! The ZIP itself: files one after the other, none of them ever whole in memory, and the hash of each at the end.

use std::io::{self, Write};

use aws_lc_rs::digest::{Context, SHA256};
use time::OffsetDateTime;
use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::PIECE_BYTES;
use crate::SeekableMedia;

/// What `sha256sum --check` reads.
const SUMS: &str = "SHA256SUMS";

pub(super) struct Archive<W: Write> {
    zip: ZipWriter<StreamWriter<W>>,
    /// For text.
    packed: SimpleFileOptions,
    /// For what is compressed already.
    stored: SimpleFileOptions,
    sums: String,
}

impl<W: Write> Archive<W> {
    pub(super) fn new(to: W, at: OffsetDateTime) -> Self {
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
        Self { zip: ZipWriter::new_stream(to), packed, stored, sums: String::new() }
    }

    /// A file that is small enough to be made at once.
    pub(super) fn add(&mut self, name: &str, content: &[u8]) -> io::Result<()> {
        self.zip.start_file(name, self.packed)?;
        self.zip.write_all(content)?;
        let mut hash = Context::new(&SHA256);
        hash.update(content);
        self.sum(name, hash);
        Ok(())
    }

    /// A file that is read as it is written. Gives its SHA-256.
    pub(super) fn copy(&mut self, name: &str, media: &mut dyn SeekableMedia) -> io::Result<[u8; 32]> {
        self.zip.start_file(name, self.stored)?;
        let (mut buffer, mut at, mut hash) = (vec![0; PIECE_BYTES], 0, Context::new(&SHA256));
        loop {
            let read = media.read_at(at, &mut buffer)?;
            if read == 0 {
                break;
            }
            self.zip.write_all(&buffer[..read])?;
            hash.update(&buffer[..read]);
            at += read as u64;
        }
        if at != media.byte_len() {
            return Err(io::Error::other("a file ended before its end"));
        }
        Ok(self.sum(name, hash))
    }

    /// The list of hashes, and the end.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.zip.start_file(SUMS, self.packed)?;
        self.zip.write_all(self.sums.as_bytes())?;
        self.zip.finish()?.into_inner().flush()
    }

    fn sum(&mut self, name: &str, hash: Context) -> [u8; 32] {
        let hash: [u8; 32] = hash.finish().as_ref().try_into().expect("SHA-256 has 32 bytes");
        self.sums.push_str(&format!("{}  {name}\n", hex::encode(hash)));
        hash
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::*;

    /// As long as it says, and remembers how much of it was asked for at once.
    struct Long {
        bytes: u64,
        most_at_once: Arc<AtomicUsize>,
    }

    impl SeekableMedia for Long {
        fn byte_len(&self) -> u64 {
            self.bytes
        }

        fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
            self.most_at_once.fetch_max(buffer.len(), Relaxed);
            let count = buffer.len().min(usize::try_from(self.bytes - offset).unwrap_or(usize::MAX));
            buffer[..count].fill(7);
            Ok(count)
        }
    }

    /// Counts what arrives, and how much at once.
    #[derive(Default)]
    struct Sink {
        all: u64,
        most_at_once: usize,
    }

    impl Write for &mut Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.all += bytes.len() as u64;
            self.most_at_once = self.most_at_once.max(bytes.len());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_long_file_goes_through_in_small_pieces() {
        let (mut sink, most_at_once) = (Sink::default(), Arc::new(AtomicUsize::new(0)));
        let mut archive = Archive::new(&mut sink, OffsetDateTime::UNIX_EPOCH);
        let mut long = Long { bytes: 300 << 20, most_at_once: most_at_once.clone() };
        archive.copy("documents/long.pdf", &mut long).unwrap();
        archive.finish().unwrap();
        assert!(sink.all > 300 << 20);
        assert!(most_at_once.load(Relaxed) <= PIECE_BYTES && sink.most_at_once <= PIECE_BYTES);
    }

    #[test]
    fn a_file_that_is_shorter_than_it_says_breaks_the_archive() {
        struct Short;
        impl SeekableMedia for Short {
            fn byte_len(&self) -> u64 {
                10
            }
            fn read_at(&mut self, offset: u64, _: &mut [u8]) -> io::Result<usize> {
                Ok(usize::from(offset == 0))
            }
        }
        let mut sink = Sink::default();
        assert!(Archive::new(&mut sink, OffsetDateTime::UNIX_EPOCH).copy("x", &mut Short).is_err());
    }
}
