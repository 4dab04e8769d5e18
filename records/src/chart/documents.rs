//! What an entry of each list says. These are the forms that are sealed, and that the API takes and gives.

use serde::{Deserialize, Serialize};
use time::Date;
use utoipa::ToSchema;
use zeroize::Zeroize;

use super::values::{
    Invalid, birth_date, digits, filled, icd10, in_order, maybe, maybe_text, optional, partial, past, phone,
};

/// Enums of the documents: words in JSON.
macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident),* $(,)? })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, Zeroize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$vdoc])* $variant,)* }
    )*};
}
pub(crate) use words;

words! {
    /// Which insurance pays first.
    Order {
        /// Pays first.
        Primary,
        /// Pays what the first did not.
        Secondary,
        /// Pays last.
        Tertiary,
    }
    /// What the patient is to the subscriber's contract.
    Relation {
        /// The patient is the subscriber.
        Oneself,
        /// Husband or wife.
        Spouse,
        /// The patient is the subscriber's child.
        Child,
        /// The patient is the subscriber's parent.
        Parent,
        /// Anything else.
        Other,
    }
    /// How bad the reaction was.
    Severity {
        /// Bearable.
        Mild,
        /// In between.
        Moderate,
        /// Dangerous.
        Severe,
    }
    /// How bad the next reaction could be.
    Criticality {
        /// Not dangerous.
        Low,
        /// Could be life-threatening.
        High,
        /// Not known.
        UnableToAssess,
    }
    /// Whether an allergy is still there.
    AllergyStatus {
        /// Is.
        Active,
        /// Is no longer a risk.
        Inactive,
        /// Was shown to be over.
        Resolved,
    }
    /// How sure one is.
    Verification {
        /// Somebody said so.
        Unconfirmed,
        /// Was found out.
        Confirmed,
        /// Was disproved.
        Refuted,
    }
    /// Where a condition stands.
    ConditionStatus {
        /// There.
        Active,
        /// There again.
        Recurrence,
        /// Worse again.
        Relapse,
        /// Not there now.
        Inactive,
        /// Better, may return.
        Remission,
        /// Over.
        Resolved,
    }
    /// Whether a medication is taken.
    MedicationStatus {
        /// Is taken.
        Active,
        /// Was taken to its end.
        Completed,
        /// Was given up before its end.
        Stopped,
        /// Interrupted.
        OnHold,
        /// Is to be taken, not begun.
        Intended,
    }
}

/// One insurance.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, Zeroize)]
#[serde(deny_unknown_fields)]
pub struct Coverage {
    /// Who pays.
    pub payer: String,
    /// Name of the plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// The number on the card.
    pub member_id: String,
    /// The group's number on the card.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_number: Option<String>,
    /// Whose contract it is.
    pub subscriber: Subscriber,
    /// Which one pays first.
    pub order: Order,
    /// `YYYY-MM-DD`, or less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_on: Option<String>,
    /// `YYYY-MM-DD`, or less; absent while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_on: Option<String>,
    /// The payer's telephone, as on the card.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payer_phone: Option<String>,
}

/// Whose contract an insurance is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, Zeroize)]
#[serde(deny_unknown_fields)]
pub struct Subscriber {
    /// What the patient is to them.
    pub relation: Relation,
    /// Their name, unless it is the patient.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `YYYY-MM-DD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date_of_birth: Option<String>,
}

/// One allergy or intolerance.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, Zeroize)]
#[serde(deny_unknown_fields)]
pub struct Allergy {
    /// To what.
    pub substance: String,
    /// What happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reaction: Option<String>,
    /// How bad it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// How bad it could be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub criticality: Option<Criticality>,
    /// Whether it is still there.
    pub status: AllergyStatus,
    /// How sure one is.
    pub verification: Verification,
    /// `YYYY`, `YYYY-MM` or `YYYY-MM-DD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub onset: Option<String>,
    /// Anything else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// One problem or diagnosis.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, Zeroize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// In words.
    pub text: String,
    /// ICD-10-CM; the form is checked, not whether the code exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icd10: Option<String>,
    /// Where it stands.
    pub status: ConditionStatus,
    /// `YYYY`, `YYYY-MM` or `YYYY-MM-DD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub onset: Option<String>,
    /// When it ended; the same forms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub abatement: Option<String>,
    /// Anything else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// One medication that is, was or will be taken.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, Zeroize)]
#[serde(deny_unknown_fields)]
pub struct Medication {
    /// Name and strength, as on the box.
    pub name: String,
    /// RxNorm concept (RXCUI); the form is checked, not whether the code exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rxnorm: Option<String>,
    /// How much at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dose: Option<String>,
    /// Which way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// How often.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frequency: Option<String>,
    /// Whether it is taken.
    pub status: MedicationStatus,
    /// `YYYY`, `YYYY-MM` or `YYYY-MM-DD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_on: Option<String>,
    /// The same forms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stops_on: Option<String>,
    /// Who prescribed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prescriber: Option<String>,
    /// Anything else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// One immunisation that was given.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, Zeroize)]
#[serde(deny_unknown_fields)]
pub struct Immunization {
    /// Which.
    pub vaccine: String,
    /// CVX; the form is checked, not whether the code exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cvx: Option<String>,
    /// `YYYY`, `YYYY-MM` or `YYYY-MM-DD`.
    pub given_on: String,
    /// The lot's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lot: Option<String>,
    /// Where on the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// Anything else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// One operation or procedure that was done.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, Zeroize)]
#[serde(deny_unknown_fields)]
pub struct Procedure {
    /// What was done.
    pub procedure: String,
    /// `YYYY`, `YYYY-MM` or `YYYY-MM-DD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub performed_on: Option<String>,
    /// Anything else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// An entry of one of the clinical lists; `list` says which.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, Zeroize)]
#[serde(tag = "list", content = "entry", rename_all = "snake_case", deny_unknown_fields)]
pub enum Clinical {
    /// An allergy.
    Allergy(Allergy),
    /// A condition.
    Condition(Condition),
    /// A medication.
    Medication(Medication),
    /// An immunisation.
    Immunization(Immunization),
    /// An operation.
    Procedure(Procedure),
}

impl Coverage {
    pub(super) fn check(&mut self, today: Date) -> Result<(), Invalid> {
        filled("payer", &mut self.payer)?;
        maybe("plan", &mut self.plan)?;
        filled("member_id", &mut self.member_id)?;
        maybe("group_number", &mut self.group_number)?;
        maybe("subscriber.name", &mut self.subscriber.name)?;
        optional("subscriber.date_of_birth", &mut self.subscriber.date_of_birth, |field, text| {
            birth_date(field, text, today)
        })?;
        if self.subscriber.relation != Relation::Oneself && self.subscriber.name.is_none() {
            return Err(Invalid::new("subscriber.name", "name whose contract it is"));
        }
        optional("starts_on", &mut self.starts_on, partial)?;
        optional("ends_on", &mut self.ends_on, partial)?;
        in_order("ends_on", self.starts_on.as_deref(), self.ends_on.as_deref())?;
        optional("payer_phone", &mut self.payer_phone, phone)
    }
}

impl Clinical {
    pub(super) fn check(&mut self, today: Date) -> Result<(), Invalid> {
        let past = |field: &str, text: &mut String| past(field, text, today);
        match self {
            Self::Allergy(allergy) => {
                filled("substance", &mut allergy.substance)?;
                maybe("reaction", &mut allergy.reaction)?;
                optional("onset", &mut allergy.onset, past)?;
                maybe_text("note", &mut allergy.note)
            }
            Self::Condition(condition) => {
                filled("text", &mut condition.text)?;
                optional("icd10", &mut condition.icd10, icd10)?;
                optional("onset", &mut condition.onset, past)?;
                optional("abatement", &mut condition.abatement, past)?;
                in_order("abatement", condition.onset.as_deref(), condition.abatement.as_deref())?;
                let over = matches!(
                    condition.status,
                    ConditionStatus::Inactive | ConditionStatus::Remission | ConditionStatus::Resolved
                );
                if condition.abatement.is_some() && !over {
                    return Err(Invalid::new(
                        "abatement",
                        "a condition that has ended is inactive, in remission or resolved",
                    ));
                }
                maybe_text("note", &mut condition.note)
            }
            Self::Medication(medication) => {
                filled("name", &mut medication.name)?;
                optional("rxnorm", &mut medication.rxnorm, |field, text| {
                    digits(field, text, 8, "an RxNorm code: up to 8 digits")
                })?;
                maybe("dose", &mut medication.dose)?;
                maybe("route", &mut medication.route)?;
                maybe("frequency", &mut medication.frequency)?;
                optional("starts_on", &mut medication.starts_on, partial)?;
                optional("stops_on", &mut medication.stops_on, partial)?;
                in_order("stops_on", medication.starts_on.as_deref(), medication.stops_on.as_deref())?;
                maybe("prescriber", &mut medication.prescriber)?;
                maybe_text("note", &mut medication.note)
            }
            Self::Immunization(immunization) => {
                filled("vaccine", &mut immunization.vaccine)?;
                optional("cvx", &mut immunization.cvx, |field, text| {
                    digits(field, text, 3, "a CVX code: up to 3 digits")
                })?;
                past("given_on", &mut immunization.given_on)?;
                maybe("lot", &mut immunization.lot)?;
                maybe("site", &mut immunization.site)?;
                maybe_text("note", &mut immunization.note)
            }
            Self::Procedure(procedure) => {
                filled("procedure", &mut procedure.procedure)?;
                optional("performed_on", &mut procedure.performed_on, past)?;
                maybe_text("note", &mut procedure.note)
            }
        }
    }
}
