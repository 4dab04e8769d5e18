//! Words that stand in the database and in answers alike, listed for the document.

use utoipa::openapi::schema::{Object, ObjectBuilder, SchemaType, Type};

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident = [$($word:literal),* $(,)?];)*) => {
        $(
            $(#[$doc])*
            pub(crate) fn $name() -> Object {
                ObjectBuilder::new().schema_type(Type::String).enum_values(Some([$($word),*])).build()
            }
        )*

        #[cfg(test)]
        const ALL: &[(&str, &[&str])] = &[$((stringify!($name), &[$($word),*]),)*];
    };
}

words! {
    /// Where a visit stands.
    visit_state = ["booked", "checking_in", "waiting", "in_visit", "ended", "cancelled", "no_show"];
    /// Whether a device works.
    part_works = ["works", "failed"];
    /// How good the connection to the clinic is.
    network = ["good", "weak", "bad", "unknown"];
    /// Where a note stands.
    note_state = ["none", "draft", "signed"];
    /// Where a link stands.
    link_state = ["none", "active", "revoked", "expired", "locked"];
    /// How patient and provider meet.
    visit_type = ["video", "phone", "in_person"];
    /// Where a recording stands.
    recording_state = ["capturing", "captured", "composing", "ready", "failed", "interrupted"];
    /// Which way media went.
    direction = ["up", "down"];
    /// How an action ended.
    outcome = ["allowed", "denied", "failed"];
    /// What a document is.
    attachment_category = ["insurance_card", "identification", "referral", "photo", "other"];
    /// What a text is about.
    text_kind = ["telehealth_consent", "recording_consent", "guest_consent"];
    /// Kinds of second factors.
    factor_kind = ["totp", "webauthn"];
    /// How an account stands.
    standing = ["invited", "active", "deactivated"];
    /// How an invitation stands.
    invitation_state = ["open", "accepted", "expired", "revoked"];
    /// Roles that an administrator can give.
    invited_role = ["provider", "nurse", "front_desk", "clinic_admin", "compliance"];
    /// What to do after the password.
    next_factor = ["totp", "webauthn", "enrol"];
    /// The language of a mail.
    lang = ["en", "es"];
    /// Where a message stands.
    mail_state = ["waiting", "delivered", "kept", "dead"];
    /// What a message is for.
    mail_kind = ["visit_link", "guest_link", "portal_link", "confirm_email", "invitation", "password_reset", "security_notice"];
    /// Whether a patient's record is open.
    patient_access = ["care", "emergency", "closed"];
    /// Whether compliance has looked at an emergency access.
    review_state = ["open", "reviewed"];
    /// What compliance found.
    finding = ["justified", "not_justified"];
    /// What a guardian is to a patient.
    relationship = ["parent", "legal_guardian", "health_care_proxy", "other"];
    /// How far a guardian acts.
    guardian_scope = ["record", "visits"];
    /// What was done to demographics.
    record_change = ["created", "changed", "merged", "unmerged"];
    /// What was done to an entry of a chart.
    entry_change = ["created", "changed", "entered_in_error", "restored"];
    /// What is known about allergies as a whole.
    allergies_known = ["not_asked", "none_known", "listed"];
    /// Who wrote a version: a member of staff, the patient or a guardian, the server itself.
    writer = ["staff", "patient", "system"];
    /// As what somebody is invited into a visit.
    guest_role = ["interpreter", "guardian", "specialist"];
    /// How an invitation into a visit stands.
    guest_state = ["invited", "opened", "revoked", "expired"];
    /// What a person is to the clinic.
    role = ["patient", "guardian", "interpreter", "specialist", "provider", "nurse", "front_desk", "clinic_admin", "compliance", "super_admin"];
}

/// A kind of second factor, or none.
pub(crate) fn maybe_factor_kind() -> Object {
    maybe(factor_kind())
}

/// How an invitation stands, if it is one.
pub(crate) fn maybe_invitation_state() -> Object {
    maybe(invitation_state())
}

fn maybe(mut words: Object) -> Object {
    words.schema_type = SchemaType::from_iter([Type::String, Type::Null]);
    words.enum_values.get_or_insert_default().push(serde_json::Value::Null);
    words
}

/// A list of kinds of second factors.
pub(crate) fn factor_kinds() -> utoipa::openapi::schema::Array {
    utoipa::openapi::schema::ArrayBuilder::new().items(factor_kind()).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_word_is_one_that_the_record_knows() {
        for (name, words) in ALL {
            for word in *words {
                let known = match *name {
                    "part_works" => records::queue::PartWorks::parse(word).is_ok(),
                    "network" => records::queue::Network::parse(word).is_ok(),
                    "visit_state" => records::visits::VisitState::parse(word).is_ok(),
                    "note_state" => records::notes::NoteState::parse(word).is_ok(),
                    "link_state" => records::join_links::LinkState::parse(word).is_ok(),
                    "visit_type" => records::appointments::VisitType::parse(word).is_ok(),
                    "recording_state" => records::recordings::RecordingState::parse(word).is_ok(),
                    "direction" => records::quality::Direction::parse(word).is_ok(),
                    "attachment_category" => records::attachments::Category::parse(word).is_ok(),
                    "outcome" => records::audit::Outcome::parse(word).is_ok(),
                    "text_kind" => records::consents::TextKind::parse(word).is_ok(),
                    "factor_kind" => records::identity::FactorKind::parse(word).is_ok(),
                    "standing" => records::identity::roster::Standing::parse(word).is_ok(),
                    "invitation_state" => records::identity::roster::InvitationState::parse(word).is_ok(),
                    "invited_role" => visit::Role::parse(word)
                        .is_some_and(|role| records::identity::invitations::ROLES.contains(&role)),
                    "next_factor" => *word == "enrol" || records::identity::FactorKind::parse(word).is_ok(),
                    "lang" => records::outbox::Lang::parse(word).is_ok(),
                    "mail_state" => records::outbox::State::parse(word).is_ok(),
                    "mail_kind" => records::outbox::Kind::parse(word).is_ok(),
                    "patient_access" => matches!(*word, "care" | "emergency" | "closed"),
                    "review_state" => records::emergency::ReviewState::parse(word).is_ok(),
                    "finding" => records::emergency::Finding::parse(word).is_ok(),
                    "relationship" => records::guardians::Relationship::parse(word).is_ok(),
                    "guardian_scope" => records::guardians::Scope::parse(word).is_ok(),
                    "record_change" => records::patients::record::Change::parse(word).is_ok(),
                    "entry_change" => records::chart::Change::parse(word).is_ok(),
                    "allergies_known" => records::chart::allergies::Known::parse(word).is_ok(),
                    "writer" => matches!(*word, "staff" | "patient" | "system"),
                    "guest_role" => records::guests::GuestRole::parse(word).is_ok(),
                    "guest_state" => records::guests::GuestState::parse(word).is_ok(),
                    "role" => visit::Role::parse(word).is_some(),
                    other => panic!("{other} is not compared with anything"),
                };
                assert!(known, "{name}: {word}");
            }
        }
    }
}
