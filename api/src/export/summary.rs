//! What people read: the summary of the record, and each signed note.

use std::io;

use records::chart::allergies::Known;
use records::chart::{Clinical, Entry};
use records::patients::export::Everything;
use serde::Serialize;

use super::fhir::instant;
use super::pdf::Sheet;
use super::texts::Lang;

/// `summary.pdf`: who, what counts and what did, visits, recordings. What was entered in error is left out.
pub(super) fn summary(everything: &Everything, lang: Lang) -> io::Result<Vec<u8>> {
    let mut sheet = Sheet::new(lang.say("summary"), lang.tag())?;
    sheet.paragraph(&format!("{} · {}", everything.clinic.name, everything.clinic.phone))?;
    person(&mut sheet, everything, lang)?;
    sheet.section(lang.say("allergies"))?;
    match everything.allergies.known {
        Known::NotAsked => sheet.paragraph(lang.say("not_asked"))?,
        Known::None => sheet.paragraph(lang.say("none_known"))?,
        Known::Listed => (),
    }
    for (list, title) in [
        (List::Allergy, ""),
        (List::Medication, lang.say("medications")),
        (List::Condition, lang.say("conditions")),
        (List::Immunization, lang.say("immunizations")),
        (List::Procedure, lang.say("procedures")),
    ] {
        if !title.is_empty() {
            sheet.section(title)?;
        }
        clinical(&mut sheet, everything, list, lang)?;
    }
    insurance(&mut sheet, everything, lang)?;
    visits(&mut sheet, everything, lang)?;
    sheet.finish(&footer(everything, lang))
}

/// One signed note with its addenda.
pub(super) fn note(everything: &Everything, nth: usize, lang: Lang) -> io::Result<Vec<u8>> {
    let (visit, by, note) = &everything.notes[nth];
    let mut sheet = Sheet::new(lang.say("note"), lang.tag())?;
    let who = everything.record.demographics.expose();
    sheet.row(lang.say("name"), &who.shown_name())?;
    sheet.row(lang.say("born"), &who.date_of_birth)?;
    sheet.row(lang.say("mrn"), everything.record.mrn.expose())?;
    if let Some(visit) = everything.visits.iter().find(|one| one.visit_id == *visit) {
        sheet.row(lang.say("visit"), &time(visit.starts_at))?;
        sheet.row(lang.say("provider"), &visit.provider)?;
        sheet.row(lang.say("reason"), visit.reason.expose())?;
    }
    let signed = note.signed_at.map(time).unwrap_or_default();
    sheet.row(lang.say("signed"), &format!("{signed}, {}", by.expose()))?;
    sheet.section(lang.say("note"))?;
    sheet.paragraph(note.body.expose())?;
    for addendum in &note.addenda {
        sheet.section(lang.say("addendum"))?;
        sheet.paragraph(&format!("{}, {}", time(addendum.at), addendum.author))?;
        sheet.paragraph(addendum.body.expose())?;
    }
    sheet.finish(&footer(everything, lang))
}

fn footer(everything: &Everything, lang: Lang) -> String {
    let who = everything.record.demographics.expose();
    format!(
        "{} · {} · {} {}",
        who.shown_name(),
        everything.record.mrn.expose(),
        lang.say("exported"),
        time(everything.at)
    )
}

/// `2026-11-24 14:05 UTC`
fn time(at: ::time::OffsetDateTime) -> String {
    let text = instant(at.to_offset(::time::UtcOffset::UTC));
    format!("{} UTC", text[..16].replace('T', " "))
}

fn person(sheet: &mut Sheet, everything: &Everything, lang: Lang) -> io::Result<()> {
    let who = everything.record.demographics.expose();
    let joined = |texts: Vec<String>| texts.join("\n");
    let name = [Some(&who.name.given), who.name.middle.as_ref(), Some(&who.name.family), who.name.suffix.as_ref()];
    sheet.section(lang.say("person"))?;
    sheet.row(lang.say("name"), &parts(&name.into_iter().flatten().map(String::as_str).collect::<Vec<_>>(), " "))?;
    sheet.row(lang.say("preferred"), who.preferred_name.as_deref().unwrap_or_default())?;
    sheet.row(lang.say("former"), &joined(who.former_names.clone()))?;
    sheet.row(lang.say("born"), &who.date_of_birth)?;
    sheet.row(lang.say("mrn"), everything.record.mrn.expose())?;
    let others = everything.record.aliases.iter().map(|alias| alias.mrn.expose().clone()).collect();
    sheet.row(lang.say("other_mrn"), &joined(others))?;
    sheet.row(lang.say("sex"), &who.sex_at_birth.map(|sex| word(sex, lang)).unwrap_or_default())?;
    sheet.row(lang.say("gender"), who.gender_identity.as_deref().unwrap_or_default())?;
    sheet.row(lang.say("pronouns"), who.pronouns.as_deref().unwrap_or_default())?;
    sheet.row(lang.say("languages"), &who.languages.join(", "))?;
    sheet.row(lang.say("interpreter"), if who.interpreter_needed { lang.say("interpreter_needed") } else { "" })?;
    sheet.row(lang.say("phones"), &joined(who.phones.iter().map(|one| one.number.clone()).collect()))?;
    sheet.row(lang.say("emails"), &joined(who.emails.iter().map(|one| one.address.clone()).collect()))?;
    let addresses = who.addresses.iter().map(|one| {
        let place =
            parts(&[one.region.as_deref().unwrap_or_default(), one.postal_code.as_deref().unwrap_or_default()], " ");
        parts(&[&one.lines.join(", "), &one.city, &place, &one.country], ", ")
    });
    sheet.row(lang.say("addresses"), &joined(addresses.collect()))?;
    let contacts = who.emergency_contacts.iter().map(|one| {
        parts(
            &[
                &one.name,
                one.relation.as_deref().unwrap_or_default(),
                &one.phone,
                one.note.as_deref().unwrap_or_default(),
            ],
            ", ",
        )
    });
    sheet.row(lang.say("contacts"), &joined(contacts.collect()))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum List {
    Allergy,
    Medication,
    Condition,
    Immunization,
    Procedure,
}

/// The list, the name and the rest of an entry.
fn told(entry: &Entry<Clinical>, lang: Lang) -> (List, String, String) {
    let said = |text: &Option<String>| text.clone().unwrap_or_default();
    let with = |name: &'static str, text: &Option<String>| {
        text.as_ref().map(|text| format!("{} {text}", lang.say(name))).unwrap_or_default()
    };
    match entry.document.expose() {
        Clinical::Allergy(one) => {
            let severity = one.severity.map(|severity| word(severity, lang)).unwrap_or_default();
            let criticality = one.criticality.map(|criticality| word(criticality, lang)).unwrap_or_default();
            let (status, sure) = (word(one.status, lang), word(one.verification, lang));
            let rest = parts(
                &[
                    &said(&one.reaction),
                    &severity,
                    &criticality,
                    &status,
                    &sure,
                    &with("since", &one.onset),
                    &said(&one.note),
                ],
                ", ",
            );
            (List::Allergy, one.substance.clone(), rest)
        }
        Clinical::Condition(one) => {
            let code = one.icd10.as_ref().map(|code| format!("ICD-10-CM {code}")).unwrap_or_default();
            let rest = parts(
                &[
                    &word(one.status, lang),
                    &code,
                    &with("since", &one.onset),
                    &with("until", &one.abatement),
                    &said(&one.note),
                ],
                ", ",
            );
            (List::Condition, one.text.clone(), rest)
        }
        Clinical::Medication(one) => {
            let rest = parts(
                &[
                    &said(&one.dose),
                    &said(&one.route),
                    &said(&one.frequency),
                    &word(one.status, lang),
                    &with("since", &one.starts_on),
                    &with("until", &one.stops_on),
                    &with("by", &one.prescriber),
                    &said(&one.note),
                ],
                ", ",
            );
            (List::Medication, one.name.clone(), rest)
        }
        Clinical::Immunization(one) => {
            let rest = parts(&[&one.given_on, &with("lot", &one.lot), &said(&one.site), &said(&one.note)], ", ");
            (List::Immunization, one.vaccine.clone(), rest)
        }
        Clinical::Procedure(one) => {
            (List::Procedure, one.procedure.clone(), parts(&[&said(&one.performed_on), &said(&one.note)], ", "))
        }
    }
}

fn clinical(sheet: &mut Sheet, everything: &Everything, list: List, lang: Lang) -> io::Result<()> {
    let told = everything.clinical.iter().filter(|entry| !entry.entered_in_error).map(|entry| told(entry, lang));
    let mut any = false;
    for (_, name, rest) in told.filter(|(of, ..)| *of == list) {
        sheet.strong(&name)?;
        sheet.paragraph(&rest)?;
        any = true;
    }
    if any || list == List::Allergy { Ok(()) } else { sheet.paragraph(lang.say("nothing")) }
}

fn insurance(sheet: &mut Sheet, everything: &Everything, lang: Lang) -> io::Result<()> {
    sheet.section(lang.say("insurance"))?;
    let mut any = false;
    for entry in everything.coverages.iter().filter(|entry| !entry.entered_in_error) {
        let one = entry.document.expose();
        let member = format!("{} {}", lang.say("member"), one.member_id);
        let group = one.group_number.as_ref().map(|group| format!("{} {group}", lang.say("group"))).unwrap_or_default();
        let since = one.starts_on.as_ref().map(|day| format!("{} {day}", lang.say("since"))).unwrap_or_default();
        let until = one.ends_on.as_ref().map(|day| format!("{} {day}", lang.say("until"))).unwrap_or_default();
        sheet.strong(&parts(&[&one.payer, one.plan.as_deref().unwrap_or_default()], ", "))?;
        sheet.paragraph(&parts(&[&word(one.order, lang), &member, &group, &since, &until], ", "))?;
        any = true;
    }
    if any { Ok(()) } else { sheet.paragraph(lang.say("nothing")) }
}

fn visits(sheet: &mut Sheet, everything: &Everything, lang: Lang) -> io::Result<()> {
    sheet.section(lang.say("visits"))?;
    for visit in &everything.visits {
        let state = if visit.appointment_state == "cancelled" { &visit.appointment_state } else { &visit.state };
        let text =
            parts(&[&visit.provider, &lang.word(&visit.visit_type), &lang.word(state), visit.reason.expose()], ", ");
        sheet.row(&time(visit.starts_at), &text)?;
    }
    if everything.visits.is_empty() {
        sheet.paragraph(lang.say("nothing"))?;
    }
    sheet.section(lang.say("recordings"))?;
    for recording in &everything.recordings {
        let length =
            recording.duration_ms.map(|ms| format!("{}:{:02}", ms / 60_000, ms / 1_000 % 60)).unwrap_or_default();
        sheet.row(&time(recording.started_at), &parts(&[&lang.word(&recording.state), &length], ", "))?;
    }
    if everything.recordings.is_empty() { sheet.paragraph(lang.say("nothing")) } else { Ok(()) }
}

/// Those that say something.
fn parts(texts: &[&str], between: &str) -> String {
    texts.iter().copied().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(between)
}

/// A form's word as the pages write it.
fn word(value: impl Serialize, lang: Lang) -> String {
    let value = serde_json::to_value(value).ok();
    lang.word(value.as_ref().and_then(|value| value.as_str()).unwrap_or_default())
}
