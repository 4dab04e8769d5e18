//! The `Range` header, RFC 9110 section 14: one range of bytes. Several at once are answered with the whole file, which
//! the RFC allows; no browser's player asks for them.

/// What part of `len` bytes is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// All of it, status 200.
    Whole,
    /// From the first to the last byte, both included, status 206.
    Bytes { first: u64, last: u64 },
    /// Nothing that exists, status 416.
    Unsatisfiable,
}

/// Reads a `Range` header for a file of `len` bytes.
pub(crate) fn part(range: Option<&str>, len: u64) -> Part {
    let Some(spec) = range.and_then(|range| range.trim().strip_prefix("bytes=")) else {
        return Part::Whole;
    };
    if spec.contains(',') {
        return Part::Whole;
    }
    let Some((first, last)) = spec.split_once('-') else {
        return Part::Whole;
    };
    match (number(first), number(last)) {
        (Number::Is(first), Number::Empty) => bytes(first, len.saturating_sub(1), len),
        (Number::Is(first), Number::Is(last)) if first <= last => bytes(first, last.min(len.saturating_sub(1)), len),
        (Number::Empty, Number::Is(0)) => Part::Unsatisfiable,
        (Number::Empty, Number::Is(tail)) => bytes(len.saturating_sub(tail), len.saturating_sub(1), len),
        _ => Part::Whole,
    }
}

fn bytes(first: u64, last: u64, len: u64) -> Part {
    if first < len { Part::Bytes { first, last } } else { Part::Unsatisfiable }
}

enum Number {
    Empty,
    Is(u64),
    Bad,
}

fn number(text: &str) -> Number {
    let text = text.trim();
    if text.is_empty() {
        Number::Empty
    } else if text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().map_or(Number::Bad, Number::Is)
    } else {
        Number::Bad
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_cut_to_the_file() {
        assert_eq!(part(Some("bytes=0-"), 100), Part::Bytes { first: 0, last: 99 });
        assert_eq!(part(Some("bytes=10-19"), 100), Part::Bytes { first: 10, last: 19 });
        assert_eq!(part(Some("bytes=90-1000"), 100), Part::Bytes { first: 90, last: 99 });
        assert_eq!(part(Some("bytes=-5"), 100), Part::Bytes { first: 95, last: 99 });
        assert_eq!(part(Some("bytes=-1000"), 100), Part::Bytes { first: 0, last: 99 });
    }

    #[test]
    fn a_range_past_the_end_is_unsatisfiable() {
        assert_eq!(part(Some("bytes=100-"), 100), Part::Unsatisfiable);
        assert_eq!(part(Some("bytes=-0"), 100), Part::Unsatisfiable);
        assert_eq!(part(Some("bytes=0-"), 0), Part::Unsatisfiable);
    }

    #[test]
    fn what_is_not_one_range_of_bytes_is_answered_with_the_whole() {
        for range in [
            None,
            Some("items=0-1"),
            Some("bytes=5-1"),
            Some("bytes=a-b"),
            Some("bytes=0-1,5-6"),
            Some("bytes=99999999999999999999-"),
        ] {
            assert_eq!(part(range, 100), Part::Whole, "{range:?}");
        }
    }
}
