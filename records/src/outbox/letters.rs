//! What the letters say. No more about a patient than the letter needs: which clinic, when, and the link.

use time::{Duration, PrimitiveDateTime};
use visit::{AppointmentId, PatientId};

use super::calendar::{self, Entry};
use super::{Kind, Lang, NewMessage, enqueue};
use crate::join_links::IssuedLink;
use crate::seal::Place;
use crate::{Error, Phi, Tx};

/// How long a mail about an appointment is worth sending after the appointment has ended.
const WORTH_AFTER: Duration = Duration::ZERO;

/// Mails the patient the link to a visit, with a calendar entry, if the clinic knows an address.
pub(crate) async fn visit_link(
    tx: &mut Tx,
    patient: PatientId,
    appointment: AppointmentId,
    link: &IssuedLink,
) -> Result<(), Error> {
    let row = sqlx::query!(
        r#"SELECT p.email, a.starts_at, a.ends_at, a.visit_type, c.name AS clinic, c.phone, c.time_zone,
                  a.starts_at AT TIME ZONE c.time_zone AS "local!: PrimitiveDateTime",
                  (SELECT count(*) FROM join_link l WHERE l.appointment_id = a.appointment_id) AS "links!"
           FROM appointment a JOIN patient p ON p.patient_id = a.patient_id JOIN clinic c ON c.clinic_id = a.clinic_id
           WHERE a.appointment_id = $1"#,
        appointment.0,
    )
    .fetch_one(tx.connection()?)
    .await?;
    let Some(email) = row.email else { return Ok(()) };
    let recipient = tx.patient_keys(patient).await?.open_text(Place::new("patient.email", patient.0), &email)?;
    let lang = language_of(tx, patient).await?;
    let address = format!("{}/v/{}", tx.records().base_url(), link.token);
    let words = Words {
        clinic: &row.clinic,
        phone: &row.phone,
        time: &format!("{} ({})", spoken(row.local, lang), row.time_zone),
        by: Meeting::parse(&row.visit_type)?,
        link: &address,
    };
    let host = tx.records().base_url().rsplit('/').next().unwrap_or("localhost").to_owned();
    let calendar = calendar::object(&Entry {
        uid: &format!("{}@{host}", appointment.0),
        sequence: row.links - 1,
        stamp: tx.context().at,
        starts_at: row.starts_at,
        ends_at: row.ends_at,
        summary: &words.subject(lang),
        description: &words.body(lang),
        location: if words.by == Meeting::Video { &address } else { &row.clinic },
    });
    let message = NewMessage {
        kind: Kind::VisitLink,
        patient: Some(patient),
        lang,
        recipient,
        subject: Phi::from(words.subject(lang)),
        body: Phi::from(words.body(lang)),
        calendar: Some(Phi::from(calendar)),
        expires_at: (row.ends_at + WORTH_AFTER).max(tx.context().at + Duration::hours(1)),
    };
    enqueue(tx, &message).await?;
    Ok(())
}

/// Mails a link that signs in to the portal. `several`: the address belongs to more than one person, so the letter has to say
/// whose link it is: the initials must do.
pub(crate) async fn portal_link(
    tx: &mut Tx,
    patient: Option<PatientId>,
    email: &Phi<String>,
    token: &str,
    lang: Lang,
    several: bool,
) -> Result<(), Error> {
    let id = tx.context().actor.clinic().0;
    let clinic =
        sqlx::query!("SELECT name, phone FROM clinic WHERE clinic_id = $1", id).fetch_one(tx.connection()?).await?;
    let whose = match patient.filter(|_| several) {
        Some(patient) => format!(" ({})", initials(tx, patient).await?),
        None => String::new(),
    };
    // After the number sign: the token stays in the browser and stands in no server's log.
    let address = format!("{}/portal/in#{token}", tx.records().base_url());
    let (name, phone) = (&clinic.name, &clinic.phone);
    let (subject, body) = match lang {
        Lang::En => (
            format!("Sign in to {name}{whose}"),
            format!(
                "Open this link within 15 minutes to sign in to your record at {name}{whose}, and press Continue there:\n{address}\n\n\
                 It works once. If you did not ask for it, do nothing: nobody is signed in.\nQuestions? Call {name}: {phone}\n"
            ),
        ),
        Lang::Es => (
            format!("Entre a {name}{whose}"),
            format!(
                "Abra este enlace dentro de 15 minutos para entrar a su expediente en {name}{whose}, y pulse Continuar:\n{address}\n\n\
                 Sirve una sola vez. Si usted no lo pidió, no haga nada: nadie ha entrado.\n¿Preguntas? Llame a {name}: {phone}\n"
            ),
        ),
    };
    let message = NewMessage {
        kind: Kind::PortalLink,
        patient,
        lang,
        recipient: email.clone(),
        subject: Phi::from(subject),
        body: Phi::from(body),
        calendar: None,
        expires_at: tx.context().at + crate::portal::links::GOOD_FOR,
    };
    enqueue(tx, &message).await?;
    Ok(())
}

async fn initials(tx: &mut Tx, patient: PatientId) -> Result<String, Error> {
    let sealed = sqlx::query_scalar!(
        "SELECT name FROM patient WHERE patient_id = $1 AND clinic_id = current_clinic()",
        patient.0
    )
    .fetch_one(tx.connection()?)
    .await?;
    let name = tx.patient_keys(patient).await?.open_text(Place::new("patient.name", patient.0), &sealed)?;
    Ok(name
        .expose()
        .split_whitespace()
        .filter_map(|word| word.chars().next())
        .map(|letter| format!("{letter}."))
        .collect())
}

/// The language that the patient reads: that of the latest consent, else English.
pub(crate) async fn language_of(tx: &mut Tx, patient: PatientId) -> Result<Lang, Error> {
    let lang = sqlx::query_scalar!(
        "SELECT lang FROM consent WHERE patient_id = $1 AND clinic_id = current_clinic() ORDER BY at DESC LIMIT 1",
        patient.0
    )
    .fetch_optional(tx.connection()?)
    .await?;
    Ok(lang.and_then(|lang| Lang::parse(&lang).ok()).unwrap_or(Lang::En))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Meeting {
    Video,
    Phone,
    InPerson,
}

impl Meeting {
    fn parse(text: &str) -> Result<Self, Error> {
        match text {
            "video" => Ok(Self::Video),
            "phone" => Ok(Self::Phone),
            "in_person" => Ok(Self::InPerson),
            _ => Err(Error::UnknownValue("appointment.visit_type")),
        }
    }
}

struct Words<'a> {
    clinic: &'a str,
    phone: &'a str,
    time: &'a str,
    by: Meeting,
    link: &'a str,
}

impl Words<'_> {
    fn subject(&self, lang: Lang) -> String {
        match lang {
            Lang::En => format!("Your appointment with {}", self.clinic),
            Lang::Es => format!("Su cita con {}", self.clinic),
        }
    }

    fn body(&self, lang: Lang) -> String {
        let Self { clinic, phone, time, link, .. } = self;
        match (lang, self.by) {
            (Lang::En, Meeting::Video) => format!(
                "Your video visit with {clinic} is on\n{time}.\n\nOpen this link up to 60 minutes before. You need no account and nothing to install:\n{link}\n\n\
                 The link is for you alone; please do not pass it on.\nQuestions, or another time? Call {clinic}: {phone}\n"
            ),
            (Lang::En, Meeting::Phone) => format!(
                "Your telephone visit with {clinic} is on\n{time}.\n\nThe clinic will call you.\nQuestions, or another time? Call {clinic}: {phone}\n"
            ),
            (Lang::En, Meeting::InPerson) => format!(
                "Your appointment at {clinic} is on\n{time}.\n\nQuestions, or another time? Call {clinic}: {phone}\n"
            ),
            (Lang::Es, Meeting::Video) => format!(
                "Su visita por video con {clinic} es el\n{time}.\n\nAbra este enlace hasta 60 minutos antes. No necesita cuenta ni instalar nada:\n{link}\n\n\
                 El enlace es solo para usted; por favor no lo comparta.\n¿Preguntas, u otra hora? Llame a {clinic}: {phone}\n"
            ),
            (Lang::Es, Meeting::Phone) => format!(
                "Su visita por teléfono con {clinic} es el\n{time}.\n\nLa clínica le llamará.\n¿Preguntas, u otra hora? Llame a {clinic}: {phone}\n"
            ),
            (Lang::Es, Meeting::InPerson) => {
                format!("Su cita en {clinic} es el\n{time}.\n\n¿Preguntas, u otra hora? Llame a {clinic}: {phone}\n")
            }
        }
    }
}

/// A date and time as people of this language write it.
pub(crate) fn spoken(at: PrimitiveDateTime, lang: Lang) -> String {
    let (day, month, year) = (at.day(), usize::from(u8::from(at.month())) - 1, at.year());
    let weekday = usize::from(at.weekday().number_days_from_monday());
    match lang {
        Lang::En => {
            let (half, hour) = (if at.hour() < 12 { "AM" } else { "PM" }, (at.hour() + 11) % 12 + 1);
            format!("{}, {} {day}, {year}, {hour}:{:02} {half}", WEEKDAYS_EN[weekday], MONTHS_EN[month], at.minute())
        }
        Lang::Es => format!(
            "{} {day} de {} de {year}, {}:{:02}",
            WEEKDAYS_ES[weekday],
            MONTHS_ES[month],
            at.hour(),
            at.minute()
        ),
    }
}

const WEEKDAYS_EN: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const WEEKDAYS_ES: [&str; 7] = ["lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"];
const MONTHS_EN: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const MONTHS_ES: [&str; 12] = [
    "enero",
    "febrero",
    "marzo",
    "abril",
    "mayo",
    "junio",
    "julio",
    "agosto",
    "septiembre",
    "octubre",
    "noviembre",
    "diciembre",
];

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn times_are_written_as_people_read_them() {
        assert_eq!(spoken(datetime!(2026-11-24 00:05), Lang::En), "Tuesday, November 24, 2026, 12:05 AM");
        assert_eq!(spoken(datetime!(2026-11-29 12:30), Lang::En), "Sunday, November 29, 2026, 12:30 PM");
        assert_eq!(spoken(datetime!(2026-01-05 15:00), Lang::Es), "lunes 5 de enero de 2026, 15:00");
    }
}
