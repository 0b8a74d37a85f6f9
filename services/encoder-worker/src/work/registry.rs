//! The sessions that run in this process.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use domain::{
    ids::{Epoch, Generation, SessionId},
    session::SessionKind,
};
use tokio::sync::{mpsc, watch};

use crate::{gate::SessionGate, session::state::StopReason};

/// What a session can be told from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// End.
    Stop(StopReason),
    /// The specification changed.
    Refresh,
    /// Redis can't say whether the session is still ours: ask the relay.
    Doubted,
}

/// Words waiting for one session; each may be repeated, so one that doesn't fit is told again.
pub const MAX_WORDS: usize = 16;

/// A running session, seen from outside.
#[derive(Clone)]
pub struct Entry {
    /// Its epoch.
    pub epoch: Epoch,
    /// What it is for.
    pub kind: SessionKind,
    /// Its gate.
    pub gate: Arc<SessionGate>,
    /// The generation it was last told about.
    pub generation: Generation,
    words: mpsc::Sender<Word>,
}

impl Entry {
    /// A session that listens at the other end of `words`.
    pub fn new(epoch: Epoch, kind: SessionKind, gate: Arc<SessionGate>, words: mpsc::Sender<Word>) -> Self {
        Self { epoch, kind, gate, generation: Generation(0), words }
    }

    /// Tells the session. The robbed are shut at once, whatever else they have to do first.
    pub fn tell(&self, word: Word) {
        if word == Word::Stop(StopReason::Lost) {
            self.gate.shut();
        }
        // Full: it has not come to read sixteen words, and will be told again.
        let _ = self.words.try_send(word);
    }
}

/// All of them. Clones share the state.
#[derive(Clone)]
pub struct Registry {
    sessions: Arc<Mutex<HashMap<SessionId, Entry>>>,
    count: Arc<watch::Sender<usize>>,
    claiming: Arc<watch::Sender<usize>>,
}

/// Room kept for a command in hand that is not a session yet; dropping it gives the room back.
#[derive(Debug)]
pub struct Slot(Arc<watch::Sender<usize>>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.send_modify(|claiming| *claiming = claiming.saturating_sub(1));
    }
}

impl Default for Registry {
    fn default() -> Self {
        let none = || Arc::new(watch::Sender::new(0));
        Self { sessions: Arc::default(), count: none(), claiming: none() }
    }
}

impl Registry {
    /// Adds a session. False (and nothing is changed) if one of this id runs already.
    pub fn add(&self, id: SessionId, entry: Entry) -> bool {
        let mut sessions = self.lock();
        if sessions.contains_key(&id) {
            return false;
        }
        sessions.insert(id, entry);
        self.count.send_replace(sessions.len());
        true
    }

    /// Removes a session.
    pub fn remove(&self, id: SessionId) {
        let mut sessions = self.lock();
        sessions.remove(&id);
        self.count.send_replace(sessions.len());
    }

    /// One session.
    pub fn get(&self, id: SessionId) -> Option<Entry> {
        self.lock().get(&id).cloned()
    }

    /// All sessions, with their epochs.
    pub fn held(&self) -> Vec<(SessionId, Epoch)> {
        self.lock().iter().map(|(id, entry)| (*id, entry.epoch)).collect()
    }

    /// Tells every session.
    pub fn tell_all(&self, word: Word) {
        let entries: Vec<Entry> = self.lock().values().cloned().collect();
        for entry in entries {
            entry.tell(word);
        }
    }

    /// Tells one session of this epoch (or any, with `None`).
    pub fn tell(&self, id: SessionId, epoch: Option<Epoch>, word: Word) {
        if let Some(entry) = self.get(id).filter(|entry| epoch.is_none_or(|epoch| epoch >= entry.epoch)) {
            entry.tell(word);
        }
    }

    /// Tells a session to read its specification again, once per generation.
    pub fn refresh(&self, id: SessionId, generation: Generation) {
        let mut sessions = self.lock();
        if let Some(entry) = sessions.get_mut(&id).filter(|entry| entry.generation < generation) {
            entry.generation = generation;
            entry.tell(Word::Refresh);
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        *self.count.borrow()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Keeps room for one more.
    pub fn slot(&self) -> Slot {
        self.claiming.send_modify(|claiming| *claiming += 1);
        Slot(self.claiming.clone())
    }

    /// How many there are and how many may become some.
    pub fn taken(&self) -> usize {
        self.len() + *self.claiming.borrow()
    }

    /// Waits until fewer than `capacity` are taken. Cancel safe.
    pub async fn room(&self, capacity: usize) {
        let (mut count, mut claiming) = (self.count.subscribe(), self.claiming.subscribe());
        while self.taken() >= capacity {
            // The senders live in `self`.
            tokio::select! {
                _ = count.changed() => {}
                _ = claiming.changed() => {}
            }
        }
    }

    /// Waits until `fits` holds for their number. Cancel safe.
    pub async fn wait_for(&self, fits: impl FnMut(&usize) -> bool) {
        // The sender lives in `self`.
        let _ = self.count.subscribe().wait_for(fits).await;
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Entry>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
