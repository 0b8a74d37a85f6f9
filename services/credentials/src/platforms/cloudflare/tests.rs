//! A live input's life against the simulator.

use std::{sync::Arc, time::Duration};

use domain::platform_settings::PlatformSettings;
use platform_sim::{Fault, Limits, Options, Reset, Sim, errors};
use serde_json::{Value, json};
use service_kit::{Clock, ManualClock, SystemClock};

use super::*;
use crate::platforms::{
    Book, Features, Judgement, Repair, State,
    testing::{Given, Live, Log, Memory as Kept, assert_contract, http, life, odd_answers, run, until},
};

const CREATE: (&str, &str) = ("POST", "/cloudflare/client/v4/accounts/*/stream/live_inputs");
const INPUTS: &str = "/cloudflare/client/v4/accounts";
const PATIENT: Duration = Duration::from_secs(5);

struct World {
    sim: Sim,
    cloudflare: Cloudflare,
    run: Run,
    book: Arc<Kept>,
    tokens: Arc<Given>,
}

impl World {
    async fn start() -> Self {
        Self::with(Options::default(), PATIENT, Arc::new(SystemClock)).await
    }

    /// Without Cloudflare's limit of calls.
    async fn unlimited() -> Self {
        let limits = Limits { cloudflare_calls: 100_000, ..Limits::default() };
        Self::with(Options { limits, ..Options::default() }, PATIENT, Arc::new(SystemClock)).await
    }

    async fn with(options: Options, total: Duration, clock: Arc<dyn Clock>) -> Self {
        let sim = Sim::start(options).await.unwrap();
        let account = sim.account("alice")["cloudflare"].clone();
        let of = |name: &str| account[name].as_str().unwrap().to_owned();
        let tokens = Given::new([of("api_token")]);
        let (run, book) = run(tokens.clone(), None);
        let cloudflare = cloudflare(&sim, &of("account_id"), http(total), clock);
        Self { sim, cloudflare, run, book, tokens }
    }

    /// As if our media had been acknowledged `ms` ago.
    async fn look_after(&self, ms: i64) -> Truth {
        let mut run = self.run.clone();
        run.publishing_ms = 1;
        self.cloudflare.look(&[run], 1 + ms).await.remove(0).unwrap()
    }

    async fn look(&self) -> Truth {
        self.look_after(1_000).await
    }

    async fn prepared(&self) -> Ready {
        self.cloudflare.prepare(&self.run).await.unwrap()
    }

    async fn until_prepared(&self) -> Ready {
        let ask = async || self.cloudflare.prepare(&self.run).await;
        until("prepared", ask, Result::is_ok).await.unwrap()
    }

    async fn publish(&self, ready: &Ready) -> Live {
        Live::start(&ready.rtmp_url, &self.book.stored().unwrap()).await.unwrap()
    }

    fn inputs(&self) -> Vec<Value> {
        self.sim.state()["cloudflare"]["inputs"].as_array().unwrap().clone()
    }

    fn settings(&mut self, settings: Value) {
        self.run.settings = serde_json::from_value(settings).unwrap();
    }
}

fn cloudflare(sim: &Sim, account: &str, http: Http, clock: Arc<dyn Clock>) -> Cloudflare {
    let endpoints = Endpoints {
        api: format!("{}/cloudflare/client/v4", sim.http()),
        customer: format!("{}/cloudflare-customer", sim.http()),
    };
    Cloudflare::new(http, endpoints, account.to_owned(), None, clock)
}

#[tokio::test]
async fn a_whole_life() {
    let mut world = World::start().await;
    world.settings(json!({"on_stop": "disable", "low_latency": true}));
    let ready = world.prepared().await;
    let uid = world.inputs()[0]["uid"].as_str().unwrap().to_owned();
    assert!(ready.playback_url.ends_with(&format!("/{uid}/watch")), "{}", ready.playback_url);
    let idle = world.cloudflare.look(std::slice::from_ref(&world.run), 0).await.remove(0).unwrap();
    assert_eq!(idle.state, State::Waiting);
    assert_eq!(world.look().await.state, State::Waiting);
    let live = world.publish(&ready).await;
    let live_truth = until("live", async || world.look().await, |truth| truth.viewers > 0).await;
    assert_eq!((live_truth.state, live_truth.health), (State::Live, Judgement::Good));
    assert!(live_truth.again.unwrap() > Duration::from_secs(20));
    live.finish().await;
    until("over", async || world.look().await, |truth| truth.state == State::Waiting).await;
    world.cloudflare.finish(&world.run).await.unwrap();
    assert_eq!(world.look_after(16_000).await.repair, Some(Repair::Ask), "disabled");
    assert_contract(&world.sim);
    let account = world.sim.account("alice")["cloudflare"]["account_id"].as_str().unwrap().to_owned();
    let mut calls = world.sim.journal();
    calls.retain({
        // Looks repeat as often as they must; each kind is shown once.
        let mut seen = std::collections::HashSet::new();
        move |entry| seen.insert(entry.line())
    });
    let destination = world.run.destination.to_string();
    insta::assert_snapshot!(life(&calls, &[(&uid, "UID"), (&account, "ACCOUNT"), (&destination, "DESTINATION")]));
}

#[tokio::test]
async fn the_same_input_serves_every_run() {
    let mut world = World::start().await;
    let first = world.prepared().await;
    (world.run.run_ms, world.run.take) = (2_000, 0);
    assert_eq!(world.prepared().await, first);
    assert_eq!(world.sim.calls("PUT", INPUTS).len(), 0, "nothing differed");
    world.settings(json!({"recording": false}));
    let silent = world.prepared().await;
    assert_eq!((silent.playback_url.as_str(), silent.notes.len()), ("", 1));
    assert_eq!((world.inputs().len(), &world.inputs()[0]["mode"]), (1, &json!("off")));
    let live = world.publish(&silent).await;
    until("live without recording", async || world.look().await, |truth| truth.state == State::Live).await;
    live.finish().await;
    until("finished", async || world.cloudflare.finish(&world.run).await, Result::is_ok).await.unwrap();
    assert_eq!(world.inputs().len(), 1, "kept");
}

#[tokio::test]
async fn a_late_create_never_makes_two() {
    let quick = Duration::from_millis(300);
    let world = World::with(Options::default(), quick, Arc::new(SystemClock)).await;
    let late = Duration::from_millis(1_200);
    world.sim.fault(Fault::on(CREATE.0, CREATE.1).delay(late, Duration::ZERO));
    assert!(world.cloudflare.prepare(&world.run).await.unwrap_err().ambiguous);
    assert_eq!(world.inputs().len(), 0, "not applied yet");
    let again = world.cloudflare.prepare(&world.run).await.unwrap_err();
    assert!(again.is_transient() && again.after.is_some(), "{again:?}");
    world.until_prepared().await;
    assert_eq!((world.inputs().len(), world.sim.calls("POST", INPUTS).len()), (1, 1));
}

#[tokio::test]
async fn what_was_applied_without_an_answer_is_found() {
    for fault in [
        Fault::on(CREATE.0, CREATE.1).reset(Reset::After),
        Fault { truncate: true, ..Fault::on(CREATE.0, CREATE.1) },
        Fault { apply: Some(true), ..Fault::on(CREATE.0, CREATE.1).answer(503, json!({})) },
    ] {
        let world = World::start().await;
        world.sim.fault(fault);
        assert!(world.cloudflare.prepare(&world.run).await.unwrap_err().ambiguous);
        world.prepared().await;
        assert_eq!((world.inputs().len(), world.sim.calls("POST", INPUTS).len()), (1, 1));
        assert_eq!(world.sim.faults()[0].1, 1, "the fault has happened");
    }
}

#[tokio::test]
async fn a_create_given_up_for_lost_is_tidied_when_it_comes_true() {
    let clock = ManualClock::new(time::OffsetDateTime::UNIX_EPOCH + Duration::from_secs(1_000_000));
    let world = World::with(Options::default(), Duration::from_millis(300), Arc::new(clock.clone())).await;
    world.sim.fault(Fault::on(CREATE.0, CREATE.1).delay(Duration::from_millis(1_000), Duration::ZERO));
    world.cloudflare.prepare(&world.run).await.unwrap_err();
    clock.advance(Duration::from_secs(6));
    let ready = world.prepared().await;
    until("the late one", async || world.inputs().len(), |count| *count == 2).await;
    let live = world.publish(&ready).await;
    until("tidied", async || (world.look().await.state, world.inputs().len()), |seen| *seen == (State::Live, 1)).await;
    live.finish().await;
}

#[tokio::test]
async fn dying_at_any_step_leaves_one_input() {
    // Each write of ours fails once, as when the process dies there.
    for nth in 1..=3 {
        let world = World::start().await;
        world.book.fail(nth);
        world.cloudflare.prepare(&world.run).await.unwrap_err();
        assert!(world.book.failed());
        let ready = world.until_prepared().await;
        assert_eq!(world.inputs().len(), 1, "write {nth}");
        world.publish(&ready).await.finish().await;
    }
    // Each call to Cloudflare is cut off after it was applied.
    for nth in 1..=2 {
        let world = World::start().await;
        let fault = Fault { nth: Some(nth), path: "*".to_owned(), method: None, ..Fault::on("", "") };
        world.sim.fault(fault.delay(Duration::ZERO, PATIENT));
        let applied = async || world.sim.journal().iter().filter(|entry| entry.applied).count();
        tokio::select! {
            _ = world.cloudflare.prepare(&world.run) => panic!("call {nth} was not delayed"),
            _ = until("applied", applied, |count| *count == nth as usize) => {}
        }
        world.until_prepared().await;
        assert_eq!(world.inputs().len(), 1, "call {nth}");
    }
}

#[tokio::test]
async fn a_vanished_input_is_replaced_and_a_disabled_one_enabled() {
    let mut world = World::start().await;
    world.settings(json!({"on_stop": "delete"}));
    let first = world.prepared().await;
    let key = world.book.stored().unwrap();
    let uid = world.inputs()[0]["uid"].as_str().unwrap().to_owned();
    world.cloudflare.api.delete(&world.run, &uid).await.unwrap();
    let truth = world.look().await;
    assert_eq!((truth.state, truth.repair), (State::Ended, Some(Repair::Renew)));
    world.run.take = 1;
    assert_eq!(world.prepared().await.rtmp_url, first.rtmp_url);
    assert_ne!(world.book.stored().unwrap().expose(), key.expose());
    let input = world.cloudflare.api.inputs(&world.run).await.unwrap().remove(0);
    world.cloudflare.api.update(&world.run, &input.uid, &json!({"enabled": false})).await.unwrap();
    assert_eq!(world.look_after(16_000).await.repair, Some(Repair::Ask));
    let ready = world.prepared().await;
    world.publish(&ready).await.finish().await;
    world.cloudflare.finish(&world.run).await.unwrap();
    assert_eq!(world.inputs().len(), 0);
    world.cloudflare.finish(&world.run).await.unwrap();
    world.prepared().await;
    assert_eq!(world.inputs().len(), 1);
}

#[tokio::test]
async fn a_rotated_key_is_taken_over() {
    let world = World::start().await;
    let ready = world.prepared().await;
    let old = world.book.stored().unwrap();
    let live = world.publish(&ready).await;
    let uid = world.inputs()[0]["uid"].as_str().unwrap().to_owned();
    let silent = async || world.cloudflare.look(std::slice::from_ref(&world.run), 0).await.remove(0).unwrap();
    until("live", async || world.look().await, |truth| truth.state == State::Live).await;
    assert_eq!(silent().await.repair, None, "an interruption of another kind");
    let rotate = format!("/live_inputs/{uid}/rotate_keys");
    let _: Option<Value> = world.cloudflare.api.stream(&world.run, reqwest::Method::POST, &rotate, None).await.unwrap();
    live.ended().await;
    assert!(Live::start(&ready.rtmp_url, &old).await.is_err());
    assert_eq!(silent().await.repair, Some(Repair::Renew));
    let ready = world.prepared().await;
    world.publish(&ready).await.finish().await;
}

#[tokio::test]
async fn the_status_is_read_in_both_shapes() {
    let mut world = World::start().await;
    world.settings(json!({"recording": false}));
    world.sim.set_flags("alice", |flags| flags.cloudflare_status_as_object = true);
    let ready = world.prepared().await;
    let live = world.publish(&ready).await;
    until("live", async || world.look().await, |truth| truth.state == State::Live).await;
    let busy = world.cloudflare.finish(&world.run).await.unwrap_err();
    assert!(busy.is_transient() && busy.after.is_some(), "it is still connected: {busy:?}");
    live.finish().await;
    until("finished", async || world.cloudflare.finish(&world.run).await, Result::is_ok).await.unwrap();
}

#[tokio::test]
async fn a_bad_token_and_a_weak_one_are_told_apart() {
    let world = World::start().await;
    world.sim.set_flags("alice", |flags| flags.cloudflare_read_only = true);
    let weak = world.cloudflare.prepare(&world.run).await.unwrap_err();
    assert_eq!((weak.code(), weak.is_transient(), weak.ambiguous), ("platform_permission_missing", false, false));
    let token = "wrong".to_owned();
    let (bad, _) = run(Given::new([token.clone(), token]), None);
    let failure = world.cloudflare.prepare(&bad).await.unwrap_err();
    assert_eq!(failure.code(), "reauth_required");
    let refused = world.sim.calls("GET", INPUTS).iter().filter(|call| call.status == Some(401)).count();
    assert_eq!(refused, 2, "the token is renewed once");
    assert_eq!(world.tokens.renewals(), 0);
}

#[tokio::test]
async fn too_many_calls_stop_everybody_until_the_time_is_over() {
    let limits = Limits { cloudflare_calls: 2, ..Limits::default() };
    let clock = ManualClock::new(time::OffsetDateTime::UNIX_EPOCH + Duration::from_secs(1_000_000));
    let world = World::with(Options { limits, ..Options::default() }, PATIENT, Arc::new(clock.clone())).await;
    world.prepared().await;
    let limited = world.cloudflare.prepare(&world.run).await.unwrap_err();
    assert_eq!(limited.code(), "platform_rate_limited");
    assert!(limited.after.unwrap() > Duration::from_secs(290), "{limited:?}");
    let calls = world.sim.journal().len();
    let (other, _) = run(world.run.tokens.clone(), None);
    assert_eq!(world.cloudflare.prepare(&other).await.unwrap_err().code(), "platform_rate_limited");
    assert_eq!(world.sim.journal().len(), calls, "nobody asks");
    clock.advance(Duration::from_secs(301));
    world.sim.advance(Duration::from_secs(301));
    world.prepared().await;
}

#[tokio::test]
async fn what_is_live_stays_live_when_the_api_is_away() {
    let world = World::start().await;
    let ready = world.prepared().await;
    let live = world.publish(&ready).await;
    until("live", async || world.look().await, |truth| truth.state == State::Live).await;
    let away = Fault { path: "/cloudflare/*".to_owned(), method: None, ..Fault::on("", "") };
    world.sim.fault(away.answer(500, json!({"success": false, "errors": []})).times(0));
    let truth = world.look().await;
    assert_eq!((truth.state, truth.repair), (State::Live, None));
    assert_eq!(truth.fault.unwrap().code, "platform_unavailable");
    live.finish().await;
}

#[tokio::test]
async fn changes_count_at_once_or_from_the_next_connection_on() {
    let mut world = World::start().await;
    let changes: PlatformSettings = serde_json::from_value(json!({"recording": false, "title": "New"})).unwrap();
    world.run.settings = changes.clone();
    let applied = world.cloudflare.apply(&world.run, &changes).await.unwrap();
    assert_eq!((applied.applied, applied.later), (vec!["title".to_owned()], vec!["recording".to_owned()]));
    let ready = world.prepared().await;
    let changes: PlatformSettings = serde_json::from_value(json!({"recording": true})).unwrap();
    world.run.settings.recording = Some(true);
    let applied = world.cloudflare.apply(&world.run, &changes).await.unwrap();
    assert_eq!((applied.applied, applied.later), (vec!["recording".to_owned()], Vec::new()));
    assert_eq!(world.inputs()[0]["mode"], "automatic");
    let live = world.publish(&ready).await;
    until("live", async || world.look().await, |truth| truth.state == State::Live).await;
    let changes = PlatformSettings { low_latency: Some(true), ..PlatformSettings::default() };
    world.run.settings.low_latency = Some(true);
    let applied = world.cloudflare.apply(&world.run, &changes).await.unwrap();
    assert_eq!((applied.applied, applied.later), (Vec::new(), vec!["low_latency".to_owned()]));
    live.finish().await;
    assert_contract(&world.sim);
}

#[tokio::test]
async fn playback_is_the_live_picture_and_then_the_recording() {
    let world = World::start().await;
    assert_eq!(world.cloudflare.playback(&world.run).await.unwrap_err().code(), "broadcast_ended");
    let ready = world.prepared().await;
    let idle = world.cloudflare.playback(&world.run).await.unwrap();
    assert!(!idle.available && idle.hls_url.ends_with("/manifest/video.m3u8"));
    let live = world.publish(&ready).await;
    let playing = async || world.cloudflare.playback(&world.run).await.unwrap();
    let now = until("playback", playing, |playback| playback.available).await;
    assert_eq!(now.hls_url, idle.hls_url);
    live.finish().await;
    let recorded = until("a recording", playing, |playback| playback.hls_url != idle.hls_url).await;
    assert!(recorded.available && recorded.dash_url.ends_with("/manifest/video.mpd"));
    let viewed = world.cloudflare.analytics(&world.run, "2026-11-01", "2026-11-24").await.unwrap();
    assert!(viewed.minutes_viewed > 0.0 && viewed.countries[0].country == "DE", "{viewed:?}");
    assert_eq!(world.cloudflare.embed(&world.run).await.unwrap_err().code(), "not_offered_by_platform");
    assert_contract(&world.sim);
}

#[tokio::test]
async fn any_two_answers_may_be_lost() {
    let kinds: [fn(Fault) -> Fault; 4] = [
        |fault| fault.reset(Reset::Before),
        |fault| fault.reset(Reset::After),
        |fault| Fault { truncate: true, ..fault },
        |fault| Fault { apply: Some(true), ..fault.answer(502, json!({})) },
    ];
    let calls = [("POST", CREATE.1), ("GET", "/cloudflare/*"), ("PUT", "/cloudflare/*")];
    let (world, http) = (World::unlimited().await, http(PATIENT));
    for first in 0..kinds.len() * calls.len() {
        for second in first..kinds.len() * calls.len() {
            let clock = ManualClock::new(time::OffsetDateTime::UNIX_EPOCH + Duration::from_secs(1_000_000));
            let account = world.sim.account("alice")["cloudflare"]["account_id"].as_str().unwrap().to_owned();
            let cloudflare = cloudflare(&world.sim, &account, http.clone(), Arc::new(clock.clone()));
            let (mut run, book) = run(world.run.tokens.clone(), None);
            world.sim.clear_faults();
            for chosen in [first, second] {
                let (method, path) = calls[chosen / kinds.len()];
                world.sim.fault(kinds[chosen % kinds.len()](Fault::on(method, path)));
            }
            let prepared = async |run: &Run| {
                for _ in 0..20 {
                    match cloudflare.prepare(run).await {
                        Ok(ready) => return ready,
                        Err(failure) => assert!(failure.is_transient(), "{first} {second}: {failure:?}"),
                    }
                    clock.advance(Duration::from_secs(1));
                }
                panic!("{first} {second}: not prepared");
            };
            prepared(&run).await;
            run.settings.low_latency = Some(true);
            prepared(&run).await;
            let inputs = cloudflare.api.inputs(&run).await;
            let destination = run.destination.to_string();
            let mine = inputs.unwrap().into_iter().filter(|input| input.belongs_to(&destination)).count();
            assert_eq!((mine, book.stored().is_some()), (1, true), "{first} {second}");
        }
    }
}

#[tokio::test]
async fn any_answer_at_all_is_survived() {
    let (world, http) = (World::unlimited().await, http(PATIENT));
    world.prepared().await;
    let account = world.sim.account("alice")["cloudflare"]["account_id"].as_str().unwrap().to_owned();
    for path in ["/cloudflare/*", "/cloudflare-customer/*"] {
        for (status, body) in odd_answers() {
            let odd = Fault { path: path.to_owned(), method: None, ..Fault::on("", "") };
            world.sim.clear_faults();
            world.sim.fault(odd.answer(status, body).times(0));
            // A new one: pauses are not remembered.
            let cloudflare = cloudflare(&world.sim, &account, http.clone(), Arc::new(SystemClock));
            for (mut run, is_known) in [(world.run.clone(), true), (run(world.run.tokens.clone(), None).0, false)] {
                run.tokens = Given::new(world.tokens.all());
                let ready = if is_known && path == "/cloudflare/*" { continue } else { cloudflare.prepare(&run).await };
                assert!(ready.is_err() || path == "/cloudflare-customer/*", "{status}");
                run.publishing_ms = 1;
                let _ = cloudflare.look(std::slice::from_ref(&run), 20_000).await.remove(0);
                let _ = cloudflare.playback(&run).await;
                let _ = cloudflare.analytics(&run, "2026-11-01", "2026-11-02").await;
                let _ = cloudflare.finish(&run).await;
            }
        }
    }
    world.sim.clear_faults();
    world.prepared().await;
}

#[tokio::test]
async fn no_secret_is_written_anywhere() {
    let (log, _guard) = Log::begin();
    let world = World::start().await;
    let token = world.run.tokens.token().await.unwrap();
    let echo = format!("bad token {}", secret::ExposeSecret::expose_secret(&token.secret));
    for fault in [
        Fault::on("GET", CREATE.1).answer(400, errors::cloudflare(10_005, &echo)),
        Fault::on("GET", CREATE.1).reset(Reset::Before),
        Fault { truncate: true, ..Fault::on("POST", CREATE.1) },
    ] {
        world.sim.fault(fault);
        log.say(&world.cloudflare.prepare(&world.run).await);
    }
    let ready = world.prepared().await;
    log.say(&(&token, &ready));
    let live = world.publish(&ready).await;
    log.say(&until("live", async || world.look().await, |truth| truth.state == State::Live).await);
    log.say(&world.cloudflare.playback(&world.run).await);
    live.finish().await;
    log.say(&world.cloudflare.look(std::slice::from_ref(&world.run), 0).await);
    log.say(&(world.book.progress(), world.book.stored()));
    let uid = world.inputs()[0]["uid"].as_str().unwrap().to_owned();
    log.assert_no_secret(&world.sim, &[&uid]);
}
