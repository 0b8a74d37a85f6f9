//! The fence: per session (and use) the highest epoch wins, and there is one holder at a time.
//!
//! A stale worker, whatever it believes and whatever its clock says, is cut here the moment its successor connects.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use domain::ids::{Epoch, SessionId};
use futures::task::AtomicWaker;
use service_kit::ticket::Use;

use crate::meters;

/// A flag that wakes the task that waits for it.
#[derive(Debug, Default)]
pub(crate) struct Cut {
    cut: AtomicBool,
    waker: AtomicWaker,
}

impl Cut {
    /// Ends whoever holds it.
    pub(crate) fn cut(&self) {
        self.cut.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Wakes the holder without cutting it.
    pub(crate) fn wake(&self) {
        self.waker.wake();
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Acquire)
    }

    /// Remembers the task to wake, then looks.
    pub(crate) fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        self.waker.register(cx.waker());
        if self.is_cut() { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// A higher epoch of this session was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fenced {
    /// The highest.
    pub(crate) epoch: Epoch,
}

/// All sessions' epochs. Clones share them.
#[derive(Clone)]
pub(crate) struct Fence {
    sessions: Arc<Mutex<HashMap<(SessionId, bool), Entry>>>,
    max_sessions: usize,
    memory: Duration,
}

struct Entry {
    epoch: Epoch,
    holder: Option<Arc<Cut>>,
    used: Instant,
}

/// The right to read or publish for a session, until it is cut or dropped.
pub(crate) struct Pass {
    fence: Fence,
    key: (SessionId, bool),
    cut: Arc<Cut>,
}

impl Fence {
    pub(crate) fn new(max_sessions: usize, memory: Duration) -> Self {
        Self { sessions: Arc::default(), max_sessions, memory }
    }

    /// Lets (session, epoch) in and cuts who was in before. The same epoch may come again: its older connection is
    /// taken for dead.
    ///
    /// # Errors
    /// [`Fenced`]: a higher epoch was here.
    pub(crate) fn enter(&self, session: SessionId, epoch: Epoch, use_: Use, now: Instant) -> Result<Pass, Fenced> {
        let key = (session, use_ == Use::Publish);
        let cut = Arc::new(Cut::default());
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if sessions.len() >= self.max_sessions && !sessions.contains_key(&key) {
            sessions.retain(|_, entry| entry.holder.is_some() || now.duration_since(entry.used) < self.memory);
        }
        let entry = sessions.entry(key).or_insert(Entry { epoch, holder: None, used: now });
        if entry.epoch > epoch {
            meters::fenced(name(use_));
            return Err(Fenced { epoch: entry.epoch });
        }
        if let Some(holder) = entry.holder.replace(Arc::clone(&cut)) {
            meters::fenced(name(use_));
            holder.cut();
        }
        entry.epoch = epoch;
        entry.used = now;
        Ok(Pass { fence: self.clone(), key, cut })
    }
}

fn name(use_: Use) -> &'static str {
    match use_ {
        Use::Read => "read",
        Use::Publish => "publish",
    }
}

impl Pass {
    /// Fires when a later connection of the session takes over.
    pub(crate) fn cut(&self) -> &Arc<Cut> {
        &self.cut
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut sessions = self.fence.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = sessions.get_mut(&self.key)
            && entry.holder.as_ref().is_some_and(|holder| Arc::ptr_eq(holder, &self.cut))
        {
            entry.holder = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn session(n: u128) -> SessionId {
        SessionId(Uuid::from_u128(n))
    }

    #[test]
    fn the_highest_epoch_wins_and_is_remembered() {
        let (fence, now) = (Fence::new(10, Duration::from_secs(60)), Instant::now());
        let enter = |epoch, use_| fence.enter(session(1), Epoch(epoch), use_, now);
        let old = enter(5, Use::Read).unwrap_or_else(|_| panic!("first"));
        let publish = enter(4, Use::Publish).unwrap_or_else(|_| panic!("another use is another fence"));
        let new = enter(6, Use::Read).unwrap_or_else(|_| panic!("higher"));
        assert!(old.cut().is_cut() && !new.cut().is_cut() && !publish.cut().is_cut());
        drop(old);
        assert_eq!(enter(5, Use::Read).err(), Some(Fenced { epoch: Epoch(6) }));
        let again = enter(6, Use::Read).unwrap_or_else(|_| panic!("the same epoch reconnects"));
        assert!(new.cut().is_cut() && !again.cut().is_cut());
        drop((new, again));
        assert_eq!(enter(5, Use::Read).err(), Some(Fenced { epoch: Epoch(6) }));
    }

    #[test]
    fn memory_is_bounded_by_forgetting_unused_sessions() {
        let (fence, start) = (Fence::new(3, Duration::from_secs(60)), Instant::now());
        let held = fence.enter(session(0), Epoch(9), Use::Read, start).ok();
        for n in 1..100u32 {
            let now = start + Duration::from_secs(100) * n;
            assert!(fence.enter(session(n.into()), Epoch(1), Use::Read, now).is_ok());
            assert!(fence.sessions.lock().unwrap().len() <= 3);
        }
        assert!(fence.enter(session(0), Epoch(8), Use::Read, start).is_err(), "a held session is not forgotten");
        drop(held);
    }
}
