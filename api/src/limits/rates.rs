//! How often one may ask, in numbers, and what is counted apart.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

/// Requests per minute; all may come at once, then they flow back evenly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RateLimits {
    /// Sign-in attempts for one account from one address.
    pub sign_in_per_minute: NonZeroU32,
    /// Sign-in attempts from one address, whatever the account: against spraying one password over many. As many links by
    /// mail, counted apart.
    pub sign_in_per_address_per_minute: NonZeroU32,
    /// Requests without a session, from one address.
    pub anonymous_per_minute: NonZeroU32,
    /// Requests of one session.
    pub session_per_minute: NonZeroU32,
    /// Documents that one session uploads.
    pub uploads_per_minute: NonZeroU32,
    /// Links by mail (to sign in, to a new password) for one recipient, whoever asks.
    pub magic_links_per_minute: NonZeroU32,
}

impl Default for RateLimits {
    fn default() -> Self {
        const fn per_minute(n: u32) -> NonZeroU32 {
            NonZeroU32::new(n).expect("not zero")
        }
        Self {
            sign_in_per_minute: per_minute(5),
            sign_in_per_address_per_minute: per_minute(20),
            anonymous_per_minute: per_minute(60),
            session_per_minute: per_minute(600),
            uploads_per_minute: per_minute(10),
            magic_links_per_minute: per_minute(5),
        }
    }
}

impl RateLimits {
    /// All of them with the keys they have in a configuration file.
    #[must_use]
    pub fn named(&self) -> [(&'static str, NonZeroU32); 6] {
        [
            ("limits.sign_in_per_minute", self.sign_in_per_minute),
            ("limits.sign_in_per_address_per_minute", self.sign_in_per_address_per_minute),
            ("limits.anonymous_per_minute", self.anonymous_per_minute),
            ("limits.session_per_minute", self.session_per_minute),
            ("limits.uploads_per_minute", self.uploads_per_minute),
            ("limits.magic_links_per_minute", self.magic_links_per_minute),
        ]
    }
}

/// What is counted, each with keys of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    SignInAccount,
    SignInAddress,
    Anonymous,
    Session,
    Upload,
    LinkAddress,
    LinkRecipient,
}

impl Limit {
    pub(crate) const ALL: [Self; 7] = [
        Self::SignInAccount,
        Self::SignInAddress,
        Self::Anonymous,
        Self::Session,
        Self::Upload,
        Self::LinkAddress,
        Self::LinkRecipient,
    ];

    /// The word in metrics and in Redis' keys.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::SignInAccount => "sign_in_account",
            Self::SignInAddress => "sign_in_address",
            Self::Anonymous => "anonymous",
            Self::Session => "session",
            Self::Upload => "upload",
            Self::LinkAddress => "link_address",
            Self::LinkRecipient => "link_recipient",
        }
    }

    pub(crate) fn per_minute(self, rates: &RateLimits) -> NonZeroU32 {
        match self {
            Self::SignInAccount => rates.sign_in_per_minute,
            Self::SignInAddress | Self::LinkAddress => rates.sign_in_per_address_per_minute,
            Self::Anonymous => rates.anonymous_per_minute,
            Self::Session => rates.session_per_minute,
            Self::Upload => rates.uploads_per_minute,
            Self::LinkRecipient => rates.magic_links_per_minute,
        }
    }
}
