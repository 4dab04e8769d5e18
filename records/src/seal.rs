//! Encryption of single values, bound to the place where they stand.

use std::sync::{Arc, OnceLock};

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use uuid::Uuid;
use zeroize::Zeroize;

use crate::{Error, Phi};

/// Format of a sealed value: 1, key version (4 bytes, big endian), nonce (12), ciphertext and tag.
const FORMAT: u8 = 1;
const HEADER: usize = 1 + 4 + NONCE_LEN;

/// Where a value stands. Sealed at one place, it does not open at another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// Table and column, e.g. `patient.name`.
    pub column: &'static str,
    /// The row's id.
    pub row: Uuid,
    /// What tells rows with the same id apart: a version, a sequence number; else 0.
    pub part: i64,
}

impl Place {
    pub(crate) fn new(column: &'static str, row: Uuid) -> Self {
        Self { column, row, part: 0 }
    }

    pub(crate) fn part(column: &'static str, row: Uuid, part: i64) -> Self {
        Self { column, row, part }
    }
}

/// The first value that did not open, shared by a transaction and its keys.
pub(crate) type Unopened = Arc<OnceLock<Place>>;

/// The data keys of one owner (a patient, a clinic), by version: all open, the active one seals.
pub(crate) struct DataKeys {
    owner: Uuid,
    versions: Vec<(i32, RandomizedNonceKey)>,
    active: Option<i32>,
    unopened: Unopened,
}

impl DataKeys {
    /// No version yet. What does not open is noted in `unopened`.
    pub(crate) fn of(owner: Uuid, unopened: Unopened) -> Self {
        Self { owner, versions: Vec::new(), active: None, unopened }
    }

    pub(crate) fn push(&mut self, version: i32, key: &[u8; 32], active: bool) -> Result<(), Error> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, key).map_err(|_| Error::Sealed("data key"))?;
        self.versions.push((version, key));
        if active {
            self.active = Some(version);
        }
        Ok(())
    }

    fn version(&self, version: i32) -> Option<&RandomizedNonceKey> {
        self.versions.iter().find(|(known, _)| *known == version).map(|(_, key)| key)
    }

    /// Seals `plain` for `place`.
    pub(crate) fn seal(&self, place: Place, plain: &[u8]) -> Result<Vec<u8>, Error> {
        let sealing = self.active.and_then(|version| Some((version, self.version(version)?)));
        let (version, key) = sealing.ok_or(Error::Sealed(place.column))?;
        let mut body = plain.to_vec();
        let nonce = key
            .seal_in_place_append_tag(Aad::from(self.bound(place, version)), &mut body)
            .map_err(|_| Error::Sealed(place.column))?;
        let mut sealed = Vec::with_capacity(HEADER + body.len());
        sealed.push(FORMAT);
        sealed.extend_from_slice(&version.to_be_bytes());
        sealed.extend_from_slice(nonce.as_ref());
        sealed.append(&mut body);
        Ok(sealed)
    }

    /// Seals a text for `place`.
    pub(crate) fn seal_text(&self, place: Place, text: &Phi<String>) -> Result<Vec<u8>, Error> {
        self.seal(place, text.expose().as_bytes())
    }

    /// Opens what was sealed for `place`.
    pub(crate) fn open(&self, place: Place, sealed: &[u8]) -> Result<Phi<Vec<u8>>, Error> {
        let opened = self.try_open(place, sealed);
        if opened.is_err() {
            // The first one is enough.
            let _ = self.unopened.set(place);
        }
        opened
    }

    fn try_open(&self, place: Place, sealed: &[u8]) -> Result<Phi<Vec<u8>>, Error> {
        let bad = Error::Sealed(place.column);
        let (Some(&FORMAT), Some(version), Some(nonce), Some(body)) =
            (sealed.first(), sealed.get(1..5), sealed.get(5..HEADER), sealed.get(HEADER..))
        else {
            return Err(bad);
        };
        let version = i32::from_be_bytes(version.try_into().expect("4 bytes"));
        let Some(key) = self.version(version) else {
            return Err(bad);
        };
        let Ok(nonce) = Nonce::try_assume_unique_for_key(nonce) else {
            return Err(bad);
        };
        let mut body = body.to_vec();
        match key.open_in_place(nonce, Aad::from(self.bound(place, version)), &mut body) {
            Ok(plain) => {
                let length = plain.len();
                body.truncate(length);
                Ok(Phi::new(body))
            }
            Err(_) => {
                body.zeroize();
                Err(bad)
            }
        }
    }

    /// Opens a text that was sealed for `place`.
    pub(crate) fn open_text(&self, place: Place, sealed: &[u8]) -> Result<Phi<String>, Error> {
        let plain = self.open(place, sealed)?;
        match std::str::from_utf8(plain.expose()) {
            Ok(text) => Ok(Phi::from(text)),
            Err(_) => Err(Error::Sealed(place.column)),
        }
    }

    /// Column, row, owner and key version, as associated data.
    fn bound(&self, place: Place, version: i32) -> String {
        format!("{}|{}|{}|{}|{version}", place.column, place.row, place.part, self.owner)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys(owner: u128, key: u8) -> DataKeys {
        let mut keys = DataKeys::of(Uuid::from_u128(owner), Unopened::default());
        keys.push(1, &[key; 32], true).unwrap();
        keys
    }

    #[test]
    fn a_value_moved_to_another_column_row_part_or_patient_does_not_open() {
        let place = Place::part("note_revision.body", Uuid::from_u128(1), 3);
        let sealed = keys(9, 1).seal(place, b"text").unwrap();
        assert_eq!(keys(9, 1).open(place, &sealed).unwrap().expose(), b"text");
        assert!(keys(9, 1).open(Place { column: "patient.name", ..place }, &sealed).is_err());
        assert!(keys(9, 1).open(Place { row: Uuid::from_u128(2), ..place }, &sealed).is_err());
        assert!(keys(9, 1).open(Place { part: 4, ..place }, &sealed).is_err());
        assert!(keys(8, 1).open(place, &sealed).is_err(), "another patient with the same key");
        assert!(keys(9, 2).open(place, &sealed).is_err(), "another key");
    }

    #[test]
    fn a_prepared_key_opens_but_does_not_seal_and_without_an_active_one_nothing_is_sealed() {
        let place = Place::new("patient.name", Uuid::from_u128(1));
        let mut prepared = keys(9, 1);
        prepared.push(2, &[2; 32], false).unwrap();
        assert!(keys(9, 1).open(place, &prepared.seal(place, b"text").unwrap()).is_ok());
        let mut none = DataKeys::of(Uuid::from_u128(9), Unopened::default());
        none.push(2, &[2; 32], false).unwrap();
        assert!(none.seal(place, b"text").is_err());
        assert!(none.unopened.get().is_none());
        assert!(none.open(place, b"text").is_err());
        assert_eq!(none.unopened.get().map(|place| place.column), Some("patient.name"));
    }

    #[test]
    fn after_rotation_the_new_key_seals_and_the_old_one_still_opens() {
        let place = Place::new("patient.name", Uuid::from_u128(1));
        let old = keys(9, 1).seal(place, b"before").unwrap();
        let mut rotated = keys(9, 1);
        rotated.push(2, &[2; 32], true).unwrap();
        let new = rotated.seal(place, b"after").unwrap();
        assert_eq!(rotated.open(place, &old).unwrap().expose(), b"before");
        assert_eq!(rotated.open(place, &new).unwrap().expose(), b"after");
        assert!(keys(9, 1).open(place, &new).is_err());
    }

    proptest! {
        #[test]
        fn no_changed_byte_goes_unnoticed(text in ".{0,80}", at in any::<prop::sample::Index>(), flip in 1u8..) {
            let place = Place::new("patient.name", Uuid::from_u128(1));
            let mut sealed = keys(9, 1).seal(place, text.as_bytes()).unwrap();
            let opened = keys(9, 1).open_text(place, &sealed).unwrap();
            prop_assert_eq!(opened.expose(), &text);
            let at = at.index(sealed.len());
            sealed[at] ^= flip;
            prop_assert!(keys(9, 1).open(place, &sealed).is_err());
        }
    }
}
