//! IVF: the plainest container for VP8 that ffmpeg speaks on pipes. Timestamps are milliseconds or frame numbers.

use std::io::{self, Read};

/// Longest frame that is read back, bytes.
const MAX_FRAME: usize = 16 << 20;

/// The file header of a VP8 stream whose timestamps count `1 / rate` seconds.
pub(crate) fn header(width: u16, height: u16, rate: u32) -> [u8; 32] {
    let mut header = [0; 32];
    header[..4].copy_from_slice(b"DKIF");
    header[6..8].copy_from_slice(&32_u16.to_le_bytes());
    header[8..12].copy_from_slice(b"VP80");
    header[12..14].copy_from_slice(&width.to_le_bytes());
    header[14..16].copy_from_slice(&height.to_le_bytes());
    header[16..20].copy_from_slice(&rate.to_le_bytes());
    header[20..24].copy_from_slice(&1_u32.to_le_bytes());
    header
}

/// The header before a frame.
pub(crate) fn frame_header(len: usize, pts: u64) -> [u8; 12] {
    let mut header = [0; 12];
    header[..4].copy_from_slice(&(len as u32).to_le_bytes());
    header[4..].copy_from_slice(&pts.to_le_bytes());
    header
}

/// Reads the file header away.
pub(crate) fn read_header(from: &mut impl Read) -> io::Result<()> {
    let mut header = [0; 32];
    from.read_exact(&mut header)?;
    if &header[..4] != b"DKIF" {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "not IVF"));
    }
    Ok(())
}

/// The next frame with its timestamp, or `None` at the end.
pub(crate) fn read_frame(from: &mut impl Read) -> io::Result<Option<(u64, Vec<u8>)>> {
    let mut header = [0; 12];
    match from.read_exact(&mut header) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let [a, b, c, d, pts @ ..] = header;
    let len = u32::from_le_bytes([a, b, c, d]) as usize;
    if len > MAX_FRAME {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "IVF frame too long"));
    }
    let mut frame = vec![0; len];
    from.read_exact(&mut frame)?;
    Ok(Some((u64::from_le_bytes(pts), frame)))
}
