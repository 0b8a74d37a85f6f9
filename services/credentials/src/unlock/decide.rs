//! What the configured keys mean for the vault they meet. Pure.

use crate::crypto::KeyId;

/// What was found in the vault and which of its keys were recognised.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// The key that seals; `None` in a new vault.
    pub(super) active: Option<KeyId>,
    /// The key that `ENCRYPTION_KEY` makes.
    pub(super) current: Option<KeyId>,
    /// The key that `ENCRYPTION_KEY_PREVIOUS` makes.
    pub(super) previous: Option<KeyId>,
    /// How many values each key has sealed.
    pub(super) sealed: Vec<(KeyId, i64)>,
    /// The cost of the current key's derivation.
    pub(super) log_n: Option<u8>,
    /// The least cost allowed here.
    pub(super) least_log_n: u8,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A new vault: the current key is its first.
    SetUp,
    /// The current key is new: store it; `active` goes on sealing until a rotation.
    Register { active: KeyId },
    /// Go.
    Open { current: KeyId, active: KeyId },
}

/// The keys don't fit the vault. `Display` says what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Neither passphrase opens the vault.
    #[error(
        "ENCRYPTION_KEY does not open this vault: it was set up with another key. Give the former key, or give it as \
         ENCRYPTION_KEY_PREVIOUS and run `credentials rotate`"
    )]
    WrongKey,
    /// The current key is known but another one seals, and it isn't given.
    #[error(
        "ENCRYPTION_KEY is not the key this vault seals with: give the other one too, as ENCRYPTION_KEY_PREVIOUS, or \
         instead of it"
    )]
    NotInUse,
    /// Values are left that none of the given keys opens.
    #[error(
        "{count} secrets are still sealed with vault key {key}: give it as ENCRYPTION_KEY_PREVIOUS and finish \
         `credentials rotate`"
    )]
    Unreadable {
        /// The missing key.
        key: KeyId,
        /// How many values need it.
        count: i64,
    },
    /// There are values and no key.
    #[error("the vault holds secrets but no key record: its tables were damaged, restore them from a backup")]
    Damaged,
    /// A development vault in production.
    #[error(
        "this vault's key was derived with a cost that production refuses: choose a new ENCRYPTION_KEY, give this one \
         as ENCRYPTION_KEY_PREVIOUS and run `credentials rotate`"
    )]
    Cheap,
}

pub(super) fn decide(found: &Found) -> Result<Step, Refused> {
    let Some(active) = found.active else {
        return if found.sealed.is_empty() { Ok(Step::SetUp) } else { Err(Refused::Damaged) };
    };
    let opens_active = [found.current, found.previous].contains(&Some(active));
    let step = match found.current {
        Some(current) if opens_active => Step::Open { current, active },
        Some(_) => return Err(Refused::NotInUse),
        None if opens_active => Step::Register { active },
        None => return Err(Refused::WrongKey),
    };
    let held = |id: KeyId| [found.current, found.previous].contains(&Some(id));
    if let Some((key, count)) = found.sealed.iter().find(|(id, _)| !held(*id)) {
        return Err(Refused::Unreadable { key: *key, count: *count });
    }
    if found.log_n.is_some_and(|log_n| log_n < found.least_log_n) {
        return Err(Refused::Cheap);
    }
    Ok(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Option<KeyId> = Some(KeyId(1));
    const B: Option<KeyId> = Some(KeyId(2));

    fn check(active: Option<KeyId>, current: Option<KeyId>, previous: Option<KeyId>, expected: Result<Step, Refused>) {
        let sealed = active.into_iter().map(|key| (key, 5)).collect();
        let found = Found { active, current, previous, sealed, log_n: Some(14), least_log_n: 14 };
        assert_eq!(decide(&found), expected, "{found:?}");
    }

    #[test]
    fn the_life_of_a_key() {
        let (a, b) = (KeyId(1), KeyId(2));
        check(None, None, None, Ok(Step::SetUp));
        check(A, A, None, Ok(Step::Open { current: a, active: a }));
        check(A, None, A, Ok(Step::Register { active: a }));
        check(A, B, A, Ok(Step::Open { current: b, active: a }));
        check(B, B, A, Ok(Step::Open { current: b, active: b }));
        check(B, B, None, Ok(Step::Open { current: b, active: b }));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        check(A, None, None, Err(Refused::WrongKey));
        check(A, None, B, Err(Refused::WrongKey));
        check(A, B, None, Err(Refused::NotInUse));
        check(B, A, None, Err(Refused::NotInUse));
    }

    #[test]
    fn an_unfinished_rotation_needs_both_keys() {
        let found = Found {
            active: B,
            current: B,
            previous: None,
            sealed: vec![(KeyId(1), 12), (KeyId(2), 3)],
            log_n: Some(17),
            least_log_n: 17,
        };
        assert_eq!(decide(&found), Err(Refused::Unreadable { key: KeyId(1), count: 12 }));
        let both = Found { previous: A, ..found };
        assert!(decide(&both).is_ok());
        assert_eq!(decide(&Found { log_n: Some(14), ..both }), Err(Refused::Cheap));
    }

    #[test]
    fn secrets_without_a_key_are_damage() {
        let sealed = vec![(KeyId(1), 1)];
        let found = Found { active: None, current: None, previous: None, sealed, log_n: None, least_log_n: 14 };
        assert_eq!(decide(&found), Err(Refused::Damaged));
    }
}
