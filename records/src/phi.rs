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

/// What must not compile. Each block is compiled by `cargo test --doc`, and must fail for the reason that it names.
///
/// ```compile_fail,E0277
/// println!("{}", records::Phi::from("name"));
/// ```
/// ```compile_fail,E0277
/// println!("{:?}", records::Phi::from("name"));
/// ```
/// ```compile_fail,E0277
/// fn answer(value: impl serde::Serialize) {}
/// answer(records::Phi::from("name"));
/// ```
/// ```compile_fail,E0277
/// fn log(value: impl tracing::Value) {}
/// log(records::Phi::from("name"));
/// ```
/// ```compile_fail,E0616
/// let name: String = records::Phi::from("name".to_owned()).0.clone();
/// ```
/// The way there is, so that the blocks above fail for what they say:
/// ```
/// assert_eq!(records::Phi::from("name").expose(), "name");
/// fn answer(value: impl serde::Serialize) {}
/// answer(records::Phi::from("name").expose());
/// ```
#[cfg(doctest)]
struct NeitherShownNorSent;

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    /// Says when it was wiped.
    struct Wiped(Arc<AtomicBool>);

    impl Zeroize for Wiped {
        fn zeroize(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_value_is_wiped_when_it_is_dropped() {
        let wiped = Arc::new(AtomicBool::new(false));
        let value = Phi::new(Wiped(wiped.clone()));
        assert!(!wiped.load(Ordering::SeqCst));
        drop(value);
        assert!(wiped.load(Ordering::SeqCst));
    }
}
