//! The patient's side: what is said to them while they wait, and what their device check found.

use time::OffsetDateTime;
use visit::StaffId;

use super::chat::{Message, messages};
use super::said::{self, Announcement};
use crate::action::{CheckIn, Resource};
use crate::audit::Entry;
use crate::seal::Place;
use crate::text_enum::text_enum;
use crate::{Authorized, Error, Pending, Phi, Tx};

/// Everything that is said to one who waits.
pub struct WaitingWords {
    /// With whom, by now.
    pub provider_name: String,
    /// Another provider's before; `None` if they were not moved.
    pub moved_from: Option<String>,
    /// What was said with the hold; `None` if they are not on hold.
    pub hold: Option<Phi<String>>,
    /// To all who wait, newest first.
    pub announcements: Vec<Announcement>,
    /// To and from this patient, in order.
    pub messages: Vec<Message>,
}

text_enum! {
    /// Whether a device works.
    PartWorks {
        /// It does.
        Works = "works",
        /// It was not found, or may not be used.
        Failed = "failed",
    }
}

text_enum! {
    /// How good the connection to the clinic is.
    Network {
        /// Good enough for video.
        Good = "good",
        /// Video will suffer.
        Weak = "weak",
        /// Even voices will.
        Bad = "bad",
        /// It was not measured.
        Unknown = "unknown",
    }
}

/// What a device check measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NetworkFound {
    /// Round trip, milliseconds.
    pub round_trip_ms: Option<f32>,
    /// Part of packets lost, 0 to 1.
    pub loss: Option<f32>,
    /// Towards the clinic, kilobits a second.
    pub up_kbps: Option<i32>,
    /// From the clinic.
    pub down_kbps: Option<i32>,
}

/// What a device check found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DeviceReport {
    /// The camera.
    pub camera: PartWorks,
    /// The microphone.
    pub microphone: PartWorks,
    /// The connection, in a word,
    pub network: Network,
    /// and in numbers.
    pub found: NetworkFound,
}

/// What is said to the patient now.
///
/// # Errors
/// The database can't be reached, or words do not open.
pub async fn patient_words(tx: &mut Tx, may: &Authorized<CheckIn>) -> Result<Pending<WaitingWords>, Error> {
    let (visit, patient) = (tx.proved(may)?.0, may.patient().ok_or(Error::NotFound)?);
    let row = sqlx::query!(
        r#"SELECT a.provider_id, s.name AS provider_name, f.name AS "moved_from?", v.hold_words
           FROM visit v JOIN appointment a USING (appointment_id) JOIN staff s ON s.staff_id = a.provider_id
           LEFT JOIN staff f ON f.staff_id = a.moved_from
           WHERE v.visit_id = $1"#,
        visit.0,
    )
    .fetch_one(tx.connection()?)
    .await?;
    let hold = match row.hold_words {
        Some(sealed) => {
            let keys = tx.patient_keys(patient).await?;
            Some(keys.open_text(Place::new("visit.hold_words", visit.0), &sealed)?)
        }
        None => None,
    };
    let announcements = said::current(tx, Some(StaffId(row.provider_id))).await?;
    let messages = messages(tx, visit).await?;
    Ok(Pending(WaitingWords {
        provider_name: row.provider_name,
        moved_from: row.moved_from,
        hold,
        announcements,
        messages,
    }))
}

/// Stores what the device check found, for this visit; replaces what was found before.
///
/// # Errors
/// The database can't be reached.
pub async fn report_devices(
    tx: &mut Tx,
    may: &Authorized<CheckIn>,
    report: &DeviceReport,
) -> Result<Pending<OffsetDateTime>, Error> {
    let visit = tx.proved(may)?.0;
    let (clinic, at) = (tx.context().actor.clinic().0, tx.context().at);
    sqlx::query!(
        "INSERT INTO device_check (visit_id, clinic_id, camera, microphone, network, round_trip_ms, loss, up_kbps, down_kbps, at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         ON CONFLICT (visit_id) DO UPDATE SET camera = $3, microphone = $4, network = $5, round_trip_ms = $6, loss = $7, up_kbps = $8,
             down_kbps = $9, at = $10",
        visit.0,
        clinic,
        report.camera.as_str(),
        report.microphone.as_str(),
        report.network.as_str(),
        report.found.round_trip_ms,
        report.found.loss,
        report.found.up_kbps,
        report.found.down_kbps,
        at,
    )
    .execute(tx.connection()?)
    .await?;
    tx.logged_as(Entry { patient: may.patient(), ..Entry::new("devices.checked", Resource::Visit(visit)) });
    Ok(Pending(at))
}
