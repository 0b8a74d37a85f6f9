//! Asks Facebook what is true, and takes the step to live when a picture is there.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use domain::platform::Platform;
use futures::{StreamExt, stream};
use tokio::time::timeout;

use super::{
    Facebook,
    decide::{self, Ours, SOONEST, decide},
    graph::{Answer, Call},
    object::{Object, Status},
    progress::Progress,
    refusal::Refusal,
    session::Session,
};
use crate::{
    http::Trouble,
    platforms::{Failure, Repair, Run, State, Truth},
};

const FIELDS: &str = "id,status,live_views,permalink_url,seconds_left,ingest_streams,errors";
/// Calls of one account at a time.
const AT_A_TIME: usize = 8;
/// One look with all its calls. Below the caller's patience, so that one slow answer does not spoil the others'.
const LONGEST: Duration = Duration::from_secs(6);
/// Nothing is published yet, so Facebook is not asked. The caller looks anew when that changes.
const IDLE: Duration = Duration::from_secs(5);
/// Facebook measures nothing sooner after media begins; a look in vain would cost [`SOONEST`].
const FIRST: Duration = Duration::from_millis(1_100);
/// Looks remembered; beyond that all are forgotten.
const REMEMBERED: usize = 4_096;

/// The last look at each live video: nobody asks about one again within [`SOONEST`].
#[derive(Default)]
pub(super) struct Recent(Mutex<HashMap<String, (i64, Truth)>>);

impl Recent {
    fn fresh(&self, id: &str, now_ms: i64) -> Option<Truth> {
        let looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, truth) = looks.get(id)?;
        let left = SOONEST.checked_sub(Duration::from_millis(u64::try_from(now_ms - at).ok()?))?;
        // A connection that was made anew meanwhile must not be made anew again.
        let is_reconnect = truth.repair == Some(Repair::Reconnect);
        let repair = truth.repair.filter(|_| !is_reconnect);
        let fault = truth.fault.clone().filter(|_| !is_reconnect);
        (!left.is_zero()).then(|| Truth { again: Some(left), repair, fault, ..truth.clone() })
    }

    fn keep(&self, id: &str, now_ms: i64, truth: &Truth) {
        let mut looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if looks.len() >= REMEMBERED {
            looks.clear();
        }
        looks.insert(id.to_owned(), (now_ms, truth.clone()));
    }
}

/// See [`crate::platforms::Lifecycle::look`].
pub(super) async fn look(facebook: &Facebook, runs: &[Run], now_ms: i64) -> Vec<Result<Truth, Failure>> {
    let in_time = async |run| {
        let look = timeout(LONGEST, one(facebook, run, now_ms)).await;
        look.unwrap_or_else(|_| Err(Failure::trouble(Platform::Facebook, Trouble::Nonsense)))
    };
    let looks: Vec<_> = runs.iter().map(in_time).collect();
    stream::iter(looks).buffered(AT_A_TIME).collect().await
}

async fn one(facebook: &Facebook, run: &Run, now_ms: i64) -> Result<Truth, Failure> {
    let progress = Progress::of(run);
    let (Some(target), Some(id)) = (&progress.target, progress.open().filter(|_| progress.is_of(run))) else {
        return Ok(Truth { again: Some(SOONEST), ..Truth::default() });
    };
    if let Some(pause) = too_early(run, &progress, now_ms) {
        return Ok(Truth { state: State::Waiting, again: Some(pause), ..Truth::default() });
    }
    if let Some(truth) = facebook.recent.fresh(id, now_ms) {
        return Ok(truth);
    }
    let session = Session { facebook, run, target };
    let truth = ask(session, id, &progress, now_ms).await?;
    facebook.recent.keep(id, now_ms, &truth);
    Ok(truth)
}

/// Until when Facebook can't have seen anything.
fn too_early(run: &Run, progress: &Progress, now_ms: i64) -> Option<Duration> {
    match (progress.media_ms, run.publishing_ms) {
        (Some(_), _) => None,
        (None, 0) => Some(IDLE),
        (None, since) => {
            // A clock that is ahead of ours must not keep us waiting.
            let since = Duration::from_millis(u64::try_from(now_ms - since).ok()?);
            FIRST.checked_sub(since).filter(|left| !left.is_zero())
        }
    }
}

async fn ask(session: Session<'_>, id: &str, before: &Progress, now_ms: i64) -> Result<Truth, Failure> {
    let mut progress = before.clone();
    let Some((mut object, answer)) = read(session, id).await? else { return Ok(decide::gone()) };
    let mut ours = Ours {
        now_ms,
        publishing_ms: session.run.publishing_ms,
        media_ms: note(&mut progress, &object, now_ms),
        planned_ms: progress.planned_ms,
        percent: answer.usage.percent,
    };
    let (mut truth, go) = decide(&object, ours);
    if go {
        match go_live(session, id).await {
            Ok(()) => {
                let Some((later, answer)) = read(session, id).await? else { return Ok(decide::gone()) };
                ours.percent = answer.usage.percent;
                (object, progress.published) = (later, true);
                (truth, _) = decide(&object, ours);
            }
            Err(failure) => hold(&mut truth, failure),
        }
    }
    progress.published |= object.status == Status::Live;
    if progress != *before {
        progress.save(session.run).await?;
    }
    Ok(truth)
}

/// Remembers when media was first seen.
fn note(progress: &mut Progress, object: &Object, now_ms: i64) -> Option<i64> {
    if progress.media_ms.is_none() && (object.has_picture() || object.status == Status::Live) {
        progress.media_ms = Some(now_ms);
    }
    progress.media_ms
}

/// Idempotent: the next look reads again, and asks again if Facebook has not done it.
async fn go_live(session: Session<'_>, id: &str) -> Result<(), Failure> {
    match session.call(&Call::post(id).with("status", "LIVE_NOW")).await {
        Ok(_) => Ok(()),
        Err(refusal) => {
            let failure = Failure::from(refusal);
            // It may have been done: reading tells.
            if failure.ambiguous { Ok(()) } else { Err(failure) }
        }
    }
}

/// It is not live, and why.
fn hold(truth: &mut Truth, failure: Failure) {
    if !failure.is_transient() {
        truth.repair = Some(Repair::Ask);
    }
    truth.again = Some(failure.after.unwrap_or(SOONEST).max(SOONEST));
    truth.fault = Some(failure.fault);
}

async fn read(session: Session<'_>, id: &str) -> Result<Option<(Object, Answer)>, Failure> {
    match session.call(&Call::get(id, FIELDS)).await {
        Ok(answer) => match Object::read(&answer.body) {
            Some(object) => Ok(Some((object, answer))),
            None => Err(Failure { ambiguous: false, ..Failure::trouble(Platform::Facebook, Trouble::Nonsense) }),
        },
        Err(Refusal::Gone) => Ok(None),
        Err(refusal) => Err(refusal.into()),
    }
}
