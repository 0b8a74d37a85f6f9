//! Whatever Facebook, or somebody in its place, answers: no panic, and a failure with a known code.

use std::{fmt::Debug, time::Duration};

use domain::platform_settings::PlatformSettings;
use platform_sim::Fault;
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};

use super::bench::Bench;
use crate::platforms::{Failure, Features, Lifecycle};

const CASES: u32 = 96;
const CODES: [&str; 9] = [
    "account_not_eligible",
    "broadcast_ended",
    "platform_permission_missing",
    "platform_rate_limited",
    "platform_refused",
    "platform_unavailable",
    "reauth_required",
    "account_not_linked",
    "vault_unavailable",
];
/// Names that are read, so that odd values meet the reader.
const NAMES: [&str; 24] = [
    "id",
    "status",
    "title",
    "creation_time",
    "secure_stream_url",
    "stream_url",
    "permalink_url",
    "embed_html",
    "live_views",
    "total_views",
    "seconds_left",
    "ingest_streams",
    "stream_health",
    "video_bitrate",
    "video_gop_size",
    "errors",
    "error",
    "error_code",
    "code",
    "error_subcode",
    "message",
    "video",
    "data",
    "paging",
];

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop_oneof![Just(190), Just(4), Just(200), Just(100), Just(33), Just(2), Just(80_001)].prop_map(Value::from),
        "\\PC{0,40}".prop_map(Value::from),
        "(LIVE|VOD|UNPUBLISHED|7|[0-9]{1,20}|rtmps://h/rtmp/k\\?q|/1/v|2026-11-23T12:00:00\\+0000)"
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((prop::sample::select(&NAMES[..]), inner), 0..10)
                .prop_map(|members| members
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect::<serde_json::Map<_, _>>())
                .prop_map(Value::from),
        ]
    })
}

/// Text is sent as it is, everything else as JSON.
fn answer() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => json_value(),
        1 => "\\PC{0,200}".prop_map(Value::from),
        1 => "<html>\\PC{0,80}</html>".prop_map(Value::from),
        1 => json_value().prop_map(|value| { let text = value.to_string(); Value::from(text.chars().take(text.chars().count() / 2).collect::<String>()) }),
    ]
}

fn typed<T: Debug>(what: Result<T, Failure>) {
    if let Err(failure) = what {
        assert!(CODES.contains(&failure.code()), "{failure:?}");
        let text = &failure.fault.message;
        assert!(!text.is_empty() && text.chars().count() < 600 && !text.chars().any(char::is_control), "{text}");
    }
}

/// A prepared destination, and everything that can be asked of it while Facebook answers `body`.
async fn everything(bench: &Bench, progress: &Value, status: u16, body: Value) {
    bench.sim.clear_faults();
    bench.sim.advance(Duration::from_secs(25 * 3_600)); // no throttle from before, nothing remembered
    let fault = Fault { path: "/graph/v26.0/*".to_owned(), ..Fault::default() };
    bench.sim.fault(fault.answer(status, body).times(0));
    let put = |progress: &Value| bench.shelf.lock().unwrap().insert(1, progress.clone());
    for known in [progress, &json!({})] {
        put(known);
        typed(bench.facebook.prepare(&bench.run).await);
    }
    let looks = bench.facebook.look(std::slice::from_ref(&bench.run), bench.sim.now_ms()).await;
    looks.into_iter().for_each(typed);
    put(progress);
    typed(bench.facebook.embed(&bench.run).await);
    typed(bench.facebook.insights(&bench.run).await);
    typed(bench.facebook.pages(&bench.run).await);
    let changes = PlatformSettings { title: Some("New".to_owned()), ..PlatformSettings::default() };
    typed(bench.facebook.apply(&bench.run, &changes).await);
    typed(bench.facebook.finish(&bench.run).await);
}

async fn prepared() -> (Bench, Value) {
    let mut bench = Bench::start().await.on_page();
    bench.prepare(&bench.run).await.unwrap();
    bench.run.publishing_ms = bench.run.run_ms;
    let progress = bench.progress();
    (bench, progress)
}

#[test]
fn any_answer() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (bench, progress) = runtime.block_on(prepared());
    let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
    let status = prop_oneof![3 => Just(200_u16), 1 => Just(400), 1 => Just(403), 1 => Just(500), 1 => Just(302)];
    let result = runner.run(&(status, answer()), |(status, body)| {
        runtime.block_on(everything(&bench, &progress, status, body));
        Ok(())
    });
    result.unwrap();
}

#[tokio::test]
async fn ten_megabytes_and_ten_thousand_levels() {
    let (bench, progress) = prepared().await;
    let endless = format!("{{\"id\":\"{}\"}}", "7".repeat(10 << 20));
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    for body in [endless, deep, String::new(), "null".to_owned(), "\u{0}".to_owned(), "{\"error\":null}".to_owned()] {
        everything(&bench, &progress, 200, Value::from(body)).await;
    }
}
