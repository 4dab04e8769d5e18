//! Pages to read and print: letter format, Atkinson Hyperlegible Next (SIL Open Font License, `fonts/OFL.txt`), headings,
//! rows and paragraphs that wrap, a footer on every page.

use std::io;
use std::sync::LazyLock;

use krilla::geom::Point;
use krilla::metadata::Metadata;
use krilla::page::PageSettings;
use krilla::text::{Font, GlyphId, KrillaGlyph};
use krilla::{Document, SerializeSettings};
use skrifa::instance::{LocationRef, Size};
use skrifa::{FontRef, MetadataProvider as _};
use unicode_normalization::UnicodeNormalization as _;

/// Letter, points.
const PAGE: (f32, f32) = (612.0, 792.0);
const MARGIN: f32 = 54.0;
const LABEL_WIDTH: f32 = 150.0;
const TEXT: f32 = 10.5;
const SECTION: f32 = 13.0;
const TITLE: f32 = 20.0;
const SMALL: f32 = 8.5;
/// From one base line to the next, times the size.
const LEADING: f32 = 1.4;
/// Stands for a character that the font does not have.
const MISSING: char = '?';

static REGULAR: &[u8] = include_bytes!("fonts/AtkinsonHyperlegibleNext-Regular.ttf");
static BOLD: &[u8] = include_bytes!("fonts/AtkinsonHyperlegibleNext-Bold.ttf");

struct Face {
    font: Font,
    shapes: FontRef<'static>,
}

static FACES: LazyLock<Option<[Face; 2]>> = LazyLock::new(|| {
    let face = |data: &'static [u8]| Some(Face { font: Font::new(data.into(), 0)?, shapes: FontRef::new(data).ok()? });
    Some([face(REGULAR)?, face(BOLD)?])
});

fn face(bold: bool) -> io::Result<&'static Face> {
    FACES.as_ref().map(|faces| &faces[usize::from(bold)]).ok_or_else(|| io::Error::other("the font can't be read"))
}

impl Face {
    /// One glyph per character, in the order of writing from left to right; advances are those of size 1.
    fn glyphs(&self, text: &str) -> Vec<KrillaGlyph> {
        let (map, metrics) = (self.shapes.charmap(), self.shapes.glyph_metrics(Size::new(1.0), LocationRef::default()));
        text.char_indices()
            .map(|(at, char)| {
                let glyph = map.map(char).or_else(|| map.map(MISSING)).unwrap_or_default();
                let advance = metrics.advance_width(glyph).unwrap_or(0.5);
                KrillaGlyph::new(GlyphId::new(glyph.to_u32()), advance, 0.0, 0.0, 0.0, at..at + char.len_utf8(), None)
            })
            .collect()
    }

    fn width(&self, text: &str, size: f32) -> f32 {
        self.glyphs(text).iter().map(|glyph| glyph.x_advance * size).sum()
    }
}

struct Line {
    x: f32,
    y: f32,
    size: f32,
    bold: bool,
    text: String,
}

/// Pages that fill from top to bottom.
pub(super) struct Sheet {
    title: String,
    lang: &'static str,
    pages: Vec<Vec<Line>>,
    y: f32,
}

impl Sheet {
    /// A first page with this title on it.
    pub(super) fn new(title: &str, lang: &'static str) -> io::Result<Self> {
        let mut sheet = Self { title: composed(title), lang, pages: vec![Vec::new()], y: MARGIN };
        sheet.wrapped(title, MARGIN, TITLE, true)?;
        Ok(sheet)
    }

    /// A heading, kept together with what follows.
    pub(super) fn section(&mut self, text: &str) -> io::Result<()> {
        self.gap(12.0);
        if self.y + 4.0 * SECTION * LEADING > bottom() {
            self.turn();
        }
        self.wrapped(text, MARGIN, SECTION, true)?;
        self.gap(2.0);
        Ok(())
    }

    /// What something is called, and beside it what it is. Nothing if it is nothing.
    pub(super) fn row(&mut self, label: &str, text: &str) -> io::Result<()> {
        if text.trim().is_empty() {
            return Ok(());
        }
        let x = MARGIN + LABEL_WIDTH;
        let labels = lines(face(false)?, label, LABEL_WIDTH - 8.0, TEXT);
        let texts = lines(face(false)?, text, PAGE.0 - MARGIN - x, TEXT);
        for nth in 0..labels.len().max(texts.len()) {
            let y = self.next(TEXT);
            for (x, line) in [(MARGIN, labels.get(nth)), (x, texts.get(nth))] {
                if let Some(line) = line {
                    self.put(Line { x, y, size: TEXT, bold: false, text: line.clone() });
                }
            }
        }
        self.gap(2.0);
        Ok(())
    }

    /// Text over the whole width; line breaks stay.
    pub(super) fn paragraph(&mut self, text: &str) -> io::Result<()> {
        self.wrapped(text, MARGIN, TEXT, false)?;
        self.gap(4.0);
        Ok(())
    }

    /// A line in bold.
    pub(super) fn strong(&mut self, text: &str) -> io::Result<()> {
        self.wrapped(text, MARGIN, TEXT, true)
    }

    /// The file, with `footer` and the page's number on every page.
    pub(super) fn finish(mut self, footer: &str) -> io::Result<Vec<u8>> {
        let count = self.pages.len();
        for (nth, page) in self.pages.iter_mut().enumerate() {
            let y = PAGE.1 - MARGIN + 2.0 * SMALL;
            let numbers = format!("{} / {count}", nth + 1);
            let x = PAGE.0 - MARGIN - face(false)?.width(&numbers, SMALL);
            page.push(Line { x, y, size: SMALL, bold: false, text: numbers });
            page.push(Line { x: MARGIN, y, size: SMALL, bold: false, text: composed(footer) });
        }
        let mut document = Document::new_with(SerializeSettings::default());
        document.set_metadata(
            Metadata::new().title(self.title).language(self.lang.to_owned()).creator("Bedside".to_owned()),
        );
        let size = PageSettings::from_wh(PAGE.0, PAGE.1).ok_or_else(|| io::Error::other("the page has no size"))?;
        for lines in self.pages {
            let mut page = document.start_page_with(size.clone());
            let mut surface = page.surface();
            for line in lines {
                let face = face(line.bold)?;
                let start = Point::from_xy(line.x, line.y);
                surface.draw_glyphs(start, &face.glyphs(&line.text), face.font.clone(), &line.text, line.size, false);
            }
            surface.finish();
            page.finish();
        }
        document.finish().map_err(|error| io::Error::other(format!("{error:?}")))
    }

    fn wrapped(&mut self, text: &str, x: f32, size: f32, bold: bool) -> io::Result<()> {
        for text in lines(face(bold)?, text, PAGE.0 - MARGIN - x, size) {
            let y = self.next(size);
            self.put(Line { x, y, size, bold, text });
        }
        Ok(())
    }

    fn put(&mut self, line: Line) {
        if let Some(page) = self.pages.last_mut().filter(|_| !line.text.is_empty()) {
            page.push(line);
        }
    }

    /// The next base line; on a new page if this one is full.
    fn next(&mut self, size: f32) -> f32 {
        if self.y + size * LEADING > bottom() {
            self.turn();
        }
        self.y += size * LEADING;
        self.y
    }

    fn gap(&mut self, points: f32) {
        self.y += points;
    }

    fn turn(&mut self) {
        self.pages.push(Vec::new());
        self.y = MARGIN;
    }
}

fn bottom() -> f32 {
    PAGE.1 - MARGIN - SMALL
}

/// Composed characters only, since fonts have those; no control characters but line breaks.
fn composed(text: &str) -> String {
    text.nfc()
        .map(|char| if char == '\t' { ' ' } else { char })
        .filter(|char| *char == '\n' || !char.is_control())
        .collect()
}

/// Breaks a text at spaces into lines of at most `width` points; a word that is too long is broken anywhere.
fn lines(face: &Face, text: &str, width: f32, size: f32) -> Vec<String> {
    let mut all = Vec::new();
    for paragraph in composed(text).split('\n') {
        let mut line = String::new();
        for word in paragraph.split(' ') {
            let longer = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
            if face.width(&longer, size) <= width {
                line = longer;
                continue;
            }
            if !line.is_empty() {
                all.push(std::mem::take(&mut line));
            }
            for char in word.chars() {
                line.push(char);
                if face.width(&line, size) > width {
                    line.pop();
                    all.push(std::mem::replace(&mut line, char.to_string()));
                }
            }
        }
        all.push(line);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_wraps_at_words_and_a_word_that_is_too_long_is_broken() {
        let face = face(false).unwrap();
        let wrapped = lines(face, "Lungs clear on both sides\n\nno cough", 60.0, 10.0);
        assert!(wrapped.len() > 3 && wrapped.contains(&String::new()));
        assert!(wrapped.iter().all(|line| face.width(line, 10.0) <= 60.0));
        assert_eq!(
            wrapped.join(" ").split_whitespace().collect::<Vec<_>>().join(" "),
            "Lungs clear on both sides no cough"
        );
        let long = lines(face, &"x".repeat(200), 60.0, 10.0);
        assert!(long.len() > 1);
        assert_eq!(long.concat(), "x".repeat(200));
    }

    #[test]
    fn spanish_and_its_neighbours_are_in_the_font_and_what_is_not_gets_a_mark() {
        for bold in [false, true] {
            let map = face(bold).unwrap().shapes.charmap();
            for char in "áéíóúüñÁÉÍÓÚÜÑ¿¡ºª«»–—’“”€łŁşğčžåøæßœ·".chars() {
                assert!(map.map(char).is_some(), "{char}");
            }
        }
        let face = face(false).unwrap();
        assert_eq!(face.glyphs("李").len(), 1);
        assert_eq!(face.glyphs("李")[0].glyph_id, face.glyphs("?")[0].glyph_id);
        // Typed in two parts, it is one letter.
        assert_eq!(lines(face, "n\u{303}", 100.0, 10.0), ["ñ"]);
    }

    #[test]
    fn what_does_not_fit_on_one_page_goes_on_on_the_next() {
        let mut sheet = Sheet::new("Title", "en").unwrap();
        for _ in 0..200 {
            sheet.row("Label", "Some text").unwrap();
        }
        assert!(sheet.pages.len() > 3);
        let lowest = sheet.pages.iter().flatten().map(|line| line.y).fold(0.0f32, f32::max);
        assert!(lowest <= bottom());
        let file = sheet.finish("footer").unwrap();
        assert!(file.starts_with(b"%PDF-"));
    }
}
