//! How good calls were: a sample per participant and direction every 5 s. No patient data but ids.

use time::OffsetDateTime;
use uuid::Uuid;
use visit::{ClinicId, Now, ParticipantId, Role, VisitId};

use crate::action::{Kind, ListQuality, ReadQuality};
use crate::facts::moment;
use crate::text_enum::text_enum;
use crate::{Actor, Authorized, Error, Pending, Records, RequestContext, Tx};

/// Visits on a page.
pub const PAGE: i64 = 50;

text_enum! {
    /// Which way.
    Direction {
        /// From the client to the server.
        Up = "up",
        /// From the server to the client.
        Down = "down",
    }
}

/// What was measured over 5 s. Absent: not known in that interval.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Measured {
    /// Milliseconds.
    pub round_trip_ms: Option<f32>,
    /// Share of packets lost, 0 to 1.
    pub loss: Option<f32>,
    /// Milliseconds.
    pub jitter_ms: Option<f32>,
    /// Bits per second.
    pub bitrate_bps: Option<i64>,
    /// Times the picture stood still.
    pub freezes: Option<i32>,
    /// Share of audio that was made up, 0 to 1.
    pub concealed_ratio: Option<f32>,
    /// Estimated mean opinion score, 1 to 4.5.
    pub mos: Option<f32>,
}

/// One sample to store.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Of which visit.
    pub visit: VisitId,
    /// Whose.
    pub participant: ParticipantId,
    /// Their role.
    pub role: Role,
    /// Which way.
    pub direction: Direction,
    /// End of the interval.
    pub at: Now,
    /// The numbers.
    pub measured: Measured,
}

/// One visit in the list.
#[derive(Debug, Clone, PartialEq)]
pub struct VisitQuality {
    /// Which.
    pub visit_id: VisitId,
    /// First let in.
    pub started_at: Option<OffsetDateTime>,
    /// Ended.
    pub ended_at: Option<OffsetDateTime>,
    /// With whom.
    pub provider_name: String,
    /// Means over the visit, both directions.
    pub participants: Vec<ParticipantQuality>,
    /// The lowest of the participants' means.
    pub worst_mos: Option<f32>,
}

/// Means of one participant over a visit.
#[derive(Debug, Clone, PartialEq)]
pub struct ParticipantQuality {
    /// Whose.
    pub participant_id: ParticipantId,
    /// Their role.
    pub role: Role,
    /// The means; `freezes` is the sum.
    pub mean: Measured,
}

/// One page of the list.
#[derive(Debug, Clone, PartialEq)]
pub struct QualityPage {
    /// Newest first.
    pub items: Vec<VisitQuality>,
    /// Hand this in for the next page; `None` on the last one.
    pub next_cursor: Option<String>,
}

/// One line of a plot.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Whose.
    pub participant_id: ParticipantId,
    /// Their role.
    pub role: Role,
    /// Which way.
    pub direction: Direction,
    /// In order of time.
    pub points: Vec<(OffsetDateTime, Measured)>,
}

/// Stores samples; one that is there already (same visit, participant, direction and time) is left as it is.
///
/// # Errors
/// The database can't be reached, or a visit is not of this clinic. Nothing is stored then.
pub async fn insert(records: &Records, clinic: ClinicId, samples: &[Sample]) -> Result<(), Error> {
    let Some(last) = samples.iter().map(|sample| sample.at).max() else {
        return Ok(());
    };
    let mut tx = records.begin(RequestContext::system("quality", clinic, moment(last)?)).await?;
    let at = samples.iter().map(|sample| moment(sample.at)).collect::<Result<Vec<_>, _>>()?;
    let column =
        |of: fn(&Measured) -> Option<f32>| samples.iter().map(|sample| of(&sample.measured)).collect::<Vec<_>>();
    sqlx::query!(
        "INSERT INTO quality_sample (clinic_id, visit_id, participant_id, direction, at, role, round_trip_ms, loss, jitter_ms, bitrate_bps, freezes,
                                     concealed_ratio, mos)
         SELECT $1, s.* FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::timestamptz[], $6::text[], $7::real[], $8::real[], $9::real[], $10::bigint[],
                                    $11::integer[], $12::real[], $13::real[]) s
         ON CONFLICT DO NOTHING",
        clinic.0,
        &samples.iter().map(|sample| sample.visit.0).collect::<Vec<_>>(),
        &samples.iter().map(|sample| sample.participant.0).collect::<Vec<_>>(),
        &samples.iter().map(|sample| sample.direction.as_str().to_owned()).collect::<Vec<_>>(),
        &at,
        &samples.iter().map(|sample| sample.role.as_str().to_owned()).collect::<Vec<_>>(),
        &column(|m| m.round_trip_ms) as &[Option<f32>],
        &column(|m| m.loss) as &[Option<f32>],
        &column(|m| m.jitter_ms) as &[Option<f32>],
        &samples.iter().map(|sample| sample.measured.bitrate_bps).collect::<Vec<_>>() as &[Option<i64>],
        &samples.iter().map(|sample| sample.measured.freezes).collect::<Vec<_>>() as &[Option<i32>],
        &column(|m| m.concealed_ratio) as &[Option<f32>],
        &column(|m| m.mos) as &[Option<f32>],
    )
    .execute(tx.connection()?)
    .await?;
    tx.commit(Pending(())).await
}

/// Visits with samples that were booked to start within `from..to`, newest first, [`PAGE`] at a time; a provider's or
/// nurse's own, all for the others.
///
/// # Errors
/// [`ListError::BadCursor`]; the database can't be reached.
pub async fn visits(
    tx: &mut Tx,
    may: &Authorized<ListQuality>,
    from: Option<OffsetDateTime>,
    to: Option<OffsetDateTime>,
    cursor: Option<&str>,
) -> Result<Pending<QualityPage>, ListError> {
    tx.proved(may)?;
    let Actor::Staff { id: staff, clinic, .. } = tx.context().actor else {
        return Err(Error::Forbidden.into());
    };
    let only = (!tx.also(may, Kind::ListAllQuality)).then_some(staff.0);
    let (before, before_id) = cursor.map(parse_cursor).transpose()?.unzip();
    let rows = sqlx::query!(
        r#"SELECT v.visit_id, v.started_at, v.ended_at, a.starts_at, s.name AS provider_name
           FROM visit v JOIN appointment a USING (appointment_id) JOIN staff s ON s.staff_id = a.provider_id
           WHERE v.clinic_id = $1
             AND EXISTS (SELECT FROM quality_sample q WHERE q.visit_id = v.visit_id)
             AND ($2::uuid IS NULL OR a.provider_id = $2 OR (EXISTS (SELECT FROM visit_participant t WHERE t.visit_id = v.visit_id AND t.staff_id = $2)
                      AND NOT EXISTS (SELECT FROM visit_guest g WHERE g.visit_id = v.visit_id AND g.staff_id = $2)))
             AND ($3::timestamptz IS NULL OR a.starts_at >= $3)
             AND ($4::timestamptz IS NULL OR a.starts_at < $4)
             AND ($5::timestamptz IS NULL OR (a.starts_at, v.visit_id) < ($5, $6::uuid))
           ORDER BY a.starts_at DESC, v.visit_id DESC LIMIT $7"#,
        clinic.0,
        only,
        from,
        to,
        before,
        before_id,
        PAGE + 1,
    )
    .fetch_all(tx.connection()?)
    .await
    .map_err(Error::from)?;
    let more = rows.len() > PAGE as usize;
    let shown = &rows[..rows.len().min(PAGE as usize)];
    let next_cursor = shown
        .last()
        .filter(|_| more)
        .map(|last| format!("{}_{}", last.starts_at.unix_timestamp_nanos(), last.visit_id));

    let ids: Vec<Uuid> = shown.iter().map(|row| row.visit_id).collect();
    let means = sqlx::query!(
        r#"SELECT visit_id, participant_id, min(role) AS "role!", avg(round_trip_ms)::real AS round_trip_ms, avg(loss)::real AS loss,
                  avg(jitter_ms)::real AS jitter_ms, avg(bitrate_bps)::bigint AS bitrate_bps, sum(freezes)::integer AS freezes,
                  avg(concealed_ratio)::real AS concealed_ratio, avg(mos)::real AS mos
           FROM quality_sample WHERE visit_id = ANY($1) GROUP BY visit_id, participant_id ORDER BY visit_id, min(at), participant_id"#,
        &ids,
    )
    .fetch_all(tx.connection()?)
    .await
    .map_err(Error::from)?;

    let mut items = Vec::with_capacity(shown.len());
    for row in shown {
        let mut participants = Vec::new();
        for mean in means.iter().filter(|mean| mean.visit_id == row.visit_id) {
            participants.push(ParticipantQuality {
                participant_id: ParticipantId(mean.participant_id),
                role: Role::parse(&mean.role).ok_or(Error::UnknownValue("quality_sample.role"))?,
                mean: Measured {
                    round_trip_ms: mean.round_trip_ms,
                    loss: mean.loss,
                    jitter_ms: mean.jitter_ms,
                    bitrate_bps: mean.bitrate_bps,
                    freezes: mean.freezes,
                    concealed_ratio: mean.concealed_ratio,
                    mos: mean.mos,
                },
            });
        }
        items.push(VisitQuality {
            visit_id: VisitId(row.visit_id),
            started_at: row.started_at,
            ended_at: row.ended_at,
            provider_name: row.provider_name.clone(),
            worst_mos: participants.iter().filter_map(|participant| participant.mean.mos).min_by(f32::total_cmp),
            participants,
        });
    }
    Ok(Pending(QualityPage { items, next_cursor }))
}

/// All samples of one visit.
///
/// # Errors
/// The database can't be reached.
pub async fn series(tx: &mut Tx, may: &Authorized<ReadQuality>) -> Result<Pending<Vec<Series>>, Error> {
    let visit = tx.proved(may)?.0;
    let rows = sqlx::query!(
        "SELECT participant_id, direction, role, at, round_trip_ms, loss, jitter_ms, bitrate_bps, freezes, concealed_ratio, mos
         FROM quality_sample WHERE visit_id = $1 ORDER BY participant_id, direction, at",
        visit.0,
    )
    .fetch_all(tx.connection()?)
    .await?;
    let mut all: Vec<Series> = Vec::new();
    for row in rows {
        let (participant_id, direction) = (ParticipantId(row.participant_id), Direction::parse(&row.direction)?);
        let measured = Measured {
            round_trip_ms: row.round_trip_ms,
            loss: row.loss,
            jitter_ms: row.jitter_ms,
            bitrate_bps: row.bitrate_bps,
            freezes: row.freezes,
            concealed_ratio: row.concealed_ratio,
            mos: row.mos,
        };
        match all.last_mut().filter(|last| (last.participant_id, last.direction) == (participant_id, direction)) {
            Some(series) => series.points.push((row.at, measured)),
            None => all.push(Series {
                participant_id,
                role: Role::parse(&row.role).ok_or(Error::UnknownValue("quality_sample.role"))?,
                direction,
                points: vec![(row.at, measured)],
            }),
        }
    }
    Ok(Pending(all))
}

fn parse_cursor(cursor: &str) -> Result<(OffsetDateTime, Uuid), ListError> {
    let parsed = || {
        let (at, id) = cursor.split_once('_')?;
        Some((OffsetDateTime::from_unix_timestamp_nanos(at.parse().ok()?).ok()?, Uuid::parse_str(id).ok()?))
    };
    parsed().ok_or(ListError::BadCursor)
}

/// A list was not made.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The cursor is not one that a list gave.
    #[error("this cursor is not one of ours; begin again without one")]
    BadCursor,
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}
