//! The lines of an export, to write and to read. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::canonical::{self, BadTuple, Tuple, Value};
use super::leaves::{Key, Leaf};

/// Version of the format.
pub const FORMAT: u32 = 1;

/// What the last line's signature is over.
pub fn signed(sum: &str) -> Vec<u8> {
    format!("bedside.audit.export\n{sum}\n").into_bytes()
}

/// One row. The columns in their order; `detail` is the text of the JSON, `detail_sealed` base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    #[serde(rename = "type")]
    kind: RowKind,
    #[serde(with = "as_text")]
    xid: u64,
    seq: i64,
    at: String,
    pub clinic_id: Option<Uuid>,
    actor_kind: String,
    actor_id: Option<Uuid>,
    actor_role: String,
    action: String,
    resource_type: String,
    resource_id: Option<Uuid>,
    patient_id: Option<Uuid>,
    patient_ids: Option<Vec<Uuid>>,
    outcome: String,
    reason: Option<String>,
    address: Option<String>,
    user_agent: Option<String>,
    request_id: Option<String>,
    detail: Option<String>,
    detail_sealed: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum RowKind {
    #[serde(rename = "row")]
    Row,
}

/// Numbers of 64 bits, which JSON readers of other languages would round.
mod as_text {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub fn serialize<S: Serializer>(number: &u64, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(number)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

impl Row {
    /// A row as PostgreSQL sent it.
    pub fn of(tuple: &Tuple<'_>) -> Result<Self, BadTuple> {
        let text = |column: usize| {
            tuple.field(column).map(|bytes| String::from_utf8(bytes.to_vec()).map_err(|_| BadTuple)).transpose()
        };
        let id =
            |column: usize| tuple.field(column).map(|bytes| Uuid::from_slice(bytes).map_err(|_| BadTuple)).transpose();
        let Key { xid, seq } = tuple.key()?;
        let ids = tuple.patient_ids()?.map(|ids| ids.as_chunks().0.iter().copied().map(Uuid::from_bytes).collect());
        let detail = tuple.detail()?.map(|text| String::from_utf8(text.to_vec()).map_err(|_| BadTuple)).transpose()?;
        Ok(Self {
            kind: RowKind::Row,
            xid,
            seq,
            at: moment(tuple.at()?),
            clinic_id: id(3)?,
            actor_kind: text(4)?.ok_or(BadTuple)?,
            actor_id: id(5)?,
            actor_role: text(6)?.ok_or(BadTuple)?,
            action: text(7)?.ok_or(BadTuple)?,
            resource_type: text(8)?.ok_or(BadTuple)?,
            resource_id: id(9)?,
            patient_id: id(10)?,
            patient_ids: ids,
            outcome: text(12)?.ok_or(BadTuple)?,
            reason: text(13)?,
            address: text(14)?,
            user_agent: text(15)?,
            request_id: text(16)?,
            detail,
            detail_sealed: tuple.field(18).map(|sealed| STANDARD.encode(sealed)),
        })
    }

    /// Its leaf. What can't be read gives a leaf that is no row's.
    pub fn leaf(&self, scratch: &mut Vec<u8>) -> Leaf {
        let key = Key { xid: self.xid, seq: self.seq };
        let at = micros(&self.at).unwrap_or(i64::MIN);
        let Some(sealed) = self.detail_sealed.as_ref().map(|text| STANDARD.decode(text)).transpose().ok() else {
            return Leaf { key, at, hash: [0; 32] };
        };
        let (xid, seq, time) = (self.xid.to_be_bytes(), self.seq.to_be_bytes(), at.to_be_bytes());
        let ids = self.patient_ids.as_ref().map(|ids| ids.iter().flat_map(|id| *id.as_bytes()).collect::<Vec<u8>>());
        let id = |id: &'_ Option<Uuid>| id.map(Uuid::into_bytes);
        let [clinic, actor, resource, patient] =
            [id(&self.clinic_id), id(&self.actor_id), id(&self.resource_id), id(&self.patient_id)];
        fn some(bytes: Option<&[u8]>) -> Value<'_> {
            bytes.map_or(Value::Null, Value::Bytes)
        }
        fn text(text: &Option<String>) -> Value<'_> {
            some(text.as_ref().map(String::as_bytes))
        }
        let values = [
            Value::Bytes(&xid),
            Value::Bytes(&seq),
            Value::Bytes(&time),
            some(clinic.as_ref().map(|id| &id[..])),
            Value::Bytes(self.actor_kind.as_bytes()),
            some(actor.as_ref().map(|id| &id[..])),
            Value::Bytes(self.actor_role.as_bytes()),
            Value::Bytes(self.action.as_bytes()),
            Value::Bytes(self.resource_type.as_bytes()),
            some(resource.as_ref().map(|id| &id[..])),
            some(patient.as_ref().map(|id| &id[..])),
            some(ids.as_deref()),
            Value::Bytes(self.outcome.as_bytes()),
            text(&self.reason),
            text(&self.address),
            text(&self.user_agent),
            text(&self.request_id),
            text(&self.detail),
            some(sealed.as_deref()),
        ];
        canonical::encode_leaf(values, scratch);
        Leaf { key, at, hash: canonical::hash_encoded(scratch) }
    }
}

/// Positions that are true, as `[from, to)`.
pub fn ranges(flags: impl Iterator<Item = bool>) -> Vec<[usize; 2]> {
    let mut ranges: Vec<[usize; 2]> = Vec::new();
    for (position, _) in flags.enumerate().filter(|(_, flag)| *flag) {
        match ranges.last_mut() {
            Some([_, to]) if *to == position => *to += 1,
            _ => ranges.push([position, position + 1]),
        }
    }
    ranges
}

/// Microseconds since 1970 as RFC 3339.
pub fn moment(micros: i64) -> String {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000)
        .ok()
        .and_then(|at| at.format(&Rfc3339).ok())
        .unwrap_or_else(|| micros.to_string())
}

/// The reverse of [`moment`].
pub fn micros(text: &str) -> Option<i64> {
    let nanos = OffsetDateTime::parse(text, &Rfc3339).ok()?.unix_timestamp_nanos();
    i64::try_from(nanos / 1_000).ok().filter(|micros| moment(*micros) == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_say_which_positions_are_set() {
        let flags = [true, true, false, true, false, false, true];
        assert_eq!(ranges(flags.into_iter()), [[0, 2], [3, 4], [6, 7]]);
        assert_eq!(ranges([].into_iter()), Vec::<[usize; 2]>::new());
    }

    #[test]
    fn a_time_is_written_in_one_way_only() {
        let at = 1_795_500_000_123_456;
        assert_eq!(moment(at), "2026-11-24T06:00:00.123456Z");
        assert_eq!(micros(&moment(at)), Some(at));
        assert_eq!(micros("2026-11-24T07:00:00.123456+01:00"), None);
    }
}
