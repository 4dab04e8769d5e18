//! Names of files, made harmless: what is kept is a name that any system can store and that reads as what it is.

/// Longest name, characters.
const MAX_CHARS: usize = 100;

/// The name that a document of this type is kept under. `given` may be anything; what can't stand in a name is left out,
/// and the ending is that of what the document is.
pub(crate) fn clean(given: &str, media_type: &str) -> String {
    let ending = match media_type {
        "image/jpeg" => "jpg",
        "image/png" => "png",
        _ => "pdf",
    };
    let last = given.rsplit(['/', '\\']).next().unwrap_or_default();
    let stem = match last.rsplit_once('.') {
        Some((stem, ending)) if ending.len() <= 5 => stem,
        _ => last,
    };
    let kept: String = stem
        .chars()
        .map(|char| if char.is_whitespace() { ' ' } else { char })
        .filter(|char| !char.is_control() && !is_invisible(*char) && !"<>:\"|?*;`$%".contains(*char))
        .collect();
    let words: Vec<&str> = kept.split(' ').filter(|word| !word.is_empty()).collect();
    let name: String = words.join(" ").trim_matches(['.', ' ', '-']).chars().take(MAX_CHARS).collect();
    let name = name.trim_end();
    if name.is_empty() || is_device(name) { format!("document.{ending}") } else { format!("{name}.{ending}") }
}

/// Characters without a shape, and those that turn the direction of reading: `exe.` could read as `.exe`.
fn is_invisible(char: char) -> bool {
    matches!(char,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff0}'..='\u{ffff}' | '\u{e0000}'..='\u{e0fff}')
}

/// Names that mean a device to Windows, whatever follows the first dot.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim().to_ascii_uppercase();
    matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL")
        || ((stem.starts_with("COM") || stem.starts_with("LPT")) && stem.len() == 4 && stem.ends_with(char::is_numeric))
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn a_name_keeps_what_people_read_and_loses_what_they_do_not_see() {
        for (given, kept) in [
            ("Überweisung Dr. Müller.pdf", "Überweisung Dr. Müller.pdf"),
            ("../../etc/passwd", "passwd.pdf"),
            ("C:\\Users\\x\\letter.pdf", "letter.pdf"),
            ("letter.pdf.exe", "letter.pdf.pdf"),
            ("\u{202e}fdp.exe", "fdp.pdf"),
            ("a\u{0}b\r\nSet-Cookie: x.pdf", "ab Set-Cookie x.pdf"),
            ("carta\u{200b} \u{2066}médica.pdf", "carta médica.pdf"),
            ("", "document.pdf"),
            ("...", "document.pdf"),
            (".htaccess", "htaccess.pdf"),
            ("CON.pdf", "document.pdf"),
            ("com1.txt.pdf", "document.pdf"),
            ("\"><script>alert(1)</script>.pdf", "script.pdf"),
        ] {
            assert_eq!(clean(given, "application/pdf"), kept, "{given:?}");
        }
        assert_eq!(clean("card.png", "image/jpeg"), "card.jpg");
        assert_eq!(clean(&"é".repeat(500), "image/png").chars().count(), 104);
    }
}
