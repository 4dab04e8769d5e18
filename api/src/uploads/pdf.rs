//! PDF files are looked through for what acts by itself, is locked, or holds other files.
//!
//! This reads no PDF as a viewer does. It looks for the names that such things must have, anywhere in the file and in
//! everything compressed with Flate, and refuses what it can't look into. A viewer's own faults are beyond it: that is why
//! a PDF leaves as a download only, and what a virus scanner is for.

use std::io::Read as _;

use super::Refused;

/// Unpacked bytes in all; more is a bomb, or a book.
const MAX_UNPACKED: u64 = 256 * 1024 * 1024;
/// What may follow the end mark: line breaks.
const MAX_TAIL: usize = 1_024;
/// A ZIP archive's end mark lies at most this far before the end of a file: 22 bytes and a comment.
const ZIP_END: usize = 65_557;
/// Where a stream's dictionary is looked for, before the word `stream`.
const DICTIONARY_BYTES: usize = 1_024;

/// Names that act, or hold a file. Long enough not to stand in compressed data by chance.
const ACTIVE: [&[u8]; 9] = [
    b"JavaScript",
    b"Launch",
    b"EmbeddedFile",
    b"EmbeddedFiles",
    b"RichMedia",
    b"SubmitForm",
    b"ImportData",
    b"GoToE",
    b"XFA",
];

/// Refuses a PDF that is not whole, is locked, acts by itself, holds other files, or is something else besides.
pub(super) fn examine(bytes: &[u8]) -> Result<(), Refused> {
    if !bytes.starts_with(b"%PDF-") {
        return Err(Refused::Unreadable);
    }
    let end = find_last(bytes, b"%%EOF").ok_or(Refused::Unreadable)? + b"%%EOF".len();
    let tail = &bytes[end..];
    if tail.len() > MAX_TAIL || !tail.iter().all(|byte| byte.is_ascii_whitespace() || *byte == 0) {
        return Err(Refused::Polyglot);
    }
    if find(&bytes[bytes.len().saturating_sub(ZIP_END)..], b"PK\x05\x06").is_some() {
        return Err(Refused::Polyglot);
    }
    names(bytes)?;
    let mut unpacked = 0;
    let mut from = 0;
    while let Some(at) = find(&bytes[from..], b"stream") {
        let keyword = from + at;
        from = keyword + b"stream".len();
        if bytes[..keyword].ends_with(b"end") {
            continue;
        }
        let data = match &bytes[from..] {
            [b'\r', b'\n', data @ ..] | [b'\n' | b'\r', data @ ..] => data,
            data => data,
        };
        let dictionary = unescaped(&bytes[keyword.saturating_sub(DICTIONARY_BYTES)..keyword]);
        let dictionary = &dictionary[find_last(&dictionary, b"obj").unwrap_or(0)..];
        let holds_objects = find(dictionary, b"/ObjStm").is_some();
        match inflated(data, &mut unpacked)? {
            // With a predictor names are taken apart: they would not be found.
            Some(_) if holds_objects && find(dictionary, b"/Predictor").is_some() => return Err(Refused::Unreadable),
            Some(plain) => names(&plain)?,
            // Objects packed in a way that we don't unpack; plain ones were looked at with the rest.
            None if holds_objects && find(dictionary, b"/Filter").is_some() => return Err(Refused::Unreadable),
            None => {}
        }
    }
    Ok(())
}

/// What `data` unpacks to, if it begins with something that Flate packed.
fn inflated(data: &[u8], unpacked: &mut u64) -> Result<Option<Vec<u8>>, Refused> {
    // The first two bytes of zlib's format, RFC 1950.
    let [method, flags, ..] = *data else { return Ok(None) };
    if method & 0x0f != 8 || !(u16::from(method) << 8 | u16::from(flags)).is_multiple_of(31) {
        return Ok(None);
    }
    let mut plain = Vec::new();
    let mut reader = flate2::read::ZlibDecoder::new(data).take(MAX_UNPACKED - *unpacked + 1);
    // What is cut off or damaged is still looked at as far as it goes, as viewers do.
    let _ = reader.read_to_end(&mut plain);
    *unpacked += plain.len() as u64;
    if *unpacked > MAX_UNPACKED {
        return Err(Refused::TooLarge);
    }
    Ok((!plain.is_empty()).then_some(plain))
}

/// Refuses bytes that hold one of the names.
fn names(bytes: &[u8]) -> Result<(), Refused> {
    let bytes = unescaped(bytes);
    let mut from = 0;
    while let Some(at) = find(&bytes[from..], b"/") {
        from += at + 1;
        let rest = &bytes[from..];
        let length = rest.iter().take(16).position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or(rest.len().min(16));
        match &rest[..length] {
            b"Encrypt" => return Err(Refused::Encrypted),
            name if ACTIVE.contains(&name) => return Err(Refused::Active),
            _ => {}
        }
    }
    Ok(())
}

/// `#41` in a name is `A`: written out, so that no name hides behind it.
fn unescaped(bytes: &[u8]) -> std::borrow::Cow<'_, [u8]> {
    if !bytes.contains(&b'#') {
        return bytes.into();
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [first, after @ ..] = rest {
        if let (b'#', [high, low, then @ ..]) = (first, after)
            && let (Some(high), Some(low)) = (digit(*high), digit(*low))
        {
            out.push(high << 4 | low);
            rest = then;
        } else {
            out.push(*first);
            rest = after;
        }
    }
    out.into()
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    let first = needle[0];
    let mut from = 0;
    loop {
        from += bytes[from..].iter().position(|byte| *byte == first)?;
        if bytes[from..].starts_with(needle) {
            return Some(from);
        }
        from += 1;
    }
}

fn find_last(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).rposition(|window| window == needle)
}
