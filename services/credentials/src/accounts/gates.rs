//! Who waits for whom in this process: one refresh per account, few per platform. Across processes the row's lock does.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use domain::platform::Platform;
use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

use super::PLATFORMS;

/// With more gates than this, those that nobody stands at are forgotten.
const SWEEP: usize = 1_024;

type Gate = tokio::sync::Mutex<()>;

pub(super) struct Gates {
    accounts: Mutex<HashMap<Uuid, Weak<Gate>>>,
    platforms: Vec<(Platform, Arc<Semaphore>)>,
}

/// While it is held nobody else in this process refreshes the account.
pub(super) struct Turn {
    _account: OwnedMutexGuard<()>,
    _platform: Option<OwnedSemaphorePermit>,
}

impl Gates {
    pub(super) fn new(per_platform: usize) -> Self {
        let platforms = PLATFORMS.map(|platform| (platform, Arc::new(Semaphore::new(per_platform))));
        Self { accounts: Mutex::default(), platforms: platforms.into() }
    }

    /// Waits for its turn.
    pub(super) async fn turn(&self, platform: Platform, id: Uuid) -> Turn {
        let account = self.gate(id).lock_owned().await;
        let semaphore = self.platforms.iter().find(|(of, _)| *of == platform).map(|(_, semaphore)| semaphore);
        let permit = match semaphore {
            Some(semaphore) => Arc::clone(semaphore).acquire_owned().await.ok(), // it is never closed
            None => None,
        };
        Turn { _account: account, _platform: permit }
    }

    /// Whether somebody refreshes this account just now.
    pub(super) fn is_taken(&self, id: Uuid) -> bool {
        self.gate(id).try_lock().is_err()
    }

    fn gate(&self, id: Uuid) -> Arc<Gate> {
        let mut gates = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gate) = gates.get(&id).and_then(Weak::upgrade) {
            return gate;
        }
        if gates.len() >= SWEEP {
            gates.retain(|_, gate| gate.strong_count() > 0);
        }
        let gate = Arc::new(Gate::default());
        gates.insert(id, Arc::downgrade(&gate));
        gate
    }
}
