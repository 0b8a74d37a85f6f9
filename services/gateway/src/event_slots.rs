//! Bounds the event streams that are open at a time, per tenant and in all.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use domain::ids::TenantId;

use crate::metric;

/// The bounds and the count. Cheap to clone; clones share the count.
#[derive(Clone, Debug)]
pub struct EventSlots {
    per_tenant: usize,
    in_all: usize,
    open: Arc<Mutex<HashMap<TenantId, usize>>>,
}

/// One open event stream; dropping it frees its place.
#[derive(Debug)]
pub struct Slot {
    slots: EventSlots,
    tenant: TenantId,
}

impl EventSlots {
    /// Nothing open yet.
    pub fn new(per_tenant: usize, in_all: usize) -> Self {
        Self { per_tenant, in_all, open: Arc::default() }
    }

    /// A place for one more, if there is one.
    pub fn take(&self, tenant: &TenantId) -> Option<Slot> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let total: usize = open.values().sum();
        let mine = open.get(tenant).copied().unwrap_or_default();
        if total >= self.in_all || mine >= self.per_tenant {
            return None;
        }
        open.insert(tenant.clone(), mine + 1);
        metrics::gauge!(metric::EVENT_STREAMS).set((total + 1) as f64);
        Some(Slot { slots: self.clone(), tenant: tenant.clone() })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut open = self.slots.open.lock().unwrap_or_else(PoisonError::into_inner);
        let left = open.get(&self.tenant).copied().unwrap_or_default().saturating_sub(1);
        if left == 0 {
            open.remove(&self.tenant);
        } else {
            open.insert(self.tenant.clone(), left);
        }
        metrics::gauge!(metric::EVENT_STREAMS).set(open.values().sum::<usize>() as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_comes_back() {
        let slots = EventSlots::new(2, 3);
        let (a, b) = (TenantId("a".into()), TenantId("b".into()));
        let first = slots.take(&a);
        let _second = slots.take(&a);
        assert!(first.is_some() && slots.take(&a).is_none());
        let _third = slots.take(&b);
        assert!(slots.take(&b).is_none());
        drop(first);
        assert!(slots.take(&b).is_some());
    }
}
