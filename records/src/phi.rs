//! Patients' data in memory.

use zeroize::{Zeroize, ZeroizeOnDrop};

/// A value that is protected health information. It has no `Debug`, `Display` or `Serialize`, so it reaches
/// neither logs nor answers by accident, and its memory is overwritten when it is dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Phi<T: Zeroize>(T);

impl<T: Zeroize> Phi<T> {
    /// Marks a value that came from outside as a patient's.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value, for the one place that shows it to somebody who may see it.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl From<&str> for Phi<String> {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for Phi<String> {
    fn from(text: String) -> Self {
        Self(text)
    }
}
