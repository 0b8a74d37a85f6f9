//! What looks remember, in this process only: another replica asks everything once.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use domain::ids::DestinationId;

use super::watch::Watch;

/// Broadcasts that are remembered before the unused ones are forgotten.
const MANY: usize = 1_000;
/// Unused for so long.
const UNUSED_MS: i64 = 2 * 3_600_000;

#[derive(Default)]
pub(super) struct Memory(Mutex<HashMap<DestinationId, Watch>>);

impl Memory {
    pub fn get(&self, destination: DestinationId) -> Option<Watch> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&destination).cloned()
    }

    pub fn keep(&self, destination: DestinationId, watch: Watch, now_ms: i64) {
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if memory.len() >= MANY {
            memory.retain(|_, watch| now_ms - watch.used_ms < UNUSED_MS);
        }
        memory.insert(destination, watch);
    }
}
