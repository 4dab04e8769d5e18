//! Which change of the woven code is chosen, and which were reached. Never a part of Bedside: `weave.py` copies it.

use std::io::Write as _;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

const CHANGES: usize = 0;
static CHOSEN: LazyLock<u32> =
    LazyLock::new(|| std::env::var("BEDSIDE_MUTANT").ok().and_then(|number| number.parse().ok()).unwrap_or(0));
/// Where to write down what was reached.
static REACHED: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("BEDSIDE_MUTANTS_REACHED").ok());
static SEEN: [AtomicBool; CHANGES] = [const { AtomicBool::new(false) }; CHANGES];

#[inline(never)]
pub(crate) fn at(number: u32) -> bool {
    if let Some(path) = &*REACHED
        && !SEEN[number as usize].swap(true, Ordering::Relaxed)
        && let Ok(mut file) = std::fs::OpenOptions::new().create(true).append(true).open(path)
    {
        let _ = file.write_all(format!("{number}\n").as_bytes());
    }
    *CHOSEN == number
}
