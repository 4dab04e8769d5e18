//! The lines as staff see them, beside the day's list. Names stand there; here are ids, places and what is ready.

use std::collections::BTreeMap;

use time::OffsetDateTime;
use uuid::Uuid;
use visit::{StaffId, VisitId};

use super::NO_SHOW_AFTER;
use super::lines::{Stand, read};
use super::said::{self, Announcement};
use super::words::{Network, PartWorks};
use crate::action::{Kind, ReadSchedule};
use crate::{Actor, Authorized, Error, Pending, Tx};

/// All lines that the asker may see.
pub struct Board {
    /// Today's visits that are not over, by start.
    pub items: Vec<BoardItem>,
    /// Everybody who treats.
    pub providers: Vec<BoardProvider>,
    /// What is said to those who wait.
    pub announcements: Vec<Announcement>,
}

/// One patient on the way in.
pub struct BoardItem {
    /// The visit.
    pub visit_id: VisitId,
    /// Its version: goes back with a deed.
    pub version: i32,
    /// With whom.
    pub provider_id: StaffId,
    /// Where they stand; `None` if they have not come yet.
    pub stand: Option<Stand>,
    /// Put on hold then.
    pub held_since: Option<OffsetDateTime>,
    /// Sent away then, with a new link.
    pub declined_at: Option<OffsetDateTime>,
    /// Moved here then, from another provider.
    pub moved_at: Option<OffsetDateTime>,
    /// Lines that the patient wrote and nobody has read.
    pub unread: i64,
    /// What is ready.
    pub ready: Ready,
    /// From then on, who has not come is suggested as not coming.
    pub no_show_from: OffsetDateTime,
}

/// What a patient has done on the way in.
pub struct Ready {
    /// Said where they are.
    pub location: bool,
    /// Agreed to the visit by video.
    pub consent: bool,
    /// What the device check found; `None` if it was not made.
    pub devices: Option<Devices>,
}

/// What a device check found.
pub struct Devices {
    /// The camera.
    pub camera: PartWorks,
    /// The microphone.
    pub microphone: PartWorks,
    /// The connection.
    pub network: Network,
}

/// Somebody who treats.
pub struct BoardProvider {
    /// Who.
    pub staff_id: StaffId,
    /// Their name.
    pub name: String,
    /// How late they are, minutes: said or learned.
    pub late_min: Option<u32>,
    /// It was said, and by whom it can be taken back.
    pub said: bool,
}

/// The lines, as far as the asker may see them: a provider's own and those of patients assigned to the asker; everybody's
/// for the other roles.
///
/// # Errors
/// The database can't be reached.
pub async fn board(tx: &mut Tx, may: &Authorized<ReadSchedule>) -> Result<Pending<Board>, Error> {
    tx.proved(may)?;
    let Actor::Staff { id: staff, clinic, .. } = tx.context().actor else {
        return Err(Error::Forbidden);
    };
    let now = tx.context().at;
    let only = (!tx.also(may, Kind::ReadWholeSchedule)).then_some(staff.0);
    let lines = read(tx).await?;
    let rows = sqlx::query!(
        r#"SELECT v.visit_id, v.queue_version, a.provider_id, a.starts_at, a.moved_at, v.held_since, v.declined_at,
                  (SELECT count(*) FROM waiting_message m WHERE m.visit_id = v.visit_id AND m.by_staff IS NULL
                   AND m.at > coalesce(v.chat_seen_at, '-infinity')) AS "unread!",
                  EXISTS (SELECT FROM visit_location l WHERE l.visit_id = v.visit_id) AS "location!",
                  EXISTS (SELECT FROM consent c WHERE c.visit_id = v.visit_id AND c.kind = 'telehealth_consent' AND c.decision = 'accepted') AS "consent!",
                  d.camera AS "camera?", d.microphone AS "microphone?", d.network AS "network?"
           FROM visit v JOIN appointment a USING (appointment_id)
           JOIN patient p ON p.patient_id = v.patient_id AND p.destroyed_at IS NULL
           LEFT JOIN device_check d ON d.visit_id = v.visit_id
           WHERE v.clinic_id = $1 AND a.state <> 'cancelled' AND v.state NOT IN ('ended', 'cancelled')
             AND a.starts_at BETWEEN $2::timestamptz - interval '1 day' AND $2::timestamptz + interval '1 day'
             AND ($3::uuid IS NULL OR a.provider_id = $3
                  OR EXISTS (SELECT FROM care_assignment c WHERE c.staff_id = $3 AND c.patient_id IN (SELECT patient_family(a.patient_id))
                             AND c.from_at <= $2 AND (c.until_at IS NULL OR c.until_at > $2)))
           ORDER BY a.starts_at, v.visit_id"#,
        clinic.0,
        now,
        only,
    )
    .fetch_all(tx.connection()?)
    .await?;
    let mut items = Vec::with_capacity(rows.len());
    for row in rows {
        let visit = VisitId(row.visit_id);
        let devices = match (row.camera, row.microphone, row.network) {
            (Some(camera), Some(microphone), Some(network)) => Some(Devices {
                camera: PartWorks::parse(&camera)?,
                microphone: PartWorks::parse(&microphone)?,
                network: Network::parse(&network)?,
            }),
            _ => None,
        };
        items.push(BoardItem {
            visit_id: visit,
            version: row.queue_version,
            provider_id: StaffId(row.provider_id),
            stand: lines.visits.get(&visit).copied(),
            held_since: row.held_since,
            declined_at: row.declined_at,
            moved_at: row.moved_at,
            unread: row.unread,
            ready: Ready { location: row.location, consent: row.consent, devices },
            no_show_from: row.starts_at + NO_SHOW_AFTER,
        });
    }
    let said: BTreeMap<Uuid, i32> = sqlx::query!(
        "SELECT staff_id, minutes FROM provider_delay WHERE clinic_id = $1 AND until_at > $2",
        clinic.0,
        now
    )
    .fetch_all(tx.connection()?)
    .await?
    .into_iter()
    .map(|row| (row.staff_id, row.minutes))
    .collect();
    let providers = sqlx::query!(
        "SELECT staff_id, name FROM staff WHERE clinic_id = $1 AND role = 'provider' AND active ORDER BY name, staff_id",
        clinic.0
    )
    .fetch_all(tx.connection()?)
    .await?
    .into_iter()
    .map(|row| BoardProvider {
        staff_id: StaffId(row.staff_id),
        name: row.name,
        late_min: lines.late_min.get(&StaffId(row.staff_id)).copied(),
        said: said.get(&row.staff_id).is_some_and(|minutes| *minutes > 0),
    })
    .collect();
    let announcements = said::current(tx, None).await?;
    Ok(Pending(Board { items, providers, announcements }))
}
