//! A calendar entry to attach to a mail (iCalendar, RFC 5545).

use time::OffsetDateTime;

/// What stands in the patient's calendar.
pub(super) struct Entry<'a> {
    /// Stays the same when the entry is sent again.
    pub uid: &'a str,
    /// Grows when the entry is sent again: the later one replaces the earlier.
    pub sequence: i64,
    /// When this was written.
    pub stamp: OffsetDateTime,
    pub starts_at: OffsetDateTime,
    pub ends_at: OffsetDateTime,
    pub summary: &'a str,
    pub description: &'a str,
    /// Where to go: an address to open, or the clinic.
    pub location: &'a str,
}

/// The calendar object, lines folded and ended as RFC 5545 wants it.
pub(super) fn object(entry: &Entry<'_>) -> String {
    let lines = [
        "BEGIN:VCALENDAR".to_owned(),
        "VERSION:2.0".to_owned(),
        "PRODID:-//Bedside//Bedside//EN".to_owned(),
        "METHOD:PUBLISH".to_owned(),
        "BEGIN:VEVENT".to_owned(),
        format!("UID:{}", escaped(entry.uid)),
        format!("SEQUENCE:{}", entry.sequence),
        format!("DTSTAMP:{}", utc(entry.stamp)),
        format!("DTSTART:{}", utc(entry.starts_at)),
        format!("DTEND:{}", utc(entry.ends_at)),
        format!("SUMMARY:{}", escaped(entry.summary)),
        format!("DESCRIPTION:{}", escaped(entry.description)),
        format!("LOCATION:{}", escaped(entry.location)),
        // Others who see the calendar see that the time is taken, not with what.
        "CLASS:PRIVATE".to_owned(),
        "END:VEVENT".to_owned(),
        "END:VCALENDAR".to_owned(),
    ];
    lines.iter().map(|line| folded(line)).collect()
}

/// `DATE-TIME` in UTC, section 3.3.5.
fn utc(at: OffsetDateTime) -> String {
    let at = at.to_offset(time::UtcOffset::UTC);
    let (date, time) = (at.date(), at.time());
    format!(
        "{:04}{:02}{:02}T{:02}{:02}{:02}Z",
        date.year(),
        u8::from(date.month()),
        date.day(),
        time.hour(),
        time.minute(),
        time.second()
    )
}

/// `TEXT`, section 3.3.11. Control characters other than line breaks have no place in it.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.replace("\r\n", "\n").chars() {
        match char {
            '\\' | ';' | ',' => escaped.extend(['\\', char]),
            '\n' => escaped.push_str("\\n"),
            char if char.is_control() => {}
            char => escaped.push(char),
        }
    }
    escaped
}

/// A content line of at most 75 octets, then continued after a space (section 3.1), never inside a character.
fn folded(line: &str) -> String {
    const MAX_OCTETS: usize = 75;
    let mut folded = String::with_capacity(line.len() + 8);
    let mut octets = 0;
    for char in line.chars() {
        if octets + char.len_utf8() > MAX_OCTETS {
            folded.push_str("\r\n ");
            octets = 1;
        }
        folded.push(char);
        octets += char.len_utf8();
    }
    folded.push_str("\r\n");
    folded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;

    fn entry<'a>(summary: &'a str, description: &'a str) -> Entry<'a> {
        Entry {
            uid: "0199-a@visits.example.org",
            sequence: 2,
            stamp: datetime!(2026-11-24 15:10:20 UTC),
            starts_at: datetime!(2026-12-01 09:00 -6),
            ends_at: datetime!(2026-12-01 09:30 -6),
            summary,
            description,
            location: "https://visits.example.org/v/abc",
        }
    }

    #[test]
    fn an_entry_is_written_in_utc_with_escapes() {
        let object = object(&entry("Visit; Riverside, Family", "One\nTwo\\"));
        for line in [
            "UID:0199-a@visits.example.org",
            "SEQUENCE:2",
            "DTSTAMP:20261124T151020Z",
            "DTSTART:20261201T150000Z",
            "DTEND:20261201T153000Z",
            "SUMMARY:Visit\\; Riverside\\, Family",
            "DESCRIPTION:One\\nTwo\\\\",
        ] {
            assert!(object.contains(&format!("\r\n{line}\r\n")), "{line} in\n{object}");
        }
        assert!(object.starts_with("BEGIN:VCALENDAR\r\n") && object.ends_with("END:VCALENDAR\r\n"));
    }

    proptest! {
        #[test]
        fn no_text_breaks_out_of_its_line_and_all_of_it_comes_back(text in "\\PC{0,300}|(\\n|END:VEVENT|[é€🙂]|[,;\\\\]){0,80}") {
            let object = object(&entry("s", &text));
            for line in object.split_terminator("\r\n") {
                prop_assert!(line.len() <= 75, "{line}");
                prop_assert!(!line.contains(['\r', '\n']));
            }
            let unfolded = object.replace("\r\n ", "");
            let lines: Vec<&str> = unfolded.split_terminator("\r\n").collect();
            prop_assert_eq!(lines.len(), 16);
            let value = lines[11].strip_prefix("DESCRIPTION:").unwrap();
            let mut back = String::new();
            let mut chars = value.chars();
            while let Some(char) = chars.next() {
                match (char, if char == '\\' { chars.next() } else { None }) {
                    ('\\', Some('n')) => back.push('\n'),
                    ('\\', Some(escaped)) => back.push(escaped),
                    (char, _) => back.push(char),
                }
            }
            prop_assert_eq!(back, text);
        }
    }
}
