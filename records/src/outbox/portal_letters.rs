//! What is mailed when somebody gives a new address in the portal. It says nothing of whose record it is: a mistyped address
//! is a stranger's.

use time::Duration;
use visit::PatientId;

use super::letters::language_of;
use super::{Kind, Lang, NewMessage, enqueue};
use crate::{Error, Phi, Tx};

/// How long the notice to the former address is worth delivering.
const NOTICE_WORTH: Duration = Duration::days(3);

/// To the new address: the link that makes it count.
pub(crate) async fn confirm_email(
    tx: &mut Tx,
    patient: PatientId,
    address: &Phi<String>,
    token: &str,
) -> Result<(), Error> {
    let (clinic, lang) = (clinic(tx).await?, language_of(tx, patient).await?);
    // After the number sign: the token stays in the browser and stands in no server's log.
    let link = format!("{}/portal/email#{token}", tx.records().base_url());
    let (name, phone) = (&clinic.name, &clinic.phone);
    let (subject, body) = match lang {
        Lang::En => (
            format!("Confirm your email address for {name}"),
            format!(
                "Somebody gave this address as theirs at {name}. If it was you, open this link within 24 hours and press Continue there:\n{link}\n\n\
                 Until then nothing changes. If it was not you, do nothing.\nQuestions? Call {name}: {phone}\n"
            ),
        ),
        Lang::Es => (
            format!("Confirme su correo para {name}"),
            format!(
                "Alguien dio esta dirección como suya en {name}. Si fue usted, abra este enlace dentro de 24 horas y pulse Continuar:\n{link}\n\n\
                 Hasta entonces nada cambia. Si no fue usted, no haga nada.\n¿Preguntas? Llame a {name}: {phone}\n"
            ),
        ),
    };
    let expires = crate::portal::email::GOOD_FOR;
    send(tx, Kind::ConfirmEmail, patient, address, lang, subject, body, expires).await
}

/// To the address that counted so far: another one was given.
pub(crate) async fn email_changes(tx: &mut Tx, patient: PatientId, former: &Phi<String>) -> Result<(), Error> {
    let (clinic, lang) = (clinic(tx).await?, language_of(tx, patient).await?);
    let (name, phone) = (&clinic.name, &clinic.phone);
    let (subject, body) = match lang {
        Lang::En => (
            format!("Your email address at {name}"),
            format!(
                "Somebody who was signed in to your record at {name} changed which email address you are reached at. A new address counts only once it was confirmed from there.\n\n\
                 If it was not you or somebody who acts for you, call {name} at once: {phone}\n"
            ),
        ),
        Lang::Es => (
            format!("Su correo en {name}"),
            format!(
                "Alguien que había entrado a su expediente en {name} cambió el correo en el que se le contacta. Una dirección nueva solo cuenta cuando se confirma desde ella.\n\n\
                 Si no fue usted ni alguien que actúa por usted, llame a {name} de inmediato: {phone}\n"
            ),
        ),
    };
    send(tx, Kind::SecurityNotice, patient, former, lang, subject, body, NOTICE_WORTH).await
}

struct Clinic {
    name: String,
    phone: String,
}

async fn clinic(tx: &mut Tx) -> Result<Clinic, Error> {
    let row = sqlx::query_as!(Clinic, "SELECT name, phone FROM clinic WHERE clinic_id = current_clinic()")
        .fetch_one(tx.connection()?)
        .await?;
    Ok(row)
}

#[expect(clippy::too_many_arguments, reason = "the parts of one letter")]
async fn send(
    tx: &mut Tx,
    kind: Kind,
    patient: PatientId,
    to: &Phi<String>,
    lang: Lang,
    subject: String,
    body: String,
    worth: Duration,
) -> Result<(), Error> {
    let message = NewMessage {
        kind,
        patient: Some(patient),
        lang,
        recipient: to.clone(),
        subject: Phi::from(subject),
        body: Phi::from(body),
        calendar: None,
        expires_at: tx.context().at + worth,
    };
    enqueue(tx, &message).await?;
    Ok(())
}
