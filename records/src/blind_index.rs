//! What patients are found by, as tokens that only the clinic's index key can make. Pure: no rows, no clock.
//!
//! Names: every word, and its beginnings of 2 to 8 letters, so that typing finds. Everything else: the whole thing.
//! What this gives away to somebody who has the table but not the key stands in `docs/keys.md`.

use aws_lc_rs::hmac;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use zeroize::Zeroizing;

/// Shortest beginning of a word that is indexed, letters. A word of one letter is indexed as it is.
const SHORTEST_BEGINNING: usize = 2;
/// Longest beginning that is indexed. What was typed beyond it is compared after opening.
const LONGEST_BEGINNING: usize = 8;
/// Words of one name that are indexed.
const MOST_WORDS: usize = 12;
/// Country code of numbers that are written without one, if they have this many digits (North America).
const HOME_COUNTRY: (&str, usize) = ("1", 10);

/// What a token stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A word of a name, or its beginning.
    Name,
    /// Date of birth.
    Born,
    /// Telephone number.
    Phone,
    /// The clinic's own number for the patient.
    Mrn,
    /// E-mail address.
    Email,
}

impl Kind {
    /// The word in the database.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Born => "born",
            Self::Phone => "phone",
            Self::Mrn => "mrn",
            Self::Email => "email",
        }
    }
}

/// One version of a clinic's index key.
pub(crate) struct IndexKey {
    pub(crate) version: i32,
    /// Searches use this one; the others are being prepared.
    pub(crate) active: bool,
    key: hmac::Key,
}

impl IndexKey {
    pub(crate) fn new(version: i32, active: bool, key: &[u8; 32]) -> Self {
        Self { version, active, key: hmac::Key::new(hmac::HMAC_SHA256, key) }
    }

    /// The token of a normalised `text`: the first 64 bits of its HMAC.
    pub(crate) fn token(&self, kind: Kind, text: &str) -> i64 {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(kind.as_str().as_bytes());
        context.update(b"|");
        context.update(text.as_bytes());
        let tag = context.sign();
        i64::from_be_bytes(tag.as_ref()[..8].try_into().expect("a tag has 32 bytes"))
    }
}

/// A text as it is compared: it is wiped when dropped.
pub(crate) type Normal = Zeroizing<String>;

/// The words of a name: compatibility-decomposed, without accents and case, split at spaces and hyphens. An apostrophe
/// joins (`O'Brien` is `obrien`), and what follows it is a word as well when `with_parts` is set.
pub(crate) fn words(name: &str, with_parts: bool) -> Vec<Normal> {
    let folded = fold(name);
    let mut words: Vec<Normal> = Vec::new();
    for piece in folded.split(|char: char| !char.is_alphanumeric() && !is_apostrophe(char)) {
        let whole: String = piece.chars().filter(|char| !is_apostrophe(*char)).collect();
        if whole.is_empty() {
            continue;
        }
        if with_parts && let Some((_, after)) = piece.rsplit_once(is_apostrophe) {
            words.push(Zeroizing::new(after.to_owned()));
        }
        words.push(Zeroizing::new(whole));
    }
    words.retain(|word| !word.is_empty());
    words.truncate(MOST_WORDS);
    words
}

/// What is indexed of one word.
pub(crate) fn beginnings(word: &str) -> Vec<&str> {
    let ends: Vec<usize> = word.char_indices().map(|(at, char)| at + char.len_utf8()).collect();
    let Some(&whole) = ends.last() else { return Vec::new() };
    if ends.len() < SHORTEST_BEGINNING {
        return vec![&word[..whole]];
    }
    ends.iter().take(LONGEST_BEGINNING).skip(SHORTEST_BEGINNING - 1).map(|end| &word[..*end]).collect()
}

/// What is looked up for a typed word: as much of it as is indexed.
pub(crate) fn beginning(word: &str) -> &str {
    word.char_indices().nth(LONGEST_BEGINNING).map_or(word, |(end, _)| &word[..end])
}

/// Whether every wanted word begins a word of the name. Both as [`words`] gives them.
pub(crate) fn matches(name: &[Normal], wanted: &[Normal]) -> bool {
    wanted.iter().all(|wanted| name.iter().any(|word| word.starts_with(wanted.as_str())))
}

/// Digits with country code; `None` if there are none.
pub(crate) fn phone(text: &str) -> Option<Normal> {
    let digits: String = fold(text).chars().filter(char::is_ascii_digit).collect();
    let international = text.trim_start().starts_with('+');
    let (code, length) = HOME_COUNTRY;
    let number = if international {
        digits
    } else if let Some(abroad) = digits.strip_prefix("00") {
        abroad.to_owned()
    } else if digits.len() == length {
        format!("{code}{digits}")
    } else {
        digits
    };
    Some(Zeroizing::new(number)).filter(|number| !number.is_empty())
}

/// A record number without case, spaces and accents; `None` if nothing is left.
pub(crate) fn mrn(text: &str) -> Option<Normal> {
    let kept: String = fold(text).chars().filter(|char| !char.is_whitespace()).collect();
    Some(Zeroizing::new(kept)).filter(|kept| !kept.is_empty())
}

/// An address in lower case; `None` if it is empty.
pub(crate) fn email(text: &str) -> Option<Normal> {
    let kept = text.trim().to_lowercase();
    Some(Zeroizing::new(kept)).filter(|kept| !kept.is_empty())
}

fn is_apostrophe(char: char) -> bool {
    matches!(char, '\'' | '\u{2018}' | '\u{2019}' | '\u{02bc}' | '\u{00b4}' | '`')
}

/// Without case and accents. Letters that have no accent to strip but are typed without it on other keyboards are
/// spelled out.
fn fold(text: &str) -> Normal {
    let mut folded = String::with_capacity(text.len());
    for char in text.chars() {
        // The acute accent on its own would decompose into a space; here it is a poor man's apostrophe.
        if is_apostrophe(char) {
            folded.push('\'');
            continue;
        }
        for char in char.to_lowercase().nfkd().filter(|char| !is_combining_mark(*char)) {
            match char {
                'ß' => folded.push_str("ss"),
                'æ' => folded.push_str("ae"),
                'œ' => folded.push_str("oe"),
                'ø' => folded.push('o'),
                'ł' => folded.push('l'),
                'đ' | 'ð' => folded.push('d'),
                'þ' => folded.push_str("th"),
                'ı' => folded.push('i'),
                char => folded.extend(char.to_lowercase()),
            }
        }
    }
    Zeroizing::new(folded)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain(words: &[Normal]) -> Vec<&str> {
        words.iter().map(|word| word.as_str()).collect()
    }

    #[test]
    fn accents_case_hyphens_and_apostrophes_make_no_difference() {
        assert_eq!(plain(&words("Lucía FERNÁNDEZ-Ruiz", true)), ["lucia", "fernandez", "ruiz"]);
        assert_eq!(plain(&words("Sinéad O\u{2019}Brien", true)), ["sinead", "brien", "obrien"]);
        assert_eq!(plain(&words("O'Brien", false)), ["obrien"]);
        assert_eq!(plain(&words("Jürgen Weiß", true)), ["jurgen", "weiss"]);
        assert_eq!(plain(&words("Łukasz Sørensen İlker", true)), ["lukasz", "sorensen", "ilker"]);
        // Composed, decomposed and full-width forms of the same letters.
        assert_eq!(plain(&words("Zoe\u{308} Ｌｅｅ", true)), plain(&words("Zoë Lee", true)));
        assert_eq!(plain(&words(" - ' ", true)), Vec::<&str>::new());
        assert_eq!(plain(&words("李小龙", true)), ["李小龙"]);
    }

    #[test]
    fn a_word_is_found_by_two_to_eight_of_its_first_letters() {
        assert_eq!(beginnings("fernandez"), ["fe", "fer", "fern", "ferna", "fernan", "fernand", "fernande"]);
        assert_eq!(beginnings("lee"), ["le", "lee"]);
        assert_eq!(beginnings("j"), ["j"]);
        assert_eq!(beginnings("李小龙"), ["李小", "李小龙"]);
        assert_eq!(beginning("fernandez"), "fernande");
        assert_eq!(beginning("fer"), "fer");
        assert!(beginnings("").is_empty());
    }

    #[test]
    fn a_patient_is_found_by_the_beginning_of_any_name_in_any_order() {
        let name = words("María-Mar Lopez-García O'Neil", true);
        for wanted in ["", "mar", "LOP", "lop mar", "Garcia", "lopez-gar", "oneil", "o'neil", "neil"] {
            assert!(matches(&name, &words(wanted, false)), "{wanted}");
        }
        for wanted in ["opez", "maria x", "garciaa"] {
            assert!(!matches(&name, &words(wanted, false)), "{wanted}");
        }
    }

    #[test]
    fn one_telephone_number_is_one_text_however_it_is_written() {
        for text in ["(312) 555-0199", "312.555.0199", "+1 312 555 0199", "1-312-555-0199", "001 312 555 0199"] {
            assert_eq!(phone(text).unwrap().as_str(), "13125550199", "{text}");
        }
        assert_eq!(phone("+49 30 901820").unwrap().as_str(), "4930901820");
        assert!(phone("none").is_none());
    }

    #[test]
    fn numbers_and_addresses_are_compared_without_case_and_spaces() {
        assert_eq!(mrn(" rf-10 482").unwrap().as_str(), "rf-10482");
        assert_eq!(email(" Eleanor@Example.ORG ").unwrap().as_str(), "eleanor@example.org");
        assert!(mrn("  ").is_none() && email("").is_none());
    }

    #[test]
    fn a_token_belongs_to_its_key_and_its_kind() {
        let (a, b) = (IndexKey::new(1, true, &[1; 32]), IndexKey::new(1, true, &[2; 32]));
        assert_eq!(a.token(Kind::Name, "lee"), IndexKey::new(9, false, &[1; 32]).token(Kind::Name, "lee"));
        assert_ne!(a.token(Kind::Name, "lee"), b.token(Kind::Name, "lee"), "another clinic");
        assert_ne!(a.token(Kind::Name, "lee"), a.token(Kind::Mrn, "lee"), "another kind");
        // HMAC-SHA-256 under 32 bytes of 0x0b of "name|lee", computed by another implementation.
        assert_eq!(IndexKey::new(1, true, &[0x0b; 32]).token(Kind::Name, "lee"), KNOWN);
    }

    const KNOWN: i64 = 6824066451745136218;

    proptest! {
        #[test]
        fn what_is_typed_of_a_word_is_indexed(name in "\\PC{1,40}", letters in 1usize..12) {
            let key = IndexKey::new(1, true, &[7; 32]);
            for word in words(&name, true) {
                let typed: String = word.chars().take(letters).collect();
                if typed.chars().count() < 2 && typed != *word { continue; }
                let stored: Vec<i64> = beginnings(&word).into_iter().map(|text| key.token(Kind::Name, text)).collect();
                prop_assert!(stored.contains(&key.token(Kind::Name, beginning(&typed))), "{typed} of {}", *word);
            }
        }
    }
}
