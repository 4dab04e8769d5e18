//! Forms that values of a chart have: texts, dates, telephone numbers, codes. Refusals name the field, never the value.

use time::Date;
use time::macros::format_description;

/// A value that can't be kept as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {why}")]
pub struct Invalid {
    /// Where it stands, e.g. `phones[0].number`.
    pub field: String,
    /// What to do about it; never the value itself.
    pub why: &'static str,
}

impl Invalid {
    /// The value of `field` is refused because of `why`.
    #[must_use]
    pub fn new(field: impl Into<String>, why: &'static str) -> Self {
        Self { field: field.into(), why }
    }
}

/// Longest line: names, cities, numbers; characters.
pub const LINE: usize = 120;
/// Longest free text; characters.
pub const TEXT: usize = 2_000;
/// Most items in a list inside a document.
pub const ITEMS: usize = 20;
/// Nobody is older, years.
const OLDEST: i32 = 130;

/// A line without control characters, trimmed.
pub(crate) fn line(field: &str, text: &mut String) -> Result<(), Invalid> {
    bounded(field, text, LINE, false)
}

/// A line that must say something.
pub(crate) fn filled(field: &str, text: &mut String) -> Result<(), Invalid> {
    line(field, text)?;
    if text.is_empty() { Err(Invalid::new(field, "fill it in")) } else { Ok(()) }
}

/// A line that may be absent; one that says nothing is absent.
pub(crate) fn maybe(field: &str, text: &mut Option<String>) -> Result<(), Invalid> {
    optional(field, text, line)
}

/// Free text that may be absent; line breaks are kept.
pub(crate) fn maybe_text(field: &str, text: &mut Option<String>) -> Result<(), Invalid> {
    optional(field, text, |field, text| bounded(field, text, TEXT, true))
}

/// What `check` does, if there is a value; one that says nothing is absent.
pub(crate) fn optional(
    field: &str,
    text: &mut Option<String>,
    check: impl Fn(&str, &mut String) -> Result<(), Invalid>,
) -> Result<(), Invalid> {
    if text.as_ref().is_some_and(|text| text.trim().is_empty()) {
        *text = None;
    }
    text.as_mut().map_or(Ok(()), |text| check(field, text))
}

fn bounded(field: &str, text: &mut String, longest: usize, breaks: bool) -> Result<(), Invalid> {
    *text = text.trim().to_owned();
    if text.chars().count() > longest {
        return Err(Invalid::new(
            field,
            if longest == LINE { "at most 120 characters" } else { "at most 2,000 characters" },
        ));
    }
    if text.chars().any(|char| char.is_control() && !(breaks && matches!(char, '\n' | '\r' | '\t'))) {
        return Err(Invalid::new(field, "no control characters"));
    }
    Ok(())
}

/// At most [`ITEMS`] of them.
pub(crate) fn few<T>(field: &str, items: &[T]) -> Result<(), Invalid> {
    if items.len() > ITEMS { Err(Invalid::new(field, "at most 20 of them")) } else { Ok(()) }
}

/// A calendar day, `YYYY-MM-DD`.
pub(crate) fn day(field: &str, text: &mut String) -> Result<Date, Invalid> {
    line(field, text)?;
    Date::parse(text, format_description!("[year]-[month]-[day]"))
        .map_err(|_| Invalid::new(field, "a date of the form YYYY-MM-DD"))
}

/// A date of birth: not to come, and nobody is older than 130.
pub(crate) fn birth_date(field: &str, text: &mut String, today: Date) -> Result<(), Invalid> {
    let born = day(field, text)?;
    // East of Greenwich it may be tomorrow already.
    if born > today.next_day().unwrap_or(today) {
        return Err(Invalid::new(field, "a date of birth is not in the future"));
    }
    if born.year() < today.year() - OLDEST {
        return Err(Invalid::new(field, "more than 130 years ago; check the year"));
    }
    Ok(())
}

/// A year, a month or a day: `YYYY`, `YYYY-MM` or `YYYY-MM-DD`, as one remembers it (FHIR's `dateTime`).
pub(crate) fn partial(field: &str, text: &mut String) -> Result<(), Invalid> {
    line(field, text)?;
    let whole = match text.len() {
        4 => format!("{text}-01-01"),
        7 => format!("{text}-01"),
        _ => text.clone(),
    };
    match Date::parse(&whole, format_description!("[year]-[month]-[day]")) {
        Ok(date) if (1850..=2200).contains(&date.year()) => Ok(()),
        _ => Err(Invalid::new(field, "a year, YYYY-MM or YYYY-MM-DD")),
    }
}

/// As [`partial`], of something that has happened.
pub(crate) fn past(field: &str, text: &mut String, today: Date) -> Result<(), Invalid> {
    partial(field, text)?;
    let tomorrow = today.next_day().unwrap_or(today);
    let tomorrow = format!("{:04}-{:02}-{:02}", tomorrow.year(), u8::from(tomorrow.month()), tomorrow.day());
    if text.as_str() > &tomorrow[..text.len()] { Err(Invalid::new(field, "not in the future")) } else { Ok(()) }
}

/// `ends` is not before `starts`, as far as both are known.
pub(crate) fn in_order(field: &str, starts: Option<&str>, ends: Option<&str>) -> Result<(), Invalid> {
    let (Some(starts), Some(ends)) = (starts, ends) else { return Ok(()) };
    let known = starts.len().min(ends.len());
    if ends[..known] < starts[..known] { Err(Invalid::new(field, "not before the beginning")) } else { Ok(()) }
}

/// A telephone number in E.164. Ten digits, or eleven that begin with 1, are taken as North American; any other must
/// begin with `+` and its country.
pub(crate) fn phone(field: &str, text: &mut String) -> Result<(), Invalid> {
    let why = "a telephone number with area code, or + and country code";
    line(field, text)?;
    let international = text.starts_with('+');
    if text.chars().skip(usize::from(international)).any(|c| !c.is_ascii_digit() && !" -.()/".contains(c)) {
        return Err(Invalid::new(field, why));
    }
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let digits = match (international, digits.len()) {
        (true, 8..=15) => digits,
        (false, 10) => format!("1{digits}"),
        (false, 11) if digits.starts_with('1') => digits,
        _ => return Err(Invalid::new(field, why)),
    };
    // North America: area code and exchange begin with 2 to 9. No country code begins with 0.
    let bytes = digits.as_bytes();
    let plausible = match bytes {
        [b'1', area, _, _, exchange, ..] => bytes.len() == 11 && *area >= b'2' && *exchange >= b'2',
        [first, ..] => *first != b'0',
        [] => false,
    };
    if !plausible {
        return Err(Invalid::new(field, why));
    }
    *text = format!("+{digits}");
    Ok(())
}

/// An e-mail address that could be one; whether it is, only a message to it shows.
pub(crate) fn email(field: &str, text: &mut String) -> Result<(), Invalid> {
    line(field, text)?;
    let whole = text.rsplit_once('@').is_some_and(|(user, host)| {
        !user.is_empty()
            && host.contains('.')
            && !host.starts_with('.')
            && !host.ends_with('.')
            && !host.contains("..")
            && host.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-'))
    });
    let plain =
        !text.chars().any(|c| c.is_whitespace() || "<>(),;:\\\"[]".contains(c)) && text.matches('@').count() == 1;
    if whole && plain { Ok(()) } else { Err(Invalid::new(field, "an address like name@example.org")) }
}

/// A language tag (BCP 47), e.g. `es` or `zh-Hant`.
pub(crate) fn language(field: &str, text: &mut String) -> Result<(), Invalid> {
    line(field, text)?;
    let mut parts = text.split('-');
    let first =
        parts.next().is_some_and(|part| matches!(part.len(), 2 | 3) && part.bytes().all(|b| b.is_ascii_lowercase()));
    let rest = parts.all(|part| (2..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()));
    if first && rest { Ok(()) } else { Err(Invalid::new(field, "a language tag like en, es or zh-Hant")) }
}

/// An ICD-10-CM code, e.g. `E11.9`: a letter, a digit, a digit or letter, and up to four more after a point. Small letters
/// and a missing point are mended. Whether the code exists is not checked: that takes the year's list.
pub(crate) fn icd10(field: &str, text: &mut String) -> Result<(), Invalid> {
    line(field, text)?;
    let code: String = text.to_ascii_uppercase().chars().filter(|c| *c != '.').collect();
    let bytes = code.as_bytes();
    let formed = (3..=7).contains(&bytes.len())
        && bytes[0].is_ascii_uppercase()
        && bytes[1].is_ascii_digit()
        && bytes[2..].iter().all(u8::is_ascii_alphanumeric);
    // A point can only stand after the third character.
    let pointed = text.find('.').is_none_or(|at| at == 3 && text.matches('.').count() == 1 && text.len() > 4);
    if !formed || !pointed {
        return Err(Invalid::new(field, "an ICD-10-CM code like E11.9"));
    }
    *text = if code.len() > 3 { format!("{}.{}", &code[..3], &code[3..]) } else { code };
    Ok(())
}

/// Up to `longest` digits: RxNorm's and CVX's codes.
pub(crate) fn digits(field: &str, text: &mut String, longest: usize, why: &'static str) -> Result<(), Invalid> {
    line(field, text)?;
    let formed = (1..=longest).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if formed { Ok(()) } else { Err(Invalid::new(field, why)) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::date;

    use super::*;

    type Check = fn(&str, &mut String) -> Result<(), Invalid>;

    fn gives(check: Check, text: &str) -> Option<String> {
        let mut value = text.to_owned();
        check("field", &mut value).ok().map(|()| value)
    }

    #[test]
    fn telephone_numbers_are_kept_in_e164_however_they_were_typed() {
        for typed in ["(312) 555-0142", "312.555.0142", "1 312 555 0142", "+1 (312) 555-0142", " 3125550142 "] {
            assert_eq!(gives(phone, typed).as_deref(), Some("+13125550142"), "{typed}");
        }
        assert_eq!(gives(phone, "+52 55 1234 5678").as_deref(), Some("+525512345678"));
        for refused in [
            "",
            "555-0142",
            "112 555 0142",
            "312 155 0142",
            "+1 312 555 014",
            "312 555 0142 ext. 3",
            "+0 123 4567 89",
            "++13125550142",
        ] {
            assert_eq!(gives(phone, refused), None, "{refused}");
        }
    }

    #[test]
    fn codes_are_brought_into_their_form_or_refused() {
        assert_eq!(gives(icd10, "e119").as_deref(), Some("E11.9"));
        assert_eq!(gives(icd10, "I10").as_deref(), Some("I10"));
        assert_eq!(gives(icd10, "S52.521A").as_deref(), Some("S52.521A"));
        for refused in ["", "E1", "11.9", "E11.", "E.119", "E11.9.1", "E11.98765", "É11.9", "E11 9"] {
            assert_eq!(gives(icd10, refused), None, "{refused}");
        }
        let cvx: Check = |field, text| digits(field, text, 3, "digits");
        assert_eq!(gives(cvx, "08").as_deref(), Some("08"));
        assert!(gives(cvx, "1234").is_none() && gives(cvx, "8a").is_none() && gives(cvx, "").is_none());
    }

    #[test]
    fn a_remembered_date_may_be_a_year_and_a_birth_is_neither_to_come_nor_ages_ago() {
        assert_eq!(gives(partial, "2019").as_deref(), Some("2019"));
        assert_eq!(gives(partial, "2019-02").as_deref(), Some("2019-02"));
        for refused in ["19", "2019-13", "2019-02-30", "2019-2-3", "1491", "abcd"] {
            assert_eq!(gives(partial, refused), None, "{refused}");
        }
        let today = date!(2026 - 11 - 24);
        let born = |text: &str| birth_date("field", &mut text.to_owned(), today).is_ok();
        assert!(born("2026-11-24") && born("2026-11-25") && born("1896-01-01"));
        assert!(!born("2026-11-26") && !born("1895-12-31") && !born("2001-02-29"));
        assert!(
            past("field", &mut "2026".to_owned(), today).is_ok()
                && past("field", &mut "2027".to_owned(), today).is_err()
        );
        assert!(in_order("field", Some("2020-05-01"), Some("2020")).is_ok());
        assert!(in_order("field", Some("2020-05-01"), Some("2020-04")).is_err());
    }

    #[test]
    fn addresses_and_languages_are_checked_for_their_form_alone() {
        assert!(gives(email, "amara.okafor@example.org").is_some() && gives(email, "a@münchen.example").is_some());
        for refused in ["", "a", "a@b", "a@b@c.org", "a b@c.org", "a@.org", "a@b..org", "<a@b.org>"] {
            assert_eq!(gives(email, refused), None, "{refused}");
        }
        assert!(
            gives(language, "es").is_some()
                && gives(language, "zh-Hant").is_some()
                && gives(language, "English").is_none()
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_a_check_panic_and_a_kept_value_is_kept_again_unchanged(text in ".{0,40}") {
            for check in [phone as Check, email, language, icd10, partial] {
                if let Some(kept) = gives(check, &text) {
                    prop_assert_eq!(gives(check, &kept), Some(kept));
                }
            }
        }
    }
}
