//! A text as a QR code, for a page to draw: no picture from elsewhere is ever loaded.

use qrcodegen::{QrCode, QrCodeEcc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::problem::Problem;

/// A QR code as an SVG path of one-unit squares.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QrPath {
    /// Squares from side to side, with the quiet zone of four around: `viewBox="0 0 size size"`.
    size: i32,
    /// The `d` of a `<path>` that fills the dark squares.
    path: String,
}

/// Squares of empty space that readers need around a code.
const QUIET: i32 = 4;

/// Draws `text`.
pub(crate) fn draw(text: &str) -> Result<QrPath, Problem> {
    let code = QrCode::encode_text(text, QrCodeEcc::Medium).map_err(|_| Problem::internal())?;
    let mut path = String::new();
    for y in 0..code.size() {
        for x in (0..code.size()).filter(|x| code.get_module(*x, y)) {
            path.push_str(&format!("M{} {}h1v1h-1z", x + QUIET, y + QUIET));
        }
    }
    Ok(QrPath { size: code.size() + 2 * QUIET, path })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dark_square_is_drawn_inside_the_quiet_zone() {
        let drawn = draw("otpauth://totp/Bedside:a@example.org?secret=JBSWY3DPEHPK3PXP&issuer=Bedside").unwrap();
        let code = QrCode::encode_text(
            "otpauth://totp/Bedside:a@example.org?secret=JBSWY3DPEHPK3PXP&issuer=Bedside",
            QrCodeEcc::Medium,
        )
        .unwrap();
        let dark = (0..code.size()).flat_map(|y| (0..code.size()).map(move |x| (x, y)));
        let dark: Vec<_> = dark.filter(|(x, y)| code.get_module(*x, *y)).collect();
        assert_eq!(drawn.path.matches('M').count(), dark.len());
        // The finder pattern's corner.
        assert!(drawn.path.starts_with("M4 4h1v1h-1z"));
        assert_eq!(drawn.size, code.size() + 8);
    }
}
