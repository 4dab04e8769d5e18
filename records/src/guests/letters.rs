//! What guests are told by mail: which clinic, when, as what, and where to come. Nothing about the patient.

use time::{OffsetDateTime, PrimitiveDateTime};
use visit::{PatientId, StaffId, VisitId};

use super::GuestRole;
use crate::join_links::CLOSES_AFTER;
use crate::outbox::{self, Kind, Lang, NewMessage};
use crate::{Error, Phi, Tx};

struct When {
    clinic: String,
    phone: String,
    provider: String,
    zone: String,
    local: PrimitiveDateTime,
    starts_at: OffsetDateTime,
}

impl When {
    async fn of(tx: &mut Tx, visit: VisitId) -> Result<Self, Error> {
        let row = sqlx::query!(
            r#"SELECT c.name AS clinic, c.phone, s.name AS provider, c.time_zone AS zone, a.starts_at,
                      a.starts_at AT TIME ZONE c.time_zone AS "local!: PrimitiveDateTime"
               FROM visit v JOIN appointment a USING (appointment_id) JOIN clinic c ON c.clinic_id = v.clinic_id
               JOIN staff s ON s.staff_id = a.provider_id WHERE v.visit_id = $1"#,
            visit.0,
        )
        .fetch_one(tx.connection()?)
        .await?;
        let (clinic, phone, provider, zone) = (row.clinic, row.phone, row.provider, row.zone);
        Ok(Self { clinic, phone, provider, zone, local: row.local, starts_at: row.starts_at })
    }

    fn time(&self, lang: Lang) -> String {
        format!("{} ({})", outbox::spoken(self.local, lang), self.zone)
    }
}

/// The link of a guest.
pub(super) async fn link(
    tx: &mut Tx,
    visit: VisitId,
    patient: PatientId,
    role: GuestRole,
    email: &Phi<String>,
    token: &str,
    lang: Lang,
) -> Result<(), Error> {
    let when = When::of(tx, visit).await?;
    let (When { clinic, phone, provider, .. }, time) = (&when, when.time(lang));
    let address = format!("{}/g/{token}", tx.records().base_url());
    let (subject, body) = match lang {
        Lang::En => {
            let what = match role {
                GuestRole::Interpreter => "to interpret in a video visit",
                GuestRole::Guardian => "to come along to a video visit",
                GuestRole::Specialist => "to give advice in a video visit",
            };
            (
                format!("{clinic} invites you to a video visit"),
                format!(
                    "{provider} of {clinic} asks you {what} on\n{time}.\n\nOpen this link up to 60 minutes before. You need no account and nothing to install:\n{address}\n\n\
                     The link is for you alone and for this visit only; please do not pass it on.\nQuestions? Call {clinic}: {phone}\n"
                ),
            )
        }
        Lang::Es => {
            let what = match role {
                GuestRole::Interpreter => "interpretar en una consulta por video",
                GuestRole::Guardian => "acompañar en una consulta por video",
                GuestRole::Specialist => "dar su opinión en una consulta por video",
            };
            (
                format!("{clinic} le invita a una consulta por video"),
                format!(
                    "{provider}, de {clinic}, le pide {what} el\n{time}.\n\nAbra este enlace hasta 60 minutos antes. No necesita cuenta ni instalar nada:\n{address}\n\n\
                     El enlace es solo para usted y solo para esta consulta; por favor no lo comparta.\n¿Preguntas? Llame a {clinic}: {phone}\n"
                ),
            )
        }
    };
    send(tx, patient, lang, email.clone(), subject, body, when.starts_at).await
}

/// A colleague is asked to come. In both languages: that of a member of staff is not on record.
pub(super) async fn colleague(tx: &mut Tx, visit: VisitId, patient: PatientId, staff: StaffId) -> Result<(), Error> {
    let when = When::of(tx, visit).await?;
    let email =
        sqlx::query_scalar!("SELECT email FROM staff WHERE staff_id = $1 AND clinic_id = current_clinic()", staff.0)
            .fetch_one(tx.connection()?)
            .await?;
    let provider = &when.provider;
    let address = format!("{}/app/visits/{visit}", tx.records().base_url());
    let body = format!(
        "{provider} asks you to join a video visit on\n{}.\n\nSign in and open it from your list of today, or here:\n{address}\n\n----\n\n\
         {provider} le pide unirse a una consulta por video el\n{}.\n\nInicie sesión y ábrala desde su lista de hoy, o aquí:\n{address}\n",
        when.time(Lang::En),
        when.time(Lang::Es),
    );
    let subject = "You are asked to join a visit / Le piden unirse a una consulta".to_owned();
    send(tx, patient, Lang::En, Phi::from(email), subject, body, when.starts_at).await
}

async fn send(
    tx: &mut Tx,
    patient: PatientId,
    lang: Lang,
    recipient: Phi<String>,
    subject: String,
    body: String,
    starts_at: OffsetDateTime,
) -> Result<(), Error> {
    let message = NewMessage {
        kind: Kind::GuestLink,
        patient: Some(patient),
        lang,
        recipient,
        subject: Phi::from(subject),
        body: Phi::from(body),
        calendar: None,
        expires_at: starts_at + CLOSES_AFTER,
    };
    outbox::enqueue(tx, &message).await?;
    Ok(())
}
