//! Passwords from breaches, on a list that lies on this machine: lines of SHA-1 in hex, sorted, as "Have I Been Pwned"
//! publishes them. No password and no part of a hash leaves the machine. Off unless a list is configured.

use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

/// Hex digits of a hash.
const DIGITS: usize = 40;
/// More than the longest line.
const WINDOW: usize = 128;

/// Whether `password` is on the list.
///
/// # Errors
/// The list can't be read.
pub fn contains(list: &Path, password: &str) -> io::Result<bool> {
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes());
    let mut wanted = String::with_capacity(DIGITS);
    for byte in hash.as_ref() {
        write!(wanted, "{byte:02X}").map_err(io::Error::other)?;
    }
    let file = File::open(list)?;
    // Lines beginning before `low` are smaller, those beginning at `high` or later are not.
    let (mut low, mut high) = (0, file.metadata()?.len());
    while low < high {
        let middle = low + (high - low) / 2;
        match line_at_or_after(&file, middle)? {
            Some((start, line)) if start < high => {
                let found = line.get(..DIGITS).unwrap_or(&line).to_ascii_uppercase();
                match found.as_str().cmp(wanted.as_str()) {
                    std::cmp::Ordering::Equal => return Ok(true),
                    std::cmp::Ordering::Less => low = start + line.len() as u64 + 1,
                    std::cmp::Ordering::Greater => high = middle,
                }
            }
            _ => high = middle,
        }
    }
    Ok(false)
}

/// The first line that begins at `offset` or after it, and where it begins.
fn line_at_or_after(file: &File, offset: u64) -> io::Result<Option<(u64, String)>> {
    // One byte earlier: if that is the end of a line, a line begins at `offset`.
    let from = offset.saturating_sub(1);
    let mut bytes = [0u8; 2 * WINDOW];
    let mut length = 0;
    while length < bytes.len() {
        match file.read_at(&mut bytes[length..], from + length as u64)? {
            0 => break,
            read => length += read,
        }
    }
    let bytes = &bytes[..length];
    let skipped =
        if offset == 0 { 0 } else { bytes.iter().position(|byte| *byte == b'\n').map_or(length, |end| end + 1) };
    let Some(rest) = bytes.get(skipped..).filter(|rest| !rest.is_empty()) else { return Ok(None) };
    let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    Ok(Some((from + skipped as u64, String::from_utf8_lossy(&rest[..end]).into_owned())))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn sha1(text: &str) -> String {
        digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02X}")).collect()
    }

    #[test]
    fn every_password_on_the_list_is_found_and_no_other() {
        for count in [0usize, 1, 2, 3, 500] {
            let passwords: Vec<String> = (0..count).map(|n| format!("password {n}")).collect();
            let mut lines: Vec<String> =
                passwords.iter().enumerate().map(|(n, text)| format!("{}:{}", sha1(text), n * n)).collect();
            lines.sort();
            for ending in ["\n", ""] {
                let mut list = tempfile::NamedTempFile::new().unwrap();
                list.write_all(lines.join("\n").as_bytes()).unwrap();
                list.write_all(ending.as_bytes()).unwrap();
                for password in &passwords {
                    assert!(contains(list.path(), password).unwrap(), "{password} of {count}");
                }
                for n in 0..200 {
                    assert!(!contains(list.path(), &format!("another {n}")).unwrap(), "another {n} of {count}");
                }
            }
        }
        assert!(contains(Path::new("/nowhere/list"), "x").is_err());
    }
}
