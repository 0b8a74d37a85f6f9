//! A channel's life against the simulator.

mod channel;
mod faults;
mod ingest;

use std::{collections::HashSet, sync::Arc, time::Duration};

use platform_sim::{Action, Consent, Fault, Limits, Options, Reset, Sim, Timing, errors};
use serde_json::{Value, json};
use service_kit::{Clock, ManualClock, SystemClock};
use wire::v1;

use super::*;
use crate::platforms::{
    Book, Features, Judgement, Repair, State,
    testing::{Given, Live, Log, Memory as Kept, assert_contract, http, life, odd_answers, run, until},
};

const SCOPES: &str = "channel:read:stream_key channel:manage:broadcast";
const REDIRECT: &str = "https://app.example/oauth/callback";
const PATIENT: Duration = Duration::from_secs(5);

struct World {
    sim: Sim,
    twitch: Twitch,
    run: Run,
    book: Arc<Kept>,
    tokens: Arc<Given>,
}

impl World {
    async fn start() -> Self {
        Self::with(Options::default(), PATIENT, Arc::new(SystemClock)).await
    }

    async fn with(options: Options, total: Duration, clock: Arc<dyn Clock>) -> Self {
        let sim = Sim::start(options).await.unwrap();
        let tokens = Given::new([access(&sim, SCOPES).await, access(&sim, SCOPES).await]);
        let id = sim.account("alice")["twitch"]["id"].as_str().unwrap().to_owned();
        let account = AccountInfo { id: uuid::Uuid::now_v7(), external_id: id, name: "Alice".to_owned() };
        let (run, book) = run(tokens.clone(), Some(account));
        let twitch = twitch(&sim, http(total), clock);
        Self { sim, twitch, run, book, tokens }
    }

    /// The same tokens, none of them renewed.
    fn again(&self) -> Arc<Given> {
        Given::new(self.tokens.all())
    }

    fn user(&self) -> &str {
        &self.run.account.as_ref().unwrap().external_id
    }

    /// As if our media had been acknowledged `ms` ago.
    async fn look_after(&self, ms: i64) -> Result<Truth, Failure> {
        let mut run = self.run.clone();
        run.publishing_ms = 1;
        self.twitch.look(&[run], 1 + ms).await.remove(0)
    }

    async fn look(&self) -> Truth {
        self.look_after(1_000).await.unwrap()
    }

    async fn prepared(&self) -> Ready {
        self.twitch.prepare(&self.run).await.unwrap()
    }

    async fn publish(&self, ready: &Ready) -> Live {
        Live::start(&ready.rtmp_url, &self.book.stored().unwrap()).await.unwrap()
    }

    async fn shown(&self) -> v1::Channel {
        self.twitch.channel(&self.run).await.unwrap()
    }

    fn settings(&mut self, settings: Value) {
        self.run.settings = serde_json::from_value(settings).unwrap();
    }
}

fn twitch(sim: &Sim, http: Http, clock: Arc<dyn Clock>) -> Twitch {
    let endpoints =
        Endpoints { api: format!("{}/helix", sim.http()), ingests: format!("{}/twitch-ingest/ingests", sim.http()) };
    Twitch::new(http, endpoints, "sim-twitch-client".to_owned(), clock)
}

/// Signs in by hand.
async fn access(sim: &Sim, scopes: &str) -> String {
    service_kit::install_crypto();
    let mut page = url::Url::parse(&format!("{}/twitch-id/oauth2/authorize", sim.http())).unwrap();
    page.query_pairs_mut().extend_pairs([
        ("client_id", "sim-twitch-client"),
        ("redirect_uri", REDIRECT),
        ("response_type", "code"),
        ("scope", scopes),
        ("state", "s"),
    ]);
    let to = sim.authorize(page.as_str(), &Consent::of("alice")).unwrap();
    let code = to.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
    let form = [
        ("client_id", "sim-twitch-client"),
        ("client_secret", "sim-twitch-secret-4fQz81"),
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", REDIRECT),
    ];
    let request = reqwest::Client::new().post(format!("{}/twitch-id/oauth2/token", sim.http())).form(&form);
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    answer["access_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_whole_life() {
    let timing = Timing { twitch_offline_after: Duration::from_millis(1_500), ..Timing::fast() };
    let mut world = World::with(Options { timing, ..Options::default() }, PATIENT, Arc::new(SystemClock)).await;
    let signed_in = world.sim.journal().len();
    world.settings(json!({"category_id": "26936", "tags": ["English", "Music"], "language": "de"}));
    let ready = world.prepared().await;
    assert_eq!((ready.rtmp_url.as_str(), ready.notes.len()), (format!("{}/app", world.sim.rtmp()).as_str(), 0));
    assert_eq!(ready.playback_url, "https://www.twitch.tv/alice");
    let idle = world.twitch.look(std::slice::from_ref(&world.run), 0).await.remove(0).unwrap();
    assert_eq!(idle.state, State::Waiting);
    let live = world.publish(&ready).await;
    let truth = until("live", async || world.look().await, |truth| truth.viewers > 0).await;
    assert_eq!((truth.state, truth.health), (State::Live, Judgement::Good));
    assert_eq!(truth.playback_url.as_deref(), Some("https://www.twitch.tv/alice"));
    let shown = world.shown().await;
    let set = (shown.title.as_str(), shown.category_name.as_str(), shown.language.as_str(), shown.tags.len());
    assert_eq!(set, ("Evening show", "Music", "de", 2));
    live.finish().await;
    assert_eq!(world.sim.state()["twitch"]["live"], json!(["alice"]), "for a while");
    world.twitch.finish(&world.run).await.unwrap();
    assert_eq!(world.sim.state()["twitch"]["live"], json!([]), "it says so itself");
    assert_contract(&world.sim);
    let mut calls = world.sim.journal().split_off(signed_in);
    // Looks repeat as often as they must, and what a start asks arrives in any order.
    let mut seen = HashSet::new();
    calls.retain(|entry| seen.insert(entry.line()));
    calls[..3].sort_by_key(|entry| entry.line());
    insta::assert_snapshot!(life(&calls, &[(world.user(), "USER")]));
}

#[tokio::test]
async fn the_key_is_asked_for_once_in_each_take() {
    let mut world = World::start().await;
    let asked = |world: &World| world.sim.calls("GET", "/helix/streams/key").len();
    let ready = world.prepared().await;
    world.prepared().await;
    assert_eq!(asked(&world), 1);
    let old = world.book.stored().unwrap();
    world.sim.act(&Action::RotateTwitchKey { account: "alice".to_owned() }).unwrap();
    assert!(Live::start(&ready.rtmp_url, &old).await.is_err());
    world.run.take = 1;
    let ready = world.prepared().await;
    world.publish(&ready).await.finish().await;
    world.prepared().await;
    assert_eq!(asked(&world), 2, "once for the second take");
    (world.run.run_ms, world.run.take) = (3_000, 0);
    world.prepared().await;
    assert_eq!(asked(&world), 3, "once for the next run");
    let away = Fault::on("GET", "/helix/streams/key").answer(503, errors::twitch(503, "")).times(0);
    world.sim.fault(away);
    world.run.run_ms = 4_000;
    assert_eq!(world.prepared().await.notes.len(), 1, "the one from before");
    world.run.take = 1;
    assert_eq!(world.twitch.prepare(&world.run).await.unwrap_err().code(), "platform_unavailable");
}

#[tokio::test]
async fn a_channel_that_may_not_stream_says_why() {
    let world = World::start().await;
    let message = "Complete the two-factor authentication setup!";
    world.sim.set_flags("alice", |flags| flags.twitch_key_refused = Some(message.to_owned()));
    let failure = world.twitch.prepare(&world.run).await.unwrap_err();
    assert_eq!((failure.code(), failure.is_transient()), ("live_streaming_not_enabled", false));
    assert!(failure.fault.message.contains("Complete the two-factor authentication setup"), "{failure:?}");
}

#[tokio::test]
async fn a_stream_that_is_not_shown_is_published_anew() {
    let world = World::start().await;
    world.prepared().await;
    assert_eq!(world.look_after(91_000).await.unwrap().issues.len(), 1);
    let truth = world.look_after(121_000).await.unwrap();
    assert_eq!(
        (truth.repair, truth.fault.unwrap().code.as_str()),
        (Some(Repair::Reconnect), "platform_rejects_stream")
    );
}

#[tokio::test]
async fn what_was_shown_is_not_published_anew_for_a_blip() {
    let world = World::start().await;
    let ready = world.prepared().await;
    let live = world.publish(&ready).await;
    until("live", async || world.look().await, |truth| truth.state == State::Live).await;
    let hour = 3_600_000;
    assert_eq!(world.look_after(hour).await.unwrap().state, State::Live);
    let empty = Fault::on("GET", "/helix/streams").answer(200, json!({"data": [], "pagination": {}}));
    world.sim.fault(empty.clone());
    let blip = world.look_after(hour + 30_000).await.unwrap();
    assert_eq!((blip.state, blip.repair, blip.issues.len()), (State::Waiting, None, 0));
    assert_eq!(world.look_after(hour + 31_000).await.unwrap().state, State::Live);
    world.sim.fault(empty.times(2));
    world.look_after(hour + 60_000).await.unwrap();
    let gone = world.look_after(hour + 60_000 + 121_000).await.unwrap();
    assert_eq!(gone.repair, Some(Repair::Reconnect));
    live.finish().await;
}

#[tokio::test]
async fn a_key_that_is_reset_on_air_is_replaced() {
    let mut world = World::start().await;
    let ready = world.prepared().await;
    let silent = async |world: &World| world.twitch.look(std::slice::from_ref(&world.run), 0).await.remove(0).unwrap();
    let live = world.publish(&ready).await;
    until("live", async || world.look().await, |truth| truth.state == State::Live).await;
    assert_eq!(silent(&world).await.repair, None, "an interruption of another kind");
    world.sim.act(&Action::RotateTwitchKey { account: "alice".to_owned() }).unwrap();
    live.ended().await;
    assert_eq!(silent(&world).await.repair, Some(Repair::Renew));
    world.run.take = 1;
    let ready = world.prepared().await;
    world.publish(&ready).await.finish().await;
}

#[tokio::test]
async fn an_end_does_not_wait_for_a_slate_or_for_a_twitch_that_is_away() {
    let clock = ManualClock::new(SystemClock.now());
    let world = World::with(Options::default(), PATIENT, Arc::new(clock.clone())).await;
    let ready = world.prepared().await;
    let calls = world.sim.journal().len();
    world.twitch.finish(&world.run).await.unwrap();
    assert_eq!(world.sim.journal().len(), calls, "it never began");
    let live = world.publish(&ready).await;
    until("live", async || world.look().await, |truth| truth.state == State::Live).await;
    assert!(world.twitch.finish(&world.run).await.unwrap_err().is_transient());
    clock.advance(Duration::from_secs(10));
    world.twitch.finish(&world.run).await.unwrap();
    world.sim.fault(Fault::on("GET", "/helix/streams").answer(503, errors::twitch(503, "")).times(0));
    world.twitch.finish(&world.run).await.unwrap();
    live.finish().await;
}
