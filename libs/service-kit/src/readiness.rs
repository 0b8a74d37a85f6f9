//! What must be true before traffic may come.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio_util::sync::CancellationToken;

use crate::Shutdown;

/// Named checks behind `/readyz`. Cheap to clone; clones share the state.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    checks: Arc<Mutex<BTreeMap<&'static str, bool>>>,
    stopping: CancellationToken,
}

impl Readiness {
    /// Ready as long as no check says otherwise.
    pub fn new() -> Self {
        Self::default()
    }

    /// Like [`Readiness::new`], and not ready from the moment the shutdown begins.
    pub fn until(shutdown: &Shutdown) -> Self {
        Self { checks: Arc::default(), stopping: shutdown.soft.clone() }
    }

    /// Records the outcome of one check. Set it to `false` at start for what has to come up first.
    pub fn set(&self, name: &'static str, ok: bool) {
        let before = self.checks.lock().unwrap_or_else(PoisonError::into_inner).insert(name, ok);
        match (before, ok) {
            (Some(true), false) => tracing::warn!(check = name, "no longer ready"),
            (Some(false), true) => tracing::info!(check = name, "ready"),
            _ => {}
        }
    }

    /// Whether every check passes.
    pub fn is_ready(&self) -> bool {
        self.failing().is_empty()
    }

    /// The names of the checks that fail, in alphabetical order; `shutdown` while stopping.
    pub fn failing(&self) -> Vec<&'static str> {
        let checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
        let stopping = self.stopping.is_cancelled().then_some("shutdown");
        checks.iter().filter(|(_, ok)| !**ok).map(|(name, _)| *name).chain(stopping).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn names_what_fails() {
        let shutdown = Shutdown::new(Duration::from_secs(1));
        let readiness = Readiness::until(&shutdown);
        assert!(readiness.is_ready());
        readiness.set("postgres", false);
        readiness.set("nats", true);
        assert_eq!(readiness.clone().failing(), ["postgres"]);
        readiness.set("postgres", true);
        assert!(readiness.is_ready());
        shutdown.trigger();
        assert_eq!(readiness.failing(), ["shutdown"]);
    }
}
