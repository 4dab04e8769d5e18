//! Who a patient is: the document that is sealed, and that the API takes and gives.

use serde::{Deserialize, Serialize};
use time::Date;
use utoipa::ToSchema;
use zeroize::Zeroize;

use crate::Phi;
use crate::chart::documents::words;
use crate::chart::values::{
    Invalid, birth_date, email, few, filled, language, line, maybe, maybe_text, optional, phone,
};

words! {
    /// As the birth certificate says it.
    SexAtBirth {
        /// Female.
        Female,
        /// Male.
        Male,
        /// Neither, or both.
        Intersex,
        /// Not known.
        Unknown,
    }
    /// Where a telephone or address is used.
    Use {
        /// At home.
        Home,
        /// In the pocket (telephones).
        Mobile,
        /// At work.
        Work,
        /// For letters, if it is another one (addresses).
        Mailing,
        /// For a while.
        Temporary,
    }
}

/// Everything that is known of who a patient is. Only the name and the date of birth are needed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, Zeroize)]
#[serde(deny_unknown_fields)]
pub struct Demographics {
    /// The legal name.
    pub name: PersonName,
    /// What to call them, if it is not the given name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred_name: Option<String>,
    /// Whole names they had before.
    #[serde(default)]
    pub former_names: Vec<String>,
    /// `YYYY-MM-DD`.
    #[schema(format = Date)]
    pub date_of_birth: String,
    /// Sex assigned at birth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sex_at_birth: Option<SexAtBirth>,
    /// In their own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gender_identity: Option<String>,
    /// In their own words, e.g. `she/her`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pronouns: Option<String>,
    /// Language tags (BCP 47), the preferred one first.
    #[serde(default)]
    pub languages: Vec<String>,
    /// Whether visits need an interpreter.
    #[serde(default)]
    pub interpreter_needed: bool,
    /// Telephones.
    #[serde(default)]
    pub phones: Vec<Phone>,
    /// E-mail addresses.
    #[serde(default)]
    pub emails: Vec<Email>,
    /// Postal addresses.
    #[serde(default)]
    pub addresses: Vec<Address>,
    /// IANA name, e.g. `America/Chicago`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// Whom to call, in this order.
    #[serde(default)]
    pub emergency_contacts: Vec<Contact>,
}

/// Where a patient is reached: what they keep themselves.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, Zeroize)]
#[serde(deny_unknown_fields)]
pub struct ContactDetails {
    /// Telephones.
    pub phones: Vec<Phone>,
    /// E-mail addresses.
    pub emails: Vec<Email>,
    /// Postal addresses.
    pub addresses: Vec<Address>,
}

/// A legal name. Who has one name only has it as `family`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, Zeroize)]
#[serde(deny_unknown_fields)]
pub struct PersonName {
    /// First name or names.
    #[serde(default)]
    pub given: String,
    /// Middle name or names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub middle: Option<String>,
    /// Last name or names.
    pub family: String,
    /// E.g. `Jr.`, `III`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suffix: Option<String>,
}

/// A telephone.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, Zeroize)]
#[serde(deny_unknown_fields)]
pub struct Phone {
    /// Kept in E.164, e.g. `+13125550142`; ten digits are taken as North American.
    pub number: String,
    /// Where.
    #[serde(rename = "use")]
    pub used: Use,
    /// Call this one first.
    #[serde(default)]
    pub preferred: bool,
}

/// An e-mail address.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, Zeroize)]
#[serde(deny_unknown_fields)]
pub struct Email {
    /// The address.
    pub address: String,
    /// Where.
    #[serde(rename = "use")]
    pub used: Use,
    /// Write to this one first.
    #[serde(default)]
    pub preferred: bool,
}

/// A postal address.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, Zeroize)]
#[serde(deny_unknown_fields)]
pub struct Address {
    /// For what.
    #[serde(rename = "use")]
    pub used: Use,
    /// Street, apartment; one or two.
    pub lines: Vec<String>,
    /// City.
    pub city: String,
    /// State or province.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Postal code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postal_code: Option<String>,
    /// Two letters (ISO 3166-1).
    pub country: String,
}

/// Somebody to call in an emergency.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, Zeroize)]
#[serde(deny_unknown_fields)]
pub struct Contact {
    /// Name.
    pub name: String,
    /// What they are to the patient, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relation: Option<String>,
    /// Telephone, kept in E.164.
    pub phone: String,
    /// Anything else, e.g. `after 6 pm`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Demographics {
    /// The least there can be: the last word of a whole name is taken as the family's.
    #[must_use]
    pub fn of(name: &str, date_of_birth: &str) -> Self {
        let (given, family) = name.trim().rsplit_once(char::is_whitespace).unwrap_or(("", name.trim()));
        Self {
            name: PersonName { given: given.trim().to_owned(), middle: None, family: family.to_owned(), suffix: None },
            preferred_name: None,
            former_names: Vec::new(),
            date_of_birth: date_of_birth.to_owned(),
            sex_at_birth: None,
            gender_identity: None,
            pronouns: None,
            languages: Vec::new(),
            interpreter_needed: false,
            phones: Vec::new(),
            emails: Vec::new(),
            addresses: Vec::new(),
            time_zone: None,
            emergency_contacts: Vec::new(),
        }
    }

    /// The same, reachable there.
    pub(crate) fn reachable(mut self, phone: Option<&Phi<String>>, email: Option<&Phi<String>>) -> Self {
        let phones = phone.map(|number| Phone { number: number.expose().clone(), used: Use::Home, preferred: false });
        self.phones.extend(phones);
        let emails = email.map(|one| Email { address: one.expose().clone(), used: Use::Home, preferred: false });
        self.emails.extend(emails);
        self
    }

    /// The name as lists and visits show it: given and family name with suffix.
    #[must_use]
    pub fn shown_name(&self) -> String {
        let parts = [Some(self.name.given.as_str()), Some(self.name.family.as_str()), self.name.suffix.as_deref()];
        parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
    }

    /// The telephone to call first.
    #[must_use]
    pub fn first_phone(&self) -> Option<&str> {
        self.phones.iter().find(|phone| phone.preferred).or(self.phones.first()).map(|phone| phone.number.as_str())
    }

    /// The address to write to first.
    #[must_use]
    pub fn first_email(&self) -> Option<&str> {
        self.emails.iter().find(|email| email.preferred).or(self.emails.first()).map(|email| email.address.as_str())
    }

    /// Brings every value into its form, or says which can't be kept.
    pub(crate) fn check(&mut self, today: Date) -> Result<(), Invalid> {
        line("name.given", &mut self.name.given)?;
        maybe("name.middle", &mut self.name.middle)?;
        filled("name.family", &mut self.name.family)?;
        maybe("name.suffix", &mut self.name.suffix)?;
        maybe("preferred_name", &mut self.preferred_name)?;
        each("former_names", &mut self.former_names, |field, name| filled(&field, name))?;
        birth_date("date_of_birth", &mut self.date_of_birth, today)?;
        maybe("gender_identity", &mut self.gender_identity)?;
        maybe("pronouns", &mut self.pronouns)?;
        each("languages", &mut self.languages, |field, tag| language(&field, tag))?;
        each("phones", &mut self.phones, |field, one| phone(&format!("{field}.number"), &mut one.number))?;
        at_most_one("phones", self.phones.iter().map(|one| one.preferred))?;
        each("emails", &mut self.emails, |field, one| email(&format!("{field}.address"), &mut one.address))?;
        at_most_one("emails", self.emails.iter().map(|one| one.preferred))?;
        each("addresses", &mut self.addresses, |field, one| one.check(&field))?;
        optional("time_zone", &mut self.time_zone, line)?;
        each("emergency_contacts", &mut self.emergency_contacts, |field, one| {
            filled(&format!("{field}.name"), &mut one.name)?;
            maybe(&format!("{field}.relation"), &mut one.relation)?;
            phone(&format!("{field}.phone"), &mut one.phone)?;
            maybe_text(&format!("{field}.note"), &mut one.note)
        })
    }
}

impl Address {
    fn check(&mut self, field: &str) -> Result<(), Invalid> {
        self.lines.retain(|line| !line.trim().is_empty());
        if !(1..=2).contains(&self.lines.len()) {
            return Err(Invalid::new(format!("{field}.lines"), "one or two lines"));
        }
        each(&format!("{field}.lines"), &mut self.lines, |field, text| line(&field, text))?;
        filled(&format!("{field}.city"), &mut self.city)?;
        maybe(&format!("{field}.region"), &mut self.region)?;
        maybe(&format!("{field}.postal_code"), &mut self.postal_code)?;
        let country = self.country.trim().to_ascii_uppercase();
        if country.len() != 2 || !country.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Err(Invalid::new(format!("{field}.country"), "two letters, e.g. US"));
        }
        self.country = country;
        Ok(())
    }
}

fn each<T>(
    field: &str,
    items: &mut [T],
    mut check: impl FnMut(String, &mut T) -> Result<(), Invalid>,
) -> Result<(), Invalid> {
    few(field, items)?;
    items.iter_mut().enumerate().try_for_each(|(n, item)| check(format!("{field}[{n}]"), item))
}

fn at_most_one(field: &str, preferred: impl Iterator<Item = bool>) -> Result<(), Invalid> {
    if preferred.filter(|one| *one).count() > 1 { Err(Invalid::new(field, "prefer only one of them")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::*;

    fn checked(change: impl FnOnce(&mut Demographics)) -> Result<Demographics, String> {
        let mut document = Demographics::of("Amara Okafor", "2001-01-09");
        change(&mut document);
        document.check(date!(2026 - 11 - 24)).map(|()| document).map_err(|invalid| invalid.field)
    }

    #[test]
    fn a_name_and_a_date_of_birth_are_enough_and_a_person_may_have_one_name() {
        assert!(checked(|_| ()).is_ok());
        let one = checked(|document| *document = Demographics::of("Sukarno", "1980-06-06")).ok().unwrap();
        assert_eq!((one.shown_name().as_str(), one.name.given.as_str()), ("Sukarno", ""));
        assert_eq!(checked(|document| document.name.family = " ".into()).err().as_deref(), Some("name.family"));
        assert_eq!(
            checked(|document| document.date_of_birth = "9.1.2001".into()).err().as_deref(),
            Some("date_of_birth")
        );
    }

    #[test]
    fn a_refusal_names_the_field_and_never_its_value() {
        let phone = |number: &str, preferred| Phone { number: number.into(), used: Use::Mobile, preferred };
        let two = checked(|document| document.phones = vec![phone("312 555 0142", false), phone("secret", false)]);
        assert_eq!(two.err().as_deref(), Some("phones[1].number"));
        let both = checked(|document| document.phones = vec![phone("3125550142", true), phone("3125550143", true)]);
        assert_eq!(both.err().as_deref(), Some("phones"));
        let many = checked(|document| document.former_names = vec!["x".into(); 21]);
        assert_eq!(many.err().as_deref(), Some("former_names"));
    }

    #[test]
    fn the_preferred_telephone_is_the_first_to_call() {
        let kept = checked(|document| {
            document.phones = vec![
                Phone { number: "(312) 555-0142".into(), used: Use::Home, preferred: false },
                Phone { number: "+52 55 1234 5678".into(), used: Use::Mobile, preferred: true },
            ];
        });
        assert_eq!(kept.ok().unwrap().first_phone(), Some("+525512345678"));
    }

    #[test]
    fn what_is_absent_is_not_written_and_what_is_unknown_is_refused() {
        let json = serde_json::to_value(Demographics::of("Amara Okafor", "2001-01-09")).unwrap();
        assert!(json.get("pronouns").is_none() && json["phones"].as_array().unwrap().is_empty());
        let mut planted = json.clone();
        planted["clinic_id"] = "x".into();
        assert!(serde_json::from_value::<Demographics>(planted).is_err());
        assert!(serde_json::from_value::<Demographics>(json).is_ok());
    }
}
