//! The one encoding of a row of the log that is hashed. Pure.
//!
//! Version 1: the byte 1, then the columns of [`COLUMNS`] in this order. Each column is its length (4 bytes, big endian)
//! and its bytes; `FF FF FF FF` and nothing stands for NULL. Numbers are 8 bytes, big endian; `at` is microseconds since
//! 1970-01-01 UTC; ids are 16 bytes; a list of ids is one after the other; text is UTF-8; `detail` is the text of the JSON
//! as PostgreSQL's `jsonb` prints it; `detail_sealed` is the ciphertext as it is stored.
//!
//! PostgreSQL sends nearly these bytes in `COPY .. (FORMAT binary)`, so [`Tuple::encode`] mostly copies.

use std::ops::Range;

use super::leaves::{Key, Leaf};
use super::tree::{Hash, sha256};

/// First byte of an encoded row.
pub const VERSION: u8 = 1;

/// The columns in the order in which they are encoded.
pub const COLUMNS: [&str; 18] = [
    "xid",
    "seq",
    "at",
    "clinic_id",
    "actor_kind",
    "actor_id",
    "actor_role",
    "action",
    "resource_type",
    "resource_id",
    "patient_id",
    "patient_ids",
    "outcome",
    "reason",
    "address",
    "user_agent",
    "request_id",
    "detail",
];

/// One more column after [`COLUMNS`].
pub const LAST: &str = "detail_sealed";
/// Columns in all.
const WIDTH: usize = COLUMNS.len() + 1;
const AT: usize = 2;
const PATIENT_IDS: usize = 11;
const DETAIL: usize = 17;
/// Microseconds from 1970 to 2000, where PostgreSQL's time begins.
pub const POSTGRES_EPOCH: i64 = 946_684_800_000_000;
const NULL: [u8; 4] = [0xff; 4];

/// A value of a column, as it is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// No value.
    Null,
    /// Its bytes.
    Bytes(&'a [u8]),
}

/// Encodes all columns, in the order of [`COLUMNS`] and then [`LAST`], after the prefix 0x00 of a leaf.
pub fn encode_leaf<'a>(values: impl IntoIterator<Item = Value<'a>>, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(&[0, VERSION]);
    for value in values {
        match value {
            Value::Null => out.extend_from_slice(&NULL),
            Value::Bytes(bytes) => put(bytes, out),
        }
    }
}

fn put(bytes: &[u8], out: &mut Vec<u8>) {
    let length = u32::try_from(bytes.len()).expect("PostgreSQL's values are below 1 GiB");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
}

/// A row as `COPY .. (FORMAT binary)` sends it.
pub struct Tuple<'a> {
    bytes: &'a [u8],
    fields: [Option<(u32, u32)>; WIDTH],
}

/// What was sent is no row of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("PostgreSQL sent a row of another shape")]
pub struct BadTuple;

impl<'a> Tuple<'a> {
    /// Splits a tuple into its columns.
    ///
    /// # Errors
    /// [`BadTuple`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, BadTuple> {
        let mut fields = [None; WIDTH];
        let count = bytes.get(..2).ok_or(BadTuple)?;
        if usize::from(u16::from_be_bytes([count[0], count[1]])) != WIDTH {
            return Err(BadTuple);
        }
        let mut at = 2;
        for field in &mut fields {
            let length: [u8; 4] = bytes.get(at..at + 4).ok_or(BadTuple)?.try_into().expect("4 bytes");
            at += 4;
            if length != NULL {
                let length = u32::from_be_bytes(length) as usize;
                if bytes.len() < at + length {
                    return Err(BadTuple);
                }
                *field = Some((at as u32, length as u32));
                at += length;
            }
        }
        if at == bytes.len() { Ok(Self { bytes, fields }) } else { Err(BadTuple) }
    }

    /// The bytes of a column as they were sent.
    #[must_use]
    pub fn field(&self, column: usize) -> Option<&'a [u8]> {
        self.fields[column].map(|(at, length)| &self.bytes[at as usize..(at + length) as usize])
    }

    fn number(&self, column: usize) -> Result<[u8; 8], BadTuple> {
        self.field(column).and_then(|bytes| bytes.try_into().ok()).ok_or(BadTuple)
    }

    /// Where the row stands.
    ///
    /// # Errors
    /// [`BadTuple`].
    pub fn key(&self) -> Result<Key, BadTuple> {
        Ok(Key { xid: u64::from_be_bytes(self.number(0)?), seq: i64::from_be_bytes(self.number(1)?) })
    }

    /// When what it tells happened, microseconds since 1970.
    ///
    /// # Errors
    /// [`BadTuple`].
    pub fn at(&self) -> Result<i64, BadTuple> {
        // Saturating, since whoever edits rows can write `infinity`.
        Ok(i64::from_be_bytes(self.number(AT)?).saturating_add(POSTGRES_EPOCH))
    }

    /// The patients of a list, 16 bytes each.
    ///
    /// # Errors
    /// [`BadTuple`].
    pub fn patient_ids(&self) -> Result<Option<Vec<u8>>, BadTuple> {
        self.field(PATIENT_IDS).map(uuid_array).transpose()
    }

    /// The text of the JSON.
    ///
    /// # Errors
    /// [`BadTuple`].
    pub fn detail(&self) -> Result<Option<&'a [u8]>, BadTuple> {
        match self.field(DETAIL) {
            None => Ok(None),
            Some([1, text @ ..]) => Ok(Some(text)),
            Some(_) => Err(BadTuple),
        }
    }

    /// The row's bytes that are hashed, after the prefix 0x00 of a leaf.
    ///
    /// # Errors
    /// [`BadTuple`].
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), BadTuple> {
        out.clear();
        out.extend_from_slice(&[0, VERSION]);
        let copy = |columns: Range<usize>, out: &mut Vec<u8>| {
            for column in columns {
                match self.field(column) {
                    None => out.extend_from_slice(&NULL),
                    Some(bytes) => put(bytes, out),
                }
            }
        };
        copy(0..AT, out);
        put(&self.at()?.to_be_bytes(), out);
        copy(AT + 1..PATIENT_IDS, out);
        match self.patient_ids()? {
            None => out.extend_from_slice(&NULL),
            Some(ids) => put(&ids, out),
        }
        copy(PATIENT_IDS + 1..DETAIL, out);
        match self.detail()? {
            None => out.extend_from_slice(&NULL),
            Some(text) => put(text, out),
        }
        copy(DETAIL + 1..WIDTH, out);
        Ok(())
    }

    /// The row's leaf. `scratch` is overwritten.
    ///
    /// # Errors
    /// [`BadTuple`].
    pub fn leaf(&self, scratch: &mut Vec<u8>) -> Result<Leaf, BadTuple> {
        self.encode(scratch)?;
        Ok(Leaf { key: self.key()?, at: self.at()?, hash: hash_encoded(scratch) })
    }
}

/// The hash of a leaf that was encoded with its prefix.
#[must_use]
pub fn hash_encoded(prefixed: &[u8]) -> Hash {
    sha256(prefixed)
}

/// `uuid[]` as PostgreSQL sends it: dimensions, flags, type, then length and lower bound, then each element with its
/// length. The log's lists have one dimension and no NULL.
fn uuid_array(bytes: &[u8]) -> Result<Vec<u8>, BadTuple> {
    const UUID: [u8; 4] = 2950u32.to_be_bytes();
    let word = |at: usize| bytes.get(at..at + 4).ok_or(BadTuple);
    if word(8)? != UUID {
        return Err(BadTuple);
    }
    if word(0)? == [0; 4] {
        return Ok(Vec::new());
    }
    if word(0)? != 1u32.to_be_bytes() {
        return Err(BadTuple);
    }
    let (elements, rest) = bytes.get(20..).ok_or(BadTuple)?.as_chunks::<20>();
    let mut ids = Vec::with_capacity(elements.len() * 16);
    for element in elements {
        if element[..4] != 16u32.to_be_bytes() {
            return Err(BadTuple);
        }
        ids.extend_from_slice(&element[4..]);
    }
    if rest.is_empty() { Ok(ids) } else { Err(BadTuple) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A tuple as PostgreSQL would send it.
    fn sent(fields: &[Option<Vec<u8>>]) -> Vec<u8> {
        let mut out = u16::try_from(fields.len()).unwrap().to_be_bytes().to_vec();
        for field in fields {
            match field {
                None => out.extend_from_slice(&NULL),
                Some(bytes) => put(bytes, &mut out),
            }
        }
        out
    }

    fn row(texts: [Option<String>; 6], ids: Option<Vec<[u8; 16]>>, numbers: (u64, i64, i64)) -> Vec<Option<Vec<u8>>> {
        let [kind, action, reason, agent, detail, sealed] = texts;
        let array = ids.map(|ids| {
            let mut out = [1u32, 0, 2950, u32::try_from(ids.len()).unwrap(), 1].map(u32::to_be_bytes).concat();
            for id in ids {
                put(&id, &mut out);
            }
            out
        });
        let text = |text: Option<String>| text.map(String::into_bytes);
        let mut fields = vec![None; WIDTH];
        fields[0] = Some(numbers.0.to_be_bytes().to_vec());
        fields[1] = Some(numbers.1.to_be_bytes().to_vec());
        fields[AT] = Some(numbers.2.to_be_bytes().to_vec());
        fields[4] = text(kind);
        fields[7] = text(action);
        fields[PATIENT_IDS] = array;
        fields[13] = text(reason);
        fields[15] = text(agent);
        fields[DETAIL] = text(detail).map(|text| [vec![1], text].concat());
        fields[18] = text(sealed);
        fields
    }

    #[test]
    fn the_encoding_is_the_documented_one_to_the_byte() {
        let none = || None;
        let texts = [Some("staff".to_owned()), none(), none(), none(), Some("{}".to_owned()), none()];
        let fields = row(texts, Some(vec![[7; 16]]), (1, 2, 3));
        let mut out = Vec::new();
        Tuple::parse(&sent(&fields)).unwrap().encode(&mut out).unwrap();
        let expected = [
            "00",
            "01", // a leaf, version 1
            "00000008",
            "0000000000000001", // xid
            "00000008",
            "0000000000000002", // seq
            "00000008",
            "00035d013b37e003", // at: 2000-01-01 and three microseconds
            "ffffffff",         // clinic_id
            "00000005",
            "7374616666", // actor_kind
            "ffffffff",
            "ffffffff",
            "ffffffff",
            "ffffffff",
            "ffffffff",
            "ffffffff", // actor_id .. patient_id
            "00000010",
            "07070707070707070707070707070707", // patient_ids
            "ffffffff",
            "ffffffff",
            "ffffffff",
            "ffffffff",
            "ffffffff", // outcome .. request_id
            "00000002",
            "7b7d",     // detail
            "ffffffff", // detail_sealed
        ];
        assert_eq!(hex::encode(&out), expected.concat());
    }

    proptest! {
        #[test]
        fn two_different_rows_are_never_encoded_alike(
            a in any::<[Option<String>; 6]>(), b in any::<[Option<String>; 6]>(),
            ids_a in prop::option::of(prop::collection::vec(any::<[u8; 16]>(), 1..4)),
            ids_b in prop::option::of(prop::collection::vec(any::<[u8; 16]>(), 1..4)),
            n in (any::<u64>(), any::<i64>(), -1_000_000i64..1_000_000_000_000_000),
        ) {
            let (mut one, mut two) = (Vec::new(), Vec::new());
            let same = a == b && ids_a == ids_b;
            let (sent_a, sent_b) = (sent(&row(a, ids_a, n)), sent(&row(b, ids_b, n)));
            Tuple::parse(&sent_a).unwrap().encode(&mut one).unwrap();
            Tuple::parse(&sent_b).unwrap().encode(&mut two).unwrap();
            prop_assert_eq!(one == two, same);
        }

        #[test]
        fn a_tuple_that_is_cut_short_is_refused(texts in any::<[Option<String>; 6]>(), cut in 1usize..40) {
            let bytes = sent(&row(texts, None, (1, 1, 1)));
            prop_assert!(Tuple::parse(&bytes[..bytes.len() - cut.min(bytes.len())]).is_err());
        }
    }
}
