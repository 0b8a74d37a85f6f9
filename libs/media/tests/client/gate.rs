//! While the gate is shut, and after an abort, not a byte leaves.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use media::rtmp::publisher::{self, Gate, Opened, PublishError, Shut};
use testkit::{
    Proxy, Sink,
    sink::{self, Certificate, TestCa},
    wait,
};
use tokio::sync::Notify;

use crate::support::{SOON, Synthetic, feed, options, publish, target};

#[derive(Default)]
struct Barrier {
    shut: AtomicBool,
    lost: AtomicBool,
    changed: Notify,
}

impl Barrier {
    fn set(&self, shut: bool) {
        self.shut.store(shut, Ordering::SeqCst);
        self.changed.notify_waiters();
    }
}

impl Gate for Barrier {
    fn is_open(&self) -> bool {
        !self.shut.load(Ordering::SeqCst)
    }

    fn opened(self: Arc<Self>) -> Opened {
        Box::pin(async move {
            loop {
                let changed = self.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if self.lost.load(Ordering::SeqCst) {
                    return Err(Shut);
                }
                if self.is_open() {
                    return Ok(());
                }
                changed.await;
            }
        })
    }
}

/// Through a proxy, so that raw bytes are counted (records and alerts of TLS too).
async fn a_shut_gate_holds_everything(tls: bool) {
    let ca = TestCa::new().unwrap();
    let tls = tls.then(|| (ca.clone(), Certificate::Valid));
    let sink = Sink::start_with(sink::Options { tls, ..sink::Options::default() }).await.unwrap();
    let proxy = Proxy::start(sink.addr()).await.unwrap();
    let gate = Arc::new(Barrier::default());
    let mut options = options();
    options.trust = media::rtmp::tls::Trust::system(Some(ca.file())).unwrap();
    options.gate = Some(gate.clone());
    let mut publisher = publisher::connect(target(&sink.url(), proxy.addr()), options, |_, _| {}).await.unwrap();
    let mut frames = 0;
    feed(&mut publisher, 2_000, |_, _| {
        frames += 1;
        frames > 30
    })
    .await
    .unwrap();
    let written = publisher.written();
    wait::until_true("all through", SOON, async || publisher.acked() == written).await.unwrap();

    gate.set(true);
    wait::until_true("quiet", SOON, async || sink.look(|seen| seen[0].bytes) == written).await.unwrap();
    let before = proxy.forwarded().0;
    let shut = feed(&mut publisher, 2_000, |_, _| false);
    assert!(tokio::time::timeout(Duration::from_secs(6), shut).await.is_err(), "held, not failed");
    assert_eq!((proxy.forwarded().0, sink.look(|seen| seen[0].bytes)), (before, written));
    assert!(publisher.waiting() > 100_000, "there was something to send: {}", publisher.waiting());

    gate.set(false);
    publisher.flush().await.unwrap();
    let written = publisher.written();
    let arrived = |seen: &[sink::Seen]| (seen[0].bytes == written).then_some(());
    sink.wait_for("what was held", SOON, arrived).await.unwrap();

    gate.set(true);
    gate.lost.store(true, Ordering::SeqCst);
    let error = feed(&mut publisher, 2_000, |_, _| false).await.unwrap_err();
    assert!(matches!(error, PublishError::Fenced(_)), "{error:?}");
    drop(publisher);
    sink.wait_for("the end", SOON, |seen| seen[0].ended).await.unwrap();
    assert_eq!(sink.look(|seen| seen[0].bytes), written);
}

#[tokio::test]
async fn a_shut_gate_holds_everything_in_the_clear() {
    a_shut_gate_holds_everything(false).await;
}

#[tokio::test]
async fn a_shut_gate_holds_everything_under_tls() {
    a_shut_gate_holds_everything(true).await;
}

#[tokio::test]
async fn a_gate_shut_from_the_start_lets_not_even_a_handshake_out() {
    let sink = Sink::start().await.unwrap();
    let gate = Arc::new(Barrier::default());
    gate.set(true);
    let mut options = options();
    options.gate = Some(gate);
    options.step_timeout = Duration::from_millis(500);
    let error = publisher::connect(target(&sink.url(), sink.addr()), options, |_, _| {}).await.unwrap_err();
    assert!(matches!(error, PublishError::Timeout(_)), "{error:?}");
    sink.wait_for("the end", SOON, |seen| seen[0].ended).await.unwrap();
    assert_eq!(sink.look(|seen| seen[0].bytes), 0);
}

/// The sink reads slowly enough that megabytes would still be on their way; none of it comes after the abort.
#[tokio::test]
async fn an_abort_sends_nothing_more() {
    let options = sink::Options { receive_buffer: Some(8 << 10), ..sink::Options::default() };
    let sink = Sink::start_with(options).await.unwrap();
    let mut publisher = publish(&sink.url(), sink.addr()).await.unwrap();
    for tag in Synthetic::headers() {
        publisher.send(&tag).await.unwrap();
    }
    publisher.flush().await.unwrap();
    sink.wait_for("the start", SOON, |seen| seen[0].first_media).await.unwrap();
    sink.freeze();
    let mut source = Synthetic::new(20_000);
    while publisher.waiting() < 200_000 {
        for tag in source.next() {
            publisher.send(&tag).await.unwrap();
        }
    }
    let (written, acked) = (publisher.written(), publisher.acked());
    assert!(written - acked > 10_000, "the kernel must hold something: {acked} of {written}");
    publisher.abort();
    sink.thaw();
    sink.wait_for("the end", SOON, |seen| seen[0].ended).await.unwrap();
    let seen = sink.seen().remove(0);
    assert_eq!(seen.ended.map(|ended| ended.1), Some(sink::End::Reset));
    // What was in flight may have arrived; what waited in our kernel must not.
    assert!(seen.bytes < acked + (written - acked) / 2, "{} of {acked}..{written}", seen.bytes);
}
