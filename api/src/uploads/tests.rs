//! Hostile documents, made here.

use std::io::Write as _;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};

use super::*;

fn uploads() -> Uploads {
    Uploads::new(UploadRules::default(), None)
}

async fn refused(declared: &str, bytes: Vec<u8>) -> Refused {
    uploads().check(declared, bytes).await.err().expect("must be refused")
}

/// A photograph of two colours, red on the left.
fn photo(format: ImageFormat) -> Vec<u8> {
    let picture = RgbImage::from_fn(64, 32, |x, _| if x < 32 { Rgb([220, 20, 20]) } else { Rgb([20, 20, 220]) });
    let mut bytes = Vec::new();
    DynamicImage::ImageRgb8(picture).write_to(&mut std::io::Cursor::new(&mut bytes), format).unwrap();
    bytes
}

/// Where it was taken, and that it is to be turned by a quarter: EXIF in a JPEG's APP1.
fn with_exif(jpeg: &[u8]) -> Vec<u8> {
    let mut tiff = b"II*\0\x08\0\0\0".to_vec();
    tiff.extend_from_slice(&2_u16.to_le_bytes());
    // Orientation (0x0112), SHORT, 1 value: 6, a quarter clockwise.
    tiff.extend_from_slice(&[0x12, 0x01, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0]);
    // ImageDescription (0x010e), ASCII.
    let text = b"CANARY 41.88N 87.62W\0";
    tiff.extend_from_slice(&[0x0e, 0x01, 2, 0, text.len() as u8, 0, 0, 0, 38, 0, 0, 0]);
    tiff.extend_from_slice(&0_u32.to_le_bytes());
    tiff.extend_from_slice(text);
    let mut bytes = jpeg[..2].to_vec();
    bytes.extend_from_slice(&[0xff, 0xe1]);
    bytes.extend_from_slice(&(2 + 6 + tiff.len() as u16).to_be_bytes());
    bytes.extend_from_slice(b"Exif\0\0");
    bytes.extend_from_slice(&tiff);
    bytes.extend_from_slice(&jpeg[2..]);
    bytes
}

fn holds(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

#[tokio::test]
async fn a_photograph_keeps_its_pixels_and_loses_where_it_was_taken() {
    let sent = with_exif(&photo(ImageFormat::Jpeg));
    assert!(holds(&sent, b"CANARY"));
    let kept = uploads().check("image/jpeg", sent).await.ok().unwrap();
    assert_eq!(kept.media_type, "image/jpeg");
    assert!(!holds(&kept.bytes, b"CANARY") && !holds(&kept.bytes, b"Exif"));
    let picture = image::load_from_memory(&kept.bytes).unwrap().into_rgb8();
    // Turned as the note said: upright, red on top.
    assert_eq!(picture.dimensions(), (32, 64));
    let (top, bottom) = (picture.get_pixel(16, 8), picture.get_pixel(16, 56));
    assert!(top[0] > 180 && top[2] < 60 && bottom[0] < 60 && bottom[2] > 180, "{top:?} {bottom:?}");
}

#[tokio::test]
async fn png_stays_png_and_webp_becomes_what_every_viewer_knows() {
    let png = uploads().check("image/png", photo(ImageFormat::Png)).await.ok().unwrap();
    assert_eq!((png.media_type, image::guess_format(&png.bytes).unwrap()), ("image/png", ImageFormat::Png));
    let webp = uploads().check("image/webp", photo(ImageFormat::WebP)).await.ok().unwrap();
    assert_eq!((webp.media_type, image::guess_format(&webp.bytes).unwrap()), ("image/jpeg", ImageFormat::Jpeg));
    let mut see_through = Vec::new();
    let picture = DynamicImage::ImageRgba8(RgbaImage::from_pixel(8, 8, Rgba([1, 2, 3, 4])));
    picture.write_to(&mut std::io::Cursor::new(&mut see_through), ImageFormat::WebP).unwrap();
    let kept = uploads().check("image/webp", see_through).await.ok().unwrap();
    assert_eq!(kept.media_type, "image/png");
    assert_eq!(image::load_from_memory(&kept.bytes).unwrap().into_rgba8().get_pixel(3, 3), &Rgba([1, 2, 3, 4]));
}

#[tokio::test]
async fn what_hides_behind_a_picture_is_gone() {
    for (format, media_type) in [(ImageFormat::Jpeg, "image/jpeg"), (ImageFormat::Png, "image/png")] {
        let mut polyglot = photo(format);
        polyglot.extend_from_slice(b"<script>alert('CANARY')</script>PK\x03\x04CANARYPK\x05\x06");
        let kept = uploads().check(media_type, polyglot).await.ok().unwrap();
        assert!(!holds(&kept.bytes, b"CANARY") && !holds(&kept.bytes, b"PK\x05\x06"));
    }
}

#[tokio::test]
async fn only_four_types_are_taken_and_only_as_what_they_are() {
    let svg = b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>";
    for (declared, bytes) in [
        ("image/svg+xml", &svg[..]),
        ("text/html", b"<!doctype html><script>alert(1)</script>"),
        ("application/zip", b"PK\x03\x04"),
        ("image/gif", b"GIF89a"),
        ("application/octet-stream", b"x"),
        ("", b"x"),
        ("image/jpeg; charset=x", b"x"),
        ("IMAGE/JPEG", b"x"),
    ] {
        assert_eq!(refused(declared, bytes.to_vec()).await, Refused::Type, "{declared}");
    }
    for (declared, bytes) in [
        ("image/png", svg.to_vec()),
        ("image/png", photo(ImageFormat::Jpeg)),
        ("application/pdf", photo(ImageFormat::Jpeg)),
        ("image/jpeg", b"PK\x03\x04".to_vec()),
        ("image/jpeg", b"MZ\x90\0".to_vec()),
    ] {
        assert_eq!(refused(declared, bytes).await, Refused::Mismatch, "{declared}");
    }
    assert_eq!(refused("image/png", Vec::new()).await, Refused::Empty);
    assert_eq!(refused("application/pdf", b"<html>%PDF-1.7".to_vec()).await, Refused::Unreadable);
    let cut = photo(ImageFormat::Png);
    assert_eq!(refused("image/png", cut[..cut.len() / 2].to_vec()).await, Refused::Unreadable);
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

fn png_chunk(png: &mut Vec<u8>, kind: &[u8; 4], data: &[u8]) {
    png.extend_from_slice(&(data.len() as u32).to_be_bytes());
    let body = [kind.as_slice(), data].concat();
    png.extend_from_slice(&body);
    png.extend_from_slice(&crc(&body).to_be_bytes());
}

fn zlib(plain: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(plain).unwrap();
    packed.finish().unwrap()
}

/// A PNG whose head promises this size, with these pixels and whatever stands before them.
fn png(width: u32, height: u32, before: Option<(&[u8; 4], &[u8])>, packed: &[u8]) -> Vec<u8> {
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    let head = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
    png_chunk(&mut png, b"IHDR", &head);
    if let Some((kind, data)) = before {
        png_chunk(&mut png, kind, data);
    }
    png_chunk(&mut png, b"IDAT", packed);
    png_chunk(&mut png, b"IEND", b"");
    png
}

#[tokio::test]
async fn a_few_bytes_that_promise_a_gigapixel_are_refused_before_they_are_unpacked() {
    let bomb = png(40_000, 40_000, None, &zlib(&vec![0; 1_000_000]));
    assert!(bomb.len() < 4_096);
    let begun = resident();
    assert_eq!(refused("image/png", bomb).await, Refused::TooManyPixels);
    assert_eq!(refused("image/png", png(1, 4_000_000_000, None, &zlib(b""))).await, Refused::TooManyPixels);
    assert!(resident().saturating_sub(begun) < 64 << 20, "nothing of the promised size was taken");
}

#[tokio::test]
async fn a_profile_or_text_that_unpacks_to_a_gigabyte_takes_no_gigabyte() {
    let packed = zlib(&vec![0; 300 << 20]);
    let profile = [&b"p\0\0"[..], &packed].concat();
    let text = [&b"t\0\0"[..], &packed].concat();
    let pixels = zlib(&[0; 4]);
    for (kind, data) in [(b"iCCP", &profile), (b"zTXt", &text)] {
        let begun = resident();
        // Whether the picture itself is good does not matter here: what the rest costs does.
        let _ = uploads().check("image/png", png(1, 1, Some((kind, data)), &pixels)).await;
        let taken = resident().saturating_sub(begun);
        assert!(taken < 160 << 20, "{} took {} MiB", String::from_utf8_lossy(kind), taken >> 20);
    }
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1_024
}

fn document(objects: &str) -> Vec<u8> {
    format!("%PDF-1.7\n{objects}\ntrailer <</Root 1 0 R>>\n%%EOF\n").into_bytes()
}

fn packed(dictionary: &str, plain: &[u8]) -> Vec<u8> {
    let mut bytes = format!("%PDF-1.7\n2 0 obj <</Filter /FlateDecode {dictionary}>>\nstream\r\n").into_bytes();
    bytes.extend_from_slice(&zlib(plain));
    bytes.extend_from_slice(b"\nendstream endobj\n%%EOF");
    bytes
}

#[tokio::test]
async fn a_quiet_pdf_is_kept_byte_for_byte() {
    for quiet in [
        document("1 0 obj <</Type /Catalog /Pages 2 0 R /OpenAction [3 0 R /Fit]>> endobj"),
        packed("/Length 9", b"BT (Launch the JavaScript / EmbeddedFile) Tj ET"),
    ] {
        let kept = uploads().check("application/pdf", quiet.clone()).await.ok().unwrap();
        assert_eq!((kept.media_type, kept.bytes), ("application/pdf", quiet));
    }
}

#[tokio::test]
async fn a_pdf_that_acts_is_locked_or_holds_files_is_refused_however_it_is_written() {
    for (bytes, why) in [
        (document("1 0 obj <</OpenAction <</S /JavaScript /JS (app.alert(1))>>>>"), Refused::Active),
        (document("1 0 obj <</OpenAction <</S/J#61vaScript/JS(x)>>>>"), Refused::Active),
        (document("1 0 obj <</S /Launch /F (cmd.exe)>>"), Refused::Active),
        (document("1 0 obj <</Type /EmbeddedFile>>"), Refused::Active),
        (document("1 0 obj <</Names <</EmbeddedFiles 2 0 R>>>>"), Refused::Active),
        (document("1 0 obj <</AcroForm <</XFA [1 2]>>>>"), Refused::Active),
        (document("1 0 obj <</S /SubmitForm>>"), Refused::Active),
        (document("trailer <</Encrypt 5 0 R>>"), Refused::Encrypted),
        (packed("/Type /ObjStm", b"1 0 <</S /JavaScript>>"), Refused::Active),
        (packed("/Type /Obj#53tm", b"1 0 <</S /Java#53cript>>"), Refused::Active),
        // Not said to hold objects, and yet it does.
        (packed("/Type /Image", b"1 0 <</S /Launch>>"), Refused::Active),
        (packed("/Type /ObjStm /DecodeParms <</Predictor 12>>", b"1 0 <<>>"), Refused::Unreadable),
        (document("1 0 obj <</Type /ObjStm /Filter /LZWDecode>> stream\nabc\nendstream"), Refused::Unreadable),
        (b"%PDF-1.7\n1 0 obj <<>> endobj\n".to_vec(), Refused::Unreadable),
        ([document(""), b"PK\x03\x04 a.class".to_vec()].concat(), Refused::Polyglot),
        ([b"%PDF-1.7\nPK\x05\x06".to_vec(), b"\n%%EOF".to_vec()].concat(), Refused::Polyglot),
        ([document(""), b"<script>alert(1)</script>".to_vec()].concat(), Refused::Polyglot),
    ] {
        let shown = String::from_utf8_lossy(&bytes).into_owned();
        assert_eq!(refused("application/pdf", bytes).await, why, "{shown}");
    }
}

#[tokio::test]
async fn a_pdf_that_unpacks_without_end_is_refused() {
    let bomb = packed("/Length 1", &vec![b' '; 300 << 20]);
    assert!(bomb.len() < 1 << 20);
    assert_eq!(refused("application/pdf", bomb).await, Refused::TooLarge);
}

#[tokio::test]
async fn no_more_documents_than_there_may_be_are_held_at_once() {
    let uploads = Uploads::new(UploadRules { at_once: 2, ..UploadRules::default() }, None);
    let held = (uploads.place().unwrap(), uploads.place().unwrap());
    assert_eq!(uploads.place().err(), Some(Refused::Busy));
    drop(held);
    assert!(uploads.place().is_ok());
}
