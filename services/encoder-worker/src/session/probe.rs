//! Tests a destination: resolve, connect, TLS, RTMP connect, publish; no media. Says which step failed and why.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use domain::{fault::Fault, target::Scheme};
use media::rtmp::publisher::{self, Gate, Opened, PublishError, Step};
use tokio::sync::Notify;
use tracing::Span;
use wire::v1::{TestDestinationResponse, TestStep};

use super::{finish, spec::Spec};
use crate::{
    fault,
    gate::SessionGate,
    sink::{resolve::resolve, target::Target},
    work::{clients::TargetError, context::Context},
};

/// The whole test, so that the person who asked gets an answer.
const LIMIT: Duration = Duration::from_secs(12);
/// How long the result is offered to the orchestrator.
const HAND_IN: u32 = 5;

/// Runs the test and hands its result in.
pub async fn run(context: Arc<Context>, spec: Spec, gate: Arc<SessionGate>, start: Span) {
    let tried = tokio::time::timeout(LIMIT, test(&context, &spec)).await;
    let steps = tried.unwrap_or_else(|_| {
        let fault = fault::of_publish(&PublishError::Timeout(Step::Connect), false);
        vec![failed("connect", LIMIT, fault)]
    });
    let result = TestDestinationResponse { ok: steps.iter().all(|step| step.ok), steps };
    tracing::info!(parent: &start, ok = result.ok, steps = result.steps.len(), "destination tested");
    for _ in 0..HAND_IN {
        match context.clients.finish_test(&spec, result.clone()).await {
            Ok(()) => break,
            Err(status) => tracing::warn!(code = ?status.code(), "test result not handed in"),
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    gate.shut();
    finish::give_back(&context, &spec).await;
}

async fn test(context: &Context, spec: &Spec) -> Vec<TestStep> {
    let began = Instant::now();
    let target = match target(context, spec).await {
        Ok(target) => target,
        Err(fault) => return vec![failed("resolve", began.elapsed(), fault)],
    };
    let url = target.url(0).clone();
    let addresses = match resolve(&url, context.policy).await {
        Ok(addresses) => addresses,
        Err(error) => return vec![failed("resolve", began.elapsed(), error.fault(false))],
    };
    let mut steps = vec![passed("resolve", began.elapsed())];
    let Some(addr) = addresses.first().copied() else { return steps };
    let secure = url.scheme == Scheme::Rtmps;
    let place = publisher::Target { url, key: target.key, addr };
    steps.extend(shake_hands(context, place, secure, spec.skip_publish).await);
    steps
}

async fn target(context: &Context, spec: &Spec) -> Result<Target, Fault> {
    let Some(destination) = spec.destination else { return Err(fault::key_missing()) };
    loop {
        match context.clients.target(destination, spec.session, spec.epoch).await {
            Ok(target) => return Ok(target),
            Err(TargetError::Missing(fault)) => return Err(fault),
            Err(TargetError::NotOwner) => return Err(fault::key_missing()),
            Err(TargetError::Unavailable) => tokio::time::sleep(Duration::from_millis(300)).await,
        }
    }
}

async fn shake_hands(context: &Context, place: publisher::Target, secure: bool, skip_publish: bool) -> Vec<TestStep> {
    let stop = Arc::new(Threshold::default());
    let mut options = context.publish.clone();
    options.gate = Some(stop.clone());
    let done = Mutex::new(Vec::new());
    let began = Instant::now();
    let connecting = publisher::connect(place, options, |step, took| {
        if step == Step::RtmpConnect && skip_publish {
            stop.reached();
        }
        lock(&done).push((step, took));
    });
    let outcome = tokio::select! {
        biased;
        () = stop.wait() => Ok(None),
        connected = connecting => connected.map(Some),
    };
    let done = std::mem::take(&mut *lock(&done));
    let last = done.last().map(|(step, _)| *step);
    let mut steps = named(&done);
    match outcome {
        Ok(Some(publisher)) => drop(publisher.close().await),
        Ok(None) => {}
        Err(error) => {
            let spent: Duration = done.iter().map(|(_, took)| *took).sum();
            let took = began.elapsed().saturating_sub(spent);
            steps.push(failed(after(last, secure), took, fault::of_publish(&error, false)));
        }
    }
    steps
}

/// The handshake is no step of its own in the answer: its time counts to `rtmp_connect`.
fn named(done: &[(Step, Duration)]) -> Vec<TestStep> {
    let handshake = done.iter().find(|(step, _)| *step == Step::Handshake).map_or(Duration::ZERO, |(_, took)| *took);
    done.iter()
        .filter(|(step, _)| *step != Step::Handshake)
        .map(|(step, took)| passed(step.as_str(), if *step == Step::RtmpConnect { *took + handshake } else { *took }))
        .collect()
}

/// The step that follows the last that went well.
fn after(last: Option<Step>, secure: bool) -> &'static str {
    match last {
        None => "connect",
        Some(Step::Connect) if secure => "tls",
        Some(Step::Connect | Step::Tls | Step::Handshake) => "rtmp_connect",
        Some(Step::RtmpConnect | Step::Publish | Step::Live) => "publish",
    }
}

fn passed(name: &str, took: Duration) -> TestStep {
    TestStep { name: name.to_owned(), ok: true, took_ms: ms(took), fault: None }
}

fn failed(name: &str, took: Duration, fault: Fault) -> TestStep {
    TestStep { name: name.to_owned(), ok: false, took_ms: ms(took), fault: Some(fault.into()) }
}

fn ms(took: Duration) -> u32 {
    u32::try_from(took.as_millis()).unwrap_or(u32::MAX)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A gate that closes when the threshold is reached: the destination is live, and a second publish would harm it.
#[derive(Default)]
struct Threshold {
    closed: AtomicBool,
    notify: Notify,
}

impl Threshold {
    fn reached(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.notify.notify_one();
    }

    async fn wait(&self) {
        self.notify.notified().await;
    }
}

impl Gate for Threshold {
    fn is_open(&self) -> bool {
        !self.closed.load(Ordering::SeqCst)
    }

    fn opened(self: Arc<Self>) -> Opened {
        Box::pin(std::future::pending())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_failing_step_is_the_next_one() {
        assert_eq!(after(None, false), "connect");
        assert_eq!(after(Some(Step::Connect), true), "tls");
        assert_eq!(after(Some(Step::Connect), false), "rtmp_connect");
        assert_eq!(after(Some(Step::Handshake), false), "rtmp_connect");
        assert_eq!(after(Some(Step::RtmpConnect), false), "publish");
    }

    #[test]
    fn the_handshake_counts_to_rtmp_connect() {
        let time = Duration::from_millis;
        let steps = named(&[(Step::Connect, time(1)), (Step::Handshake, time(5)), (Step::RtmpConnect, time(7))]);
        let shown: Vec<_> = steps.iter().map(|step| (step.name.as_str(), step.took_ms)).collect();
        assert_eq!(shown, [("connect", 1), ("rtmp_connect", 12)]);
    }
}
