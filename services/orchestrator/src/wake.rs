//! Wakes the reconciler and whoever waits for a change. A wake says only where to look first; nobody trusts it.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use domain::ids::StreamId;
use tokio::sync::{Notify, watch};

/// Clones share the state.
#[derive(Clone, Debug)]
pub struct Wake {
    streams: Arc<Mutex<BTreeSet<StreamId>>>,
    reconciler: Arc<Notify>,
    outbox: Arc<Notify>,
    platforms: Arc<Notify>,
    observer: Arc<Notify>,
    changes: watch::Sender<u64>,
}

impl Default for Wake {
    fn default() -> Self {
        Self {
            streams: Arc::default(),
            reconciler: Arc::default(),
            outbox: Arc::default(),
            platforms: Arc::default(),
            observer: Arc::default(),
            changes: watch::Sender::new(0),
        }
    }
}

impl Wake {
    /// Something of the stream was committed that may need work.
    pub fn reconcile(&self, stream: StreamId) {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner).insert(stream);
        self.reconciler.notify_one();
        self.platforms();
        self.changed();
    }

    /// Something was committed that platforms may have to be told, or asked about.
    pub fn platforms(&self) {
        self.platforms.notify_one();
        self.observer.notify_one();
    }

    /// Waits until a platform may have to be told something. Cancel safe.
    pub async fn to_tell(&self) {
        self.platforms.notified().await;
    }

    /// Waits until a platform may have to be asked something. Cancel safe.
    pub async fn to_ask(&self) {
        self.observer.notified().await;
    }

    /// Something was committed that people may wait for, or that must leave through the outbox.
    pub fn changed(&self) {
        self.outbox.notify_one();
        self.changes.send_modify(|n| *n = n.wrapping_add(1));
    }

    /// The streams woken since the last call; waits for at least one. Cancel safe.
    pub async fn woken(&self) -> BTreeSet<StreamId> {
        loop {
            let woken = std::mem::take(&mut *self.streams.lock().unwrap_or_else(PoisonError::into_inner));
            if !woken.is_empty() {
                return woken;
            }
            self.reconciler.notified().await;
        }
    }

    /// Waits until the outbox may hold something. Cancel safe.
    pub async fn outbox(&self) {
        self.outbox.notified().await;
    }

    /// Follows the changes made by this replica.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}
