//! Opened tokens, for a few seconds: a broadcast's calls come in bursts.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use secret::SecretString;
use uuid::Uuid;

use super::{Account, millis};

/// Another replica may have replaced, killed or unlinked it since.
const FRESH: Duration = Duration::from_secs(10);
/// Beyond it the cache begins anew.
const MOST: usize = 4_096;

/// An account with its access token.
#[derive(Clone)]
pub(super) struct Held {
    pub account: Account,
    pub access: SecretString,
}

#[derive(Default)]
pub(super) struct Cache(Mutex<HashMap<Uuid, (i64, Held)>>);

impl Cache {
    /// What was read lately.
    pub(super) fn get(&self, id: Uuid, now_ms: i64) -> Option<Held> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (read_ms, held) = entries.get(&id)?;
        (0..=millis(FRESH)).contains(&(now_ms - read_ms)).then(|| held.clone())
    }

    /// Remembers; an older version never replaces a newer one.
    pub(super) fn put(&self, held: &Held, now_ms: i64) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= MOST {
            entries.clear();
        }
        let known = entries.get(&held.account.id).map(|(_, known)| known.account.token_version);
        if known.is_none_or(|known| known <= held.account.token_version) {
            entries.insert(held.account.id, (now_ms, held.clone()));
        }
    }

    /// Forgets.
    pub(super) fn remove(&self, id: Uuid) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }
}
