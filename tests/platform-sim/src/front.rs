//! Every call passes here: journal, fault script, the platform behind the path, journal.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    clock::Clock,
    control,
    faults::{Fault, Reset, Script},
    http::{Answer, Request},
    journal::Journal,
    options::Limits,
    route,
    world::World,
};

/// What the connection does next.
pub(crate) enum Outcome {
    Answer(Answer),
    Reset,
}

/// What all connections, the ingest and the handle share.
#[derive(Debug)]
pub(crate) struct Front {
    pub clock: Clock,
    world: Mutex<World>,
    pub journal: Mutex<Journal>,
    pub script: Mutex<Script>,
    limits: Limits,
}

/// The value, also when a panicking test left it locked.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Front {
    pub fn new(clock: Clock, world: World) -> Arc<Self> {
        let limits = world.options.limits.clone();
        let journal = Mutex::new(Journal::new(limits.journal));
        Arc::new(Self { clock, world: Mutex::new(world), journal, script: Mutex::default(), limits })
    }

    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Works on the world as it is now: time has passed for everything in it.
    pub fn world<T>(&self, work: impl FnOnce(&mut World) -> T) -> T {
        let mut world = lock(&self.world);
        world.tick(self.clock.now_ms());
        work(&mut world)
    }

    /// Answers one call.
    pub async fn call(&self, request: Request) -> Outcome {
        if request.path.starts_with("/__sim") {
            return Outcome::Answer(control::answer(self, &request));
        }
        let seq = lock(&self.journal).arrived(&request, self.clock.now_ms());
        let fault = lock(&self.script).meet(&request);
        match fault {
            None => {
                let answer = self.apply(seq, &request);
                lock(&self.journal).answered(seq, &answer);
                Outcome::Answer(answer)
            }
            Some(fault) => self.faulty(seq, &request, fault).await,
        }
    }

    fn apply(&self, seq: u64, request: &Request) -> Answer {
        let answer = self.world(|world| route::answer(world, request));
        if let Some(entry) = lock(&self.journal).entry(seq) {
            entry.applied = answer.status < 400;
        }
        answer
    }

    async fn faulty(&self, seq: u64, request: &Request, fault: Fault) -> Outcome {
        if let Some(entry) = lock(&self.journal).entry(seq) {
            entry.fault = Some(fault.name.clone());
        }
        tokio::time::sleep(Duration::from_millis(fault.delay_before_ms)).await;
        let real = if fault.applies() { self.apply(seq, request) } else { Answer::empty(200) };
        tokio::time::sleep(Duration::from_millis(fault.delay_after_ms)).await;
        if let Some(Reset::Before | Reset::After) = fault.reset {
            return Outcome::Reset;
        }
        let answer = fault.distort(real);
        lock(&self.journal).answered(seq, &answer);
        Outcome::Answer(answer)
    }
}

impl Front {
    /// Time passes faster. Every state machine takes its steps on the way, one after the other.
    pub fn advance(&self, ms: i64) {
        self.clock.advance_ms(ms);
        // A step that becomes due may make the next one due as well: LIVE_STOPPED, PROCESSING, VOD.
        for _ in 0..4 {
            self.world(|_| ());
        }
    }

    /// Back to the beginning, clock aside.
    pub fn reset(&self) {
        lock(&self.script).clear();
        lock(&self.journal).clear();
        self.world(World::reset);
    }
}
