//! Pictures are decoded and encoded again: pixels are all that is kept.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder as _, ImageFormat, ImageReader, Limits};

use super::{Checked, Kind, Refused};

/// Longest side, pixels.
const MAX_SIDE: u32 = 30_000;
/// What decoders may take beside the pixels, bytes.
const WORKING_MEMORY: u64 = 64 * 1024 * 1024;
/// Of photographs; higher makes them larger, not better to look at.
const JPEG_QUALITY: u8 = 90;

/// Decodes `bytes` within limits and writes the picture anew: photographs as JPEG, what is lossless or see-through as PNG.
/// A picture that was turned by a note beside it is turned itself, since the note is not kept. Of an animation the first
/// picture is kept.
pub(super) fn written_anew(bytes: &[u8], kind: Kind, max_pixels: u64) -> Result<Checked, Refused> {
    let format = match kind {
        Kind::Jpeg => ImageFormat::Jpeg,
        Kind::Png => ImageFormat::Png,
        Kind::WebP => ImageFormat::WebP,
        Kind::Pdf => return Err(Refused::Type),
    };
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::default();
    limits.max_image_width = None;
    limits.max_image_height = None;
    // Of what stands beside the pixels; these are bounded below.
    limits.max_alloc = Some(WORKING_MEMORY);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(|_| Refused::Unreadable)?;
    let (width, height) = decoder.dimensions();
    if width.max(height) > MAX_SIDE || u64::from(width) * u64::from(height) > max_pixels {
        return Err(Refused::TooManyPixels);
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(|_| Refused::Unreadable)?;
    picture.apply_orientation(orientation);
    let lossless = kind == Kind::Png || picture.color().has_alpha();
    let picture = if picture.color().has_alpha() {
        DynamicImage::ImageRgba8(picture.into_rgba8())
    } else {
        DynamicImage::ImageRgb8(picture.into_rgb8())
    };
    let mut written = Vec::new();
    let done = if lossless {
        picture.write_with_encoder(PngEncoder::new_with_quality(
            &mut written,
            CompressionType::Default,
            FilterType::Adaptive,
        ))
    } else {
        picture.write_with_encoder(JpegEncoder::new_with_quality(&mut written, JPEG_QUALITY))
    };
    done.map_err(|_| Refused::Unreadable)?;
    Ok(Checked { media_type: if lossless { "image/png" } else { "image/jpeg" }, bytes: written })
}
