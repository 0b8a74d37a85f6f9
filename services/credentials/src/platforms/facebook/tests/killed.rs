//! The process dies at any step, and goes on with what was saved: one live video, which can be published to and ended.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use platform_sim::Fault;

use super::{bench::Bench, media::Live};
use crate::{
    http,
    platforms::{Lifecycle, State},
};

/// More than any preparation has.
const MOST_STEPS: u32 = 40;

/// Goes on after the death, and sees what is there.
async fn goes_on(mut bench: Bench, died_at: &str) {
    bench.restart(http::Options::default());
    let ready = bench.prepare(&bench.run).await.unwrap_or_else(|failure| panic!("{died_at}: {failure:?}"));
    assert_eq!(bench.open().len(), 1, "{died_at}");
    let _live = Live::start(&ready.rtmp_url, &bench.key().await).await.unwrap();
    bench.run.publishing_ms = bench.sim.now_ms();
    bench.until_state(State::Live).await;
    bench.finish().await.unwrap();
    assert_eq!(bench.open(), [], "{died_at}");
}

/// A destination that has an earlier live video to end, so that every step is met.
async fn with_an_earlier_one() -> Bench {
    let mut bench = Bench::start().await.on_page();
    bench.prepare(&bench.run).await.unwrap();
    bench.run.take += 1;
    bench
}

#[tokio::test]
async fn at_any_step_of_book_and_vault() {
    let mut deaths = 0;
    for step in 1..MOST_STEPS {
        let bench = with_an_earlier_one().await;
        bench.trap.left.store(step, Ordering::SeqCst);
        let died = tokio::select! {
            ready = bench.facebook.prepare(&bench.run) => { ready.unwrap(); false }
            () = bench.trap.caught.notified() => true,
        };
        bench.trap.left.store(0, Ordering::SeqCst);
        if !died {
            break;
        }
        deaths += 1;
        goes_on(bench, &format!("step {step}")).await;
    }
    assert!((6..MOST_STEPS - 1).contains(&deaths), "{deaths}");
}

/// The `call`th call to Facebook is held: before it is done, or before its answer comes. Then the process dies.
async fn dies_at_call(bench: &Bench, call: u32, before: bool) -> bool {
    let (held, no) = (Duration::from_millis(700), Duration::ZERO);
    let (first, last) = if before { (held, no) } else { (no, held) };
    let fault = Fault { method: None, ..Fault::on("", "/graph/*") };
    bench.sim.fault(fault.nth(call).delay(first, last));
    let held = async {
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            let met = bench.sim.faults()[0].1 == 1;
            let applied = bench.journal().iter().any(|entry| entry.fault.is_some() && entry.applied);
            if met && (before || applied) {
                return;
            }
            assert!(Instant::now() < end);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        biased;
        ready = bench.facebook.prepare(&bench.run) => { ready.unwrap(); bench.sim.faults()[0].1 == 1 }
        () = held => true,
    }
}

async fn at_any_call(before: bool) {
    let mut deaths = 0;
    for call in 1..MOST_STEPS {
        let mut bench = with_an_earlier_one().await;
        bench.restart(http::Options::default());
        if !dies_at_call(&bench, call, before).await {
            break;
        }
        deaths += 1;
        // What is still under way gets done, whether its caller lives or not.
        let end = Instant::now() + Duration::from_secs(5);
        while bench.journal().iter().any(|entry| !entry.applied) && Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bench.sim.clear_faults();
        goes_on(bench, &format!("call {call}, before: {before}")).await;
    }
    assert!((4..MOST_STEPS - 1).contains(&deaths), "{deaths}");
}

#[tokio::test]
async fn at_any_call_before_it_is_done() {
    at_any_call(true).await;
}

#[tokio::test]
async fn at_any_call_before_its_answer() {
    at_any_call(false).await;
}

#[tokio::test]
async fn before_anything_is_prepared_again_the_end_finds_it() {
    let bench = Bench::start().await.on_page();
    assert!(dies_at_call(&bench, 2, false).await); // the create
    assert_eq!(bench.lives().len(), 1);
    assert!(bench.progress()["live_video_id"].is_null());
    bench.sim.clear_faults();
    bench.finish().await.unwrap();
    assert_eq!(bench.lives(), []);
}
