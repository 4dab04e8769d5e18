//! What members of staff are told by mail, in English and in Spanish below it: their language is not on record.

use time::Duration;
use time::macros::format_description;
use visit::StaffId;

use crate::outbox::{Kind, Lang, NewMessage, enqueue};
use crate::{Error, Phi, Tx};

/// How long a notice is worth delivering.
const NOTICE_WORTH: Duration = Duration::days(3);
/// Characters of a browser's own description that a letter quotes.
const BROWSER_CHARS: usize = 120;

/// The same thing in both languages.
struct Letter {
    subject: &'static str,
    en: String,
    es: String,
}

/// An invitation's link.
pub(crate) async fn invitation(tx: &mut Tx, staff: StaffId, token: &str, worth: Duration) -> Result<(), Error> {
    let to = Reader::of(tx, staff).await?;
    let (name, clinic) = (&to.name, &to.clinic);
    let link = format!("{}/invitation/{token}", tx.records().base_url());
    let letter = Letter {
        subject: "Your Bedside account / Su cuenta de Bedside",
        en: format!(
            "Hello {name},\n\n{clinic} invites you to Bedside, where it holds its video visits. Open this link within 72 hours to choose a password and set up a second factor:\n\n{link}\n\nThe link works once and is for you alone. If you did not expect it, ignore this message."
        ),
        es: format!(
            "Hola, {name}:\n\n{clinic} le invita a Bedside, donde atiende por video. Abra este enlace en un plazo de 72 horas para elegir una contraseña y configurar un segundo factor:\n\n{link}\n\nEl enlace funciona una sola vez y es solo para usted. Si no lo esperaba, no haga nada."
        ),
    };
    send(tx, &to, Kind::Invitation, letter, worth).await
}

/// A link to a new password.
pub(crate) async fn password_reset(tx: &mut Tx, staff: StaffId, token: &str, worth: Duration) -> Result<(), Error> {
    let to = Reader::of(tx, staff).await?;
    let name = &to.name;
    let link = format!("{}/reset/{token}", tx.records().base_url());
    let letter = Letter {
        subject: "A new password for Bedside / Una contraseña nueva para Bedside",
        en: format!(
            "Hello {name},\n\nsomebody asked for a new password for your Bedside account. If it was you, open this link within 30 minutes:\n\n{link}\n\nYou still need your second factor to sign in. If it was not you, ignore this message: your password stays as it is."
        ),
        es: format!(
            "Hola, {name}:\n\nalguien pidió una contraseña nueva para su cuenta de Bedside. Si fue usted, abra este enlace en un plazo de 30 minutos:\n\n{link}\n\nPara iniciar sesión seguirá necesitando su segundo factor. Si no fue usted, no haga nada: su contraseña no cambia."
        ),
    };
    send(tx, &to, Kind::PasswordReset, letter, worth).await
}

/// A sign-in from a browser that was not known.
pub(crate) async fn new_device(tx: &mut Tx, staff: StaffId) -> Result<(), Error> {
    let origin = tx.context().origin.clone();
    let from = origin.address.map_or_else(|| "?".to_owned(), |address| address.to_string());
    let browser: String = origin.user_agent.unwrap_or_else(|| "?".to_owned()).chars().take(BROWSER_CHARS).collect();
    let at = spoken(tx);
    let en = format!(
        "your account was used to sign in from a browser that was not used before.\n\nWhen: {at}\nFrom: {from}\nBrowser: {browser}\n\nIf it was you, all is well. If not: change your password now, end that session on your account page, and tell your administrator."
    );
    let es = format!(
        "se inició sesión en su cuenta desde un navegador que no se había usado antes.\n\nCuándo: {at}\nDesde: {from}\nNavegador: {browser}\n\nSi fue usted, todo está bien. Si no: cambie su contraseña ahora, cierre esa sesión en la página de su cuenta y avise a su administrador."
    );
    notice(tx, staff, "New sign-in to Bedside / Nuevo inicio de sesión en Bedside", &en, &es).await
}

/// A recovery code was used.
pub(crate) async fn recovery_used(tx: &mut Tx, staff: StaffId, left: i64) -> Result<(), Error> {
    let at = spoken(tx);
    let en = format!(
        "a recovery code of your account was used on {at}. {left} are left. It asks for a new second factor; remove the lost one on your account page.\n\nIf it was not you, somebody has your password and your codes: tell your administrator at once."
    );
    let es = format!(
        "se usó un código de recuperación de su cuenta el {at}. Quedan {left}. Hace falta configurar un segundo factor nuevo; quite el perdido en la página de su cuenta.\n\nSi no fue usted, alguien tiene su contraseña y sus códigos: avise a su administrador de inmediato."
    );
    notice(tx, staff, "A recovery code was used / Se usó un código de recuperación", &en, &es).await
}

/// The password is another one now.
pub(crate) async fn password_changed(tx: &mut Tx, staff: StaffId) -> Result<(), Error> {
    let at = spoken(tx);
    let en = format!(
        "the password of your account was changed on {at}. All other sessions were ended.\n\nIf it was not you, tell your administrator at once."
    );
    let es = format!(
        "la contraseña de su cuenta se cambió el {at}. Se cerraron las demás sesiones.\n\nSi no fue usted, avise a su administrador de inmediato."
    );
    notice(tx, staff, "Your password was changed / Se cambió su contraseña", &en, &es).await
}

/// A second factor was added or removed, or there are new recovery codes.
pub(crate) async fn factors_changed(tx: &mut Tx, staff: StaffId) -> Result<(), Error> {
    let at = spoken(tx);
    let en = format!(
        "the second factors of your account were changed on {at}. Your account page shows which there are.\n\nIf it was not you, tell your administrator at once."
    );
    let es = format!(
        "los segundos factores de su cuenta se cambiaron el {at}. La página de su cuenta muestra cuáles hay.\n\nSi no fue usted, avise a su administrador de inmediato."
    );
    notice(tx, staff, "Your second factors were changed / Se cambiaron sus segundos factores", &en, &es).await
}

/// An administrator took all second factors away.
pub(crate) async fn factors_reset(tx: &mut Tx, staff: StaffId) -> Result<(), Error> {
    let at = spoken(tx);
    let en = format!(
        "an administrator of your clinic took all second factors and recovery codes of your account away on {at}, and ended all its sessions. Sign in with your password within 72 hours: you will be asked to set up a new second factor.\n\nIf you did not ask for this, tell your administrator at once, and choose a new password: until a new factor is set up, the password is all that keeps others out."
    );
    let es = format!(
        "una persona administradora de su clínica quitó todos los segundos factores y códigos de recuperación de su cuenta el {at} y cerró todas sus sesiones. Inicie sesión con su contraseña en un plazo de 72 horas: se le pedirá configurar un segundo factor nuevo.\n\nSi usted no lo pidió, avise a su administrador de inmediato y elija una contraseña nueva: hasta que haya un factor nuevo, solo la contraseña impide que entren otros."
    );
    notice(tx, staff, "Your second factors were reset / Se restablecieron sus segundos factores", &en, &es).await
}

async fn notice(tx: &mut Tx, staff: StaffId, subject: &'static str, en: &str, es: &str) -> Result<(), Error> {
    let to = Reader::of(tx, staff).await?;
    let letter =
        Letter { subject, en: format!("Hello {},\n\n{en}", to.name), es: format!("Hola, {}:\n\n{es}", to.name) };
    send(tx, &to, Kind::SecurityNotice, letter, NOTICE_WORTH).await
}

struct Reader {
    name: String,
    email: String,
    clinic: String,
}

impl Reader {
    async fn of(tx: &mut Tx, staff: StaffId) -> Result<Self, Error> {
        let row = sqlx::query!(
            "SELECT s.name, s.email, c.name AS clinic FROM staff s JOIN clinic c ON c.clinic_id = s.clinic_id
             WHERE s.staff_id = $1 AND s.clinic_id = current_clinic()",
            staff.0,
        )
        .fetch_optional(tx.connection()?)
        .await?
        .ok_or(Error::NotFound)?;
        Ok(Self { name: row.name, email: row.email, clinic: row.clinic })
    }
}

async fn send(tx: &mut Tx, to: &Reader, kind: Kind, letter: Letter, worth: Duration) -> Result<(), Error> {
    let message = NewMessage {
        kind,
        patient: None,
        lang: Lang::En,
        recipient: Phi::from(to.email.as_str()),
        subject: Phi::from(letter.subject),
        body: Phi::from(format!("{}\n\n----\n\n{}\n", letter.en, letter.es)),
        calendar: None,
        expires_at: tx.context().at + worth,
    };
    enqueue(tx, &message).await?;
    Ok(())
}

/// The time of the running request, in a form that needs no language.
fn spoken(tx: &Tx) -> String {
    let form = format_description!("[year]-[month]-[day] [hour]:[minute] UTC");
    tx.context().at.to_offset(time::UtcOffset::UTC).format(form).unwrap_or_default()
}
