//! Who members of staff are and how they prove it.
//!
//! What lives here: second factors ([`factors`], [`webauthn`], [`recovery`]), counting of failed tries, invitations,
//! the rules for passwords, the clinic's roster of staff, a person's own account. What deliberately does not: the steps
//! of signing in ([`crate::sign_in`]) and what a session is ([`crate::sessions`]).

pub mod account;
pub(crate) mod attempts;
pub mod breached;
pub mod confirm;
pub mod devices;
pub mod enrolment;
pub mod factors;
pub mod invitations;
pub(crate) mod letters;
pub(crate) mod links;
pub mod passwords;
pub(crate) mod proof;
pub mod recovery;
pub mod reset;
pub mod roster;
pub mod webauthn;

use std::path::PathBuf;

use visit::Role;

pub use factors::FactorKind;
pub use proof::Proof;

/// What an installation decides about identity.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Everybody may use one-time codes, also roles that otherwise need a security key: for the demonstration.
    pub codes_for_everyone: bool,
    /// A sorted list of SHA-1 hashes of passwords that were found in breaches; none unless it is configured.
    pub breached_passwords: Option<PathBuf>,
}

impl Settings {
    /// Whether a one-time code is enough as second factor for this role.
    #[must_use]
    pub fn accepts_codes(&self, role: Role) -> bool {
        self.codes_for_everyone || !matches!(role, Role::Compliance | Role::SuperAdmin)
    }
}
