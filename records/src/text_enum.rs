//! Enums that are stored as text, with a CHECK constraint of the same words.

/// Makes an enum with `as_str`, `parse` and the JSON form of the same word.
macro_rules! text_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $text)] $variant,)*
        }

        impl $name {
            /// The word in the database and in JSON.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The value with this word.
            ///
            /// # Errors
            /// [`crate::Error::UnknownValue`] if no value has it.
            pub fn parse(text: &str) -> Result<Self, crate::Error> {
                match text {
                    $($text => Ok(Self::$variant),)*
                    _ => Err(crate::Error::UnknownValue(stringify!($name))),
                }
            }
        }
    };
}
pub(crate) use text_enum;
