//! The live sources of this relay.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use domain::ids::StreamId;

use crate::source::{EndReason, Source};

#[derive(Clone, Default)]
pub(crate) struct Hub(Arc<Mutex<HashMap<StreamId, Arc<Source>>>>);

impl Hub {
    /// Makes `source` the one of its stream; the one before is superseded.
    pub(crate) fn insert(&self, source: &Arc<Source>) {
        let before = self.sources().insert(source.identity().stream, Arc::clone(source));
        if let Some(before) = before {
            before.supersede();
        }
    }

    /// Removes and ends a source; a later one of the same stream stays.
    pub(crate) fn remove(&self, source: &Arc<Source>, reason: EndReason) {
        let mut sources = self.sources();
        let stream = source.identity().stream;
        if sources.get(&stream).is_some_and(|current| Arc::ptr_eq(current, source)) {
            sources.remove(&stream);
        }
        drop(sources);
        source.end(reason);
    }

    pub(crate) fn get(&self, stream: StreamId) -> Option<Arc<Source>> {
        self.sources().get(&stream).cloned()
    }

    /// Whether a source is live that was published with this key.
    pub(crate) fn has_key(&self, sha256: &[u8; 32]) -> bool {
        self.sources().values().any(|source| source.identity().key_sha256.as_ref() == Some(sha256))
    }

    pub(crate) fn len(&self) -> usize {
        self.sources().len()
    }

    pub(crate) fn readers(&self) -> usize {
        self.sources().values().map(|source| source.readers()).sum()
    }

    fn sources(&self) -> MutexGuard<'_, HashMap<StreamId, Arc<Source>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
