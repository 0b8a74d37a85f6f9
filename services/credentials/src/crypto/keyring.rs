//! The keys this process holds.

use std::collections::BTreeMap;

use ring::rand::{SecureRandom, SystemRandom};
use secret::Zeroizing;

use super::{Broken, Kek, KeyId, OpenError, Place, envelope};

/// Key-encryption keys by id. `Debug` shows the ids only.
#[derive(Debug, Default)]
pub struct Keyring(BTreeMap<KeyId, Kek>);

impl Keyring {
    /// Adds a key.
    pub fn insert(&mut self, id: KeyId, kek: Kek) {
        self.0.insert(id, kek);
    }

    /// Whether this key is held.
    pub fn holds(&self, id: KeyId) -> bool {
        self.0.contains_key(&id)
    }

    /// The ids of the keys held.
    pub fn ids(&self) -> Vec<i32> {
        self.0.keys().map(|id| id.0).collect()
    }

    /// Seals a value for its place with one of the keys; `None` when it isn't held.
    ///
    /// # Errors
    /// [`Broken`] when the machine has no random bytes.
    pub fn seal(&self, id: KeyId, place: &Place, value: &[u8]) -> Result<Option<Vec<u8>>, Broken> {
        self.seal_with(id, place, value, &SystemRandom::new())
    }

    fn seal_with(
        &self,
        id: KeyId,
        place: &Place,
        value: &[u8],
        random: &dyn SecureRandom,
    ) -> Result<Option<Vec<u8>>, Broken> {
        self.0.get(&id).map(|kek| envelope::seal(kek, id, place, value, random)).transpose()
    }

    /// Opens a value with whichever of the keys it needs.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(&self, place: &Place, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let id = envelope::key_id(sealed)?;
        let kek = self.0.get(&id).ok_or(OpenError::UnknownKey(id))?;
        envelope::open(kek, place, sealed)
    }
}

#[cfg(test)]
mod tests {
    use domain::ids::TenantId;
    use uuid::Uuid;

    use super::{
        super::place::{Field, Table},
        *,
    };

    #[test]
    fn opens_with_the_key_that_sealed() {
        let place = Place::new(TenantId("t".into()), Table::Stream, Uuid::nil(), Field::IngestKey);
        let mut both = Keyring::default();
        both.insert(KeyId(1), Kek::of(1));
        both.insert(KeyId(2), Kek::of(2));
        let old = both.seal(KeyId(1), &place, b"old").expect("seals").expect("held");
        let new = both.seal(KeyId(2), &place, b"new").expect("seals").expect("held");
        assert_eq!(both.open(&place, &old).expect("opens").as_slice(), b"old");
        assert_eq!(both.open(&place, &new).expect("opens").as_slice(), b"new");
        assert_eq!(both.seal(KeyId(3), &place, b"x"), Ok(None));
        let mut only_new = Keyring::default();
        only_new.insert(KeyId(2), Kek::of(2));
        assert_eq!(only_new.open(&place, &old).err(), Some(OpenError::UnknownKey(KeyId(1))));
        assert_eq!((only_new.holds(KeyId(1)), only_new.ids()), (false, vec![2]));
        // A key under another's id opens nothing.
        let mut wrong = Keyring::default();
        wrong.insert(KeyId(1), Kek::of(2));
        assert_eq!(wrong.open(&place, &old).err(), Some(OpenError::Forged));
        assert!(!format!("{both:?}").contains("[1, 1"), "{both:?}");
    }
}
