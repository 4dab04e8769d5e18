//! Where everybody of a clinic stands in line: numbers and times only, no patient's data.

use std::collections::BTreeMap;

use time::{Duration, OffsetDateTime};
use visit::queue::{ProviderDay, Standing, Wait, Waiter, late_min, stand};
use visit::{ClinicId, StaffId, VisitId};

use super::millis;
use crate::{Error, Pending, Records, RequestContext, Tx};

/// What is learned from: visits of so long. Not the calendar's day, which would make a clinic forget at midnight.
const DAY: Duration = Duration::hours(12);

/// All lines of a clinic at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lines {
    /// Everybody who checks in or waits.
    pub visits: BTreeMap<VisitId, Stand>,
    /// How late providers are, minutes.
    pub late_min: BTreeMap<StaffId, u32>,
}

/// Where one visit's patient stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stand {
    /// With whom.
    pub provider: StaffId,
    /// In line; `None` while checking in.
    pub standing: Option<Standing>,
    /// In the waiting room since.
    pub waiting_since: Option<OffsetDateTime>,
    /// Staff asked them to wait aside.
    pub held: bool,
    /// Changes with everything that is said to this patient; says nothing about what.
    pub words: i64,
}

/// All lines of `clinic` at `at`.
///
/// # Errors
/// The database can't be reached.
pub async fn lines(records: &Records, clinic: ClinicId, at: OffsetDateTime) -> Result<Lines, Error> {
    let mut tx = records.begin(RequestContext::system("queue", clinic, at)).await?;
    let lines = read(&mut tx).await?;
    tx.commit(Pending(lines)).await
}

/// The same within a transaction.
pub(super) async fn read(tx: &mut Tx) -> Result<Lines, Error> {
    let (clinic, at) = (tx.context().actor.clinic().0, tx.context().at);
    let rows = sqlx::query!(
        r#"SELECT v.visit_id, a.provider_id, a.starts_at, v.state, v.waiting_since, (v.held_since IS NOT NULL) AS "held!",
                  (v.queue_version
                   + (SELECT count(*) FROM waiting_message m WHERE m.visit_id = v.visit_id)
                   + (SELECT count(*) + count(n.ended_at) FROM announcement n
                      WHERE n.clinic_id = v.clinic_id AND n.until_at > $2 AND (n.provider_id IS NULL OR n.provider_id = a.provider_id)))::bigint AS "words!"
           FROM visit v JOIN appointment a USING (appointment_id)
           WHERE v.clinic_id = $1 AND v.state IN ('checking_in', 'waiting') AND a.state <> 'cancelled' AND a.starts_at > $2 - interval '1 day'"#,
        clinic,
        at,
    )
    .fetch_all(tx.connection()?)
    .await?;
    let visits = sqlx::query!(
        r#"SELECT a.provider_id, v.state, v.started_at AS "started_at!", v.ended_at
           FROM visit v JOIN appointment a USING (appointment_id)
           WHERE v.clinic_id = $1 AND v.started_at > $2 AND v.state IN ('in_visit', 'ended') ORDER BY v.started_at"#,
        clinic,
        at - DAY,
    )
    .fetch_all(tx.connection()?)
    .await?;
    let delays =
        sqlx::query!("SELECT staff_id, minutes FROM provider_delay WHERE clinic_id = $1 AND until_at > $2", clinic, at)
            .fetch_all(tx.connection()?)
            .await?;

    let mut days: BTreeMap<StaffId, ProviderDay> = BTreeMap::new();
    for row in visits {
        let day = days.entry(StaffId(row.provider_id)).or_default();
        match row.ended_at {
            Some(ended) => day.lengths_ms.push(millis(ended).0 - millis(row.started_at).0),
            None => day.in_visit_since = Some(millis(row.started_at)),
        }
    }
    for row in delays {
        days.entry(StaffId(row.staff_id)).or_default().said_late_min = u32::try_from(row.minutes).ok();
    }
    let waiters: Vec<Waiter> = rows
        .iter()
        .filter_map(|row| {
            Some(Waiter {
                visit: VisitId(row.visit_id),
                provider: StaffId(row.provider_id),
                since: millis(row.waiting_since?),
                starts_at: millis(row.starts_at),
                held: row.held,
            })
        })
        .collect();
    let now = millis(at);
    let standing: BTreeMap<VisitId, Standing> =
        stand(&waiters, &days, now).into_iter().map(|one| (one.visit, one)).collect();
    let mut lines = Lines::default();
    for provider in days.keys().copied().chain(waiters.iter().map(|one| one.provider)) {
        let none = ProviderDay::default();
        if let Some(late) = late_min(provider, &waiters, days.get(&provider).unwrap_or(&none), now) {
            lines.late_min.insert(provider, late);
        }
    }
    for row in rows {
        let visit = VisitId(row.visit_id);
        let stand = Stand {
            provider: StaffId(row.provider_id),
            standing: standing.get(&visit).copied(),
            waiting_since: row.waiting_since,
            held: row.held,
            words: row.words,
        };
        lines.visits.insert(visit, stand);
    }
    Ok(lines)
}

impl Stand {
    /// How long it may take, minutes; `None` if unknown.
    #[must_use]
    pub fn wait_min(&self) -> Option<(u32, u32)> {
        match self.standing?.wait {
            Wait::Unknown => None,
            Wait::Minutes { from, to } => Some((from, to)),
        }
    }
}
