//! A platform that does what the test says, and notes what it is asked.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use domain::platform::Platform;
use secret::StreamKey;
use serde_json::json;
use tokio::sync::Semaphore;
use uuid::Uuid;
use wire::v1;

use crate::platforms::{Failure, Features, Lifecycle, Ready, Run, State, Truth};

/// What the platform has: broadcasts by destination, the ended ones with `false`.
#[derive(Default)]
pub(super) struct Script {
    pub(super) broadcasts: Mutex<BTreeMap<(Uuid, i64), Vec<bool>>>,
    pub(super) journal: Mutex<Vec<String>>,
    /// Preparations stop between the platform's answer and its note, until the test lets them go.
    pub(super) is_gated: AtomicBool,
    pub(super) gate: Gate,
    pub(super) at_gate: AtomicUsize,
    pub(super) truth: Mutex<Option<Result<Truth, Failure>>>,
    pub(super) refusal: Mutex<Option<Failure>>,
    working: Mutex<HashSet<Uuid>>,
    pub(super) overlaps: AtomicUsize,
    pub(super) looks: AtomicUsize,
}

pub(super) struct Gate(pub(super) Semaphore);

impl Default for Gate {
    fn default() -> Self {
        Self(Semaphore::new(0))
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Notes when two calls work on one destination.
struct Working<'a>(&'a Script, Vec<Uuid>);

impl<'a> Working<'a> {
    fn on(script: &'a Script, runs: &[Run]) -> Self {
        let ids: Vec<Uuid> = runs.iter().map(|run| run.destination.0).collect();
        for id in &ids {
            if !lock(&script.working).insert(*id) {
                script.overlaps.fetch_add(1, Ordering::Relaxed);
            }
        }
        Self(script, ids)
    }
}

impl Drop for Working<'_> {
    fn drop(&mut self) {
        lock(&self.0.working).retain(|id| !self.1.contains(id));
    }
}

impl Script {
    pub(super) fn note(&self, what: String) {
        lock(&self.journal).push(what);
    }

    pub(super) fn count(&self, what: &str) -> usize {
        lock(&self.journal).iter().filter(|line| line.starts_with(what)).count()
    }

    /// (made, still open)
    pub(super) fn made(&self) -> (usize, usize) {
        let broadcasts = lock(&self.broadcasts);
        let all = broadcasts.values().flatten();
        (all.clone().count(), all.filter(|open| **open).count())
    }

    pub(super) fn says(&self, truth: Result<Truth, Failure>) {
        *lock(&self.truth) = Some(truth);
    }

    fn end(&self, id: Uuid, run_ms: i64) {
        for ((_, _), open) in lock(&self.broadcasts).iter_mut().filter(|((of, run), _)| *of == id && *run == run_ms) {
            open.fill(false);
        }
    }
}

pub(super) fn live(again: Duration) -> Truth {
    Truth { state: State::Live, viewers: 3, again: Some(again), ..Truth::default() }
}

/// Under the name of Twitch.
pub(super) struct Scripted(pub(super) Arc<Script>);

#[tonic::async_trait]
impl Lifecycle for Scripted {
    fn platform(&self) -> Platform {
        Platform::Twitch
    }

    async fn prepare(&self, run: &Run) -> Result<Ready, Failure> {
        let (script, id, take) = (&self.0, run.destination.0, i64::from(run.take));
        let _working = Working::on(script, std::slice::from_ref(run));
        script.note(format!("prepare {} {}", run.run_ms, run.take));
        if let Some(refusal) = lock(&script.refusal).clone() {
            return Err(refusal);
        }
        let before = run.book.progress();
        let which = run.run_ms + take;
        if let Some(old) = before["id"].as_i64().filter(|old| *old != which) {
            script.end(id, old);
        }
        if before["id"] != which {
            // The list before a repeated write.
            let exists = before["intent"] == which && lock(&script.broadcasts).contains_key(&(id, which));
            if !exists {
                run.book.save(&json!({ "intent": which })).await?;
                lock(&script.broadcasts).entry((id, which)).or_default().push(true);
            }
            if script.is_gated.load(Ordering::Relaxed) {
                script.at_gate.fetch_add(1, Ordering::Relaxed);
                script.gate.0.acquire().await.expect("open").forget();
            }
            run.book.save(&json!({ "id": which })).await?;
        }
        run.book.keep_key(&StreamKey::new(format!("live_{which}")).expect("a key")).await?;
        Ok(Ready {
            rtmp_url: format!("rtmps://ingest.example/{which}"),
            backup_urls: vec!["rtmps://backup.example/app".to_owned()],
            playback_url: "https://watch.example".to_owned(),
            notes: vec!["a note".to_owned()],
        })
    }

    async fn look(&self, runs: &[Run], _now_ms: i64) -> Vec<Result<Truth, Failure>> {
        let _working = Working::on(&self.0, runs);
        tokio::task::yield_now().await;
        self.0.note(format!("look {}", runs.len()));
        self.0.looks.fetch_add(runs.len(), Ordering::Relaxed);
        let truth = lock(&self.0.truth).clone();
        let waiting = || Ok(Truth { state: State::Waiting, again: Some(Duration::from_mins(1)), ..Truth::default() });
        runs.iter().map(|_| truth.clone().unwrap_or_else(waiting)).collect()
    }

    async fn finish(&self, run: &Run) -> Result<(), Failure> {
        let _working = Working::on(&self.0, std::slice::from_ref(run));
        self.0.note(format!("finish {:?}", run.settings.on_stop));
        if let Some(refusal) = lock(&self.0.refusal).clone() {
            return Err(refusal);
        }
        if let Some(which) = run.book.progress()["id"].as_i64() {
            self.0.end(run.destination.0, which);
        }
        run.book.save(&json!({})).await
    }
}

#[tonic::async_trait]
impl Features for Scripted {
    fn platform_of_features(&self) -> Platform {
        Platform::Twitch
    }

    async fn channel(&self, run: &Run) -> Result<v1::Channel, Failure> {
        let title = run.book.progress()["id"].to_string();
        Ok(v1::Channel { id: run.run_ms.to_string(), title, ..Default::default() })
    }

    async fn apply(
        &self,
        run: &Run,
        changes: &domain::platform_settings::PlatformSettings,
    ) -> Result<crate::platforms::Applied, Failure> {
        self.0.note(format!("apply {:?} {:?}", run.settings.title, changes.title));
        Ok(crate::platforms::Applied { applied: vec!["title".to_owned()], later: Vec::new() })
    }
}
