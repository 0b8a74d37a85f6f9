//! A channel's life against the simulator.

use std::{collections::HashSet, sync::Arc, time::Duration};

use platform_sim::{Action, Consent, Fault, Limits, Options, Reset, Sim, errors};
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
    let mut world = World::start().await;
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
async fn the_key_is_fetched_once_and_again_when_it_may_be_stale() {
    let clock = ManualClock::new(time::OffsetDateTime::UNIX_EPOCH + Duration::from_secs(1_000_000));
    let mut world = World::with(Options::default(), PATIENT, Arc::new(clock.clone())).await;
    let asked = |world: &World| world.sim.calls("GET", "/helix/streams/key").len();
    let ready = world.prepared().await;
    world.prepared().await;
    world.run.run_ms = 2_000;
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
    clock.advance(Duration::from_secs(601));
    world.prepared().await;
    assert_eq!(asked(&world), 3, "it has become old");
    let away = Fault::on("GET", "/helix/streams/key").answer(503, errors::twitch(503, "")).times(0);
    world.sim.fault(away);
    world.run.run_ms = 4_000;
    clock.advance(Duration::from_secs(601));
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
async fn what_twitch_does_not_take_keeps_nobody_from_going_live() {
    let mut world = World::start().await;
    world.settings(json!({"title": "Mine", "category_id": "1", "tags": ["no blanks"], "language": "fr"}));
    let ready = world.prepared().await;
    let expected = [
        "Twitch does not take the category: Invalid game_id.",
        "Twitch does not take the tags: A tag must have 1 to 25 letters and digits.",
    ];
    assert_eq!(ready.notes, expected);
    let shown = world.shown().await;
    assert_eq!((shown.title.as_str(), shown.language.as_str()), ("Mine", "fr"));
}

#[tokio::test]
async fn a_title_that_can_not_be_set_now_is_set_while_live() {
    let world = World::start().await;
    let patch = Fault::on("PATCH", "/helix/channels").answer(500, errors::twitch(500, "")).times(3);
    world.sim.fault(patch);
    for _ in 0..2 {
        assert!(world.twitch.prepare(&world.run).await.unwrap_err().is_transient());
    }
    let ready = world.prepared().await;
    assert_eq!(ready.notes.len(), 1);
    let live = world.publish(&ready).await;
    until("live", async || world.look().await, |truth| truth.state == State::Live).await;
    assert_eq!(world.shown().await.title, "Evening show");
    let patches = world.sim.calls("PATCH", "/helix/channels").len();
    world.look().await;
    assert_eq!(world.sim.calls("PATCH", "/helix/channels").len(), patches, "once");
    live.finish().await;
}

#[tokio::test]
async fn a_second_take_keeps_what_people_have_changed() {
    let mut world = World::start().await;
    world.prepared().await;
    let changes = serde_json::from_value(json!({"title": "Changed"})).unwrap();
    world.twitch.apply(&world.run, &changes).await.unwrap();
    world.run.take = 1;
    world.prepared().await;
    assert_eq!(world.shown().await.title, "Changed");
    (world.run.run_ms, world.run.take) = (2_000, 0);
    world.prepared().await;
    assert_eq!(world.shown().await.title, "Evening show");
}

#[tokio::test]
async fn a_rejected_token_is_renewed_once() {
    let world = World::start().await;
    let rejected = Fault::on("GET", "/helix/streams/key").answer(401, errors::twitch(401, "Invalid OAuth token"));
    world.sim.fault(rejected);
    world.prepared().await;
    assert_eq!(world.tokens.renewals(), 1);
    world
        .sim
        .act(&Action::Revoke { provider: "twitch".to_owned(), account: "alice".to_owned(), subcode: None })
        .unwrap();
    let calls = world.sim.journal().len();
    let failure = world.look_after(1_000).await.unwrap_err();
    assert_eq!((failure.code(), failure.is_transient()), ("reauth_required", false));
    assert_eq!(world.sim.journal().len(), calls + 1, "there was no third token");
}

#[tokio::test]
async fn a_missing_scope_and_a_foreign_channel_are_told_apart() {
    let mut world = World::start().await;
    world.run.tokens = Given::new([access(&world.sim, "channel:read:stream_key").await]);
    let failure = world.twitch.prepare(&world.run).await.unwrap_err();
    assert_eq!(failure.code(), "scope_missing");
    assert!(failure.fault.message.contains("channel:manage:broadcast"), "{failure:?}");
    world.run.tokens = world.tokens.clone();
    world.run.account.as_mut().unwrap().external_id = "1".to_owned();
    let failure = world.twitch.prepare(&world.run).await.unwrap_err();
    assert!(failure.fault.message.contains("another Twitch channel"), "{failure:?}");
    world.run.account = None;
    assert_eq!(world.twitch.prepare(&world.run).await.unwrap_err().code(), "account_not_linked");
    assert_eq!(world.tokens.renewals(), 0, "no other token would help");
}

#[tokio::test]
async fn an_empty_bucket_is_waited_for() {
    let limits = Limits { twitch_points: 2, ..Limits::default() };
    let clock = ManualClock::new(SystemClock.now());
    let world = World::with(Options { limits, ..Options::default() }, PATIENT, Arc::new(clock.clone())).await;
    world.prepared().await;
    let limited = world.look_after(1_000).await.unwrap_err();
    assert_eq!(limited.code(), "platform_rate_limited");
    assert!(limited.after.unwrap() > Duration::from_secs(20), "{limited:?}");
    let calls = world.sim.journal().len();
    world.look_after(1_000).await.unwrap_err();
    assert_eq!(world.sim.journal().len(), calls, "nobody asks");
    world.sim.advance(Duration::from_secs(61));
    clock.advance(Duration::from_secs(61));
    assert_eq!(world.look().await.again, Some(Duration::from_millis(500)));
    world.shown().await;
    assert!(!world.twitch.api.has_spare(world.user()));
    assert_eq!(world.look_after(1_000).await.unwrap_err().code(), "platform_rate_limited");
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
async fn broken_answers_are_tried_again() {
    for fault in [
        Fault { truncate: true, ..Fault::on("GET", "/helix/streams/key") },
        Fault::on("GET", "/helix/streams/key").reset(Reset::Before),
        Fault::on("PATCH", "/helix/channels").reset(Reset::After),
        Fault::on("PATCH", "/helix/channels").delay(Duration::ZERO, PATIENT),
    ] {
        let world = World::with(Options::default(), Duration::from_millis(400), Arc::new(SystemClock)).await;
        world.sim.fault(fault);
        assert!(world.twitch.prepare(&world.run).await.unwrap_err().is_transient());
        assert_eq!(world.sim.faults()[0].1, 1);
        let ready = world.prepared().await;
        world.publish(&ready).await.finish().await;
    }
}

#[tokio::test]
async fn without_the_ingest_list_the_global_ingest_is_taken() {
    let world = World::start().await;
    world.sim.fault(Fault::on("GET", "/twitch-ingest/ingests").answer(500, json!({})).times(0));
    let ready = world.prepared().await;
    assert_eq!(ready.rtmp_url, "rtmps://ingest.global-contribute.live-video.net:443/app");
}

#[tokio::test]
async fn the_ingest_that_answers_is_chosen_and_one_measurement_serves_all() {
    let world = World::start().await;
    let closed = "rtmp://127.0.0.1:1/app/{stream_key}";
    let open = format!("{}/app/{{stream_key}}", world.sim.rtmp());
    let entry = |priority: i64, url: &str| json!({"_id": priority, "availability": 1.0, "default": priority == 0, "name": "x", "priority": priority, "url_template": url});
    let list = json!({"ingests": [entry(0, closed), entry(1, &open)]});
    world.sim.fault(Fault::on("GET", "/twitch-ingest/ingests").answer(200, list).times(0));
    let ready = world.prepared().await;
    assert_eq!((ready.rtmp_url, ready.backup_urls.len()), (format!("{}/app", world.sim.rtmp()), 0));
    world.prepared().await;
    assert_eq!(world.sim.calls("GET", "/twitch-ingest/ingests").len(), 1);
}

#[tokio::test]
async fn features() {
    let world = World::start().await;
    let found = world.twitch.categories(&world.run, "mus", 5).await.unwrap();
    assert_eq!((found.len(), found[0].id.as_str(), found[0].name.as_str()), (1, "26936", "Music"));
    let changes = serde_json::from_value(json!({"title": "New", "category_id": "26936", "tags": ["One"]})).unwrap();
    let applied = world.twitch.apply(&world.run, &changes).await.unwrap();
    assert_eq!((applied.applied.join(","), applied.later.len()), ("title,category_id,tags".to_owned(), 0));
    let shown = world.shown().await;
    assert_eq!((shown.title.as_str(), shown.category_id.as_str(), shown.login.as_str()), ("New", "26936", "alice"));
    let changes = serde_json::from_value(json!({"category_id": ""})).unwrap();
    world.twitch.apply(&world.run, &changes).await.unwrap();
    assert_eq!(world.shown().await.category_name, "");
    let changes = serde_json::from_value(json!({"category_id": "1"})).unwrap();
    let refused = world.twitch.apply(&world.run, &changes).await.unwrap_err();
    assert_eq!(
        (refused.code(), refused.fault.message.as_str()),
        ("platform_refused", "Twitch refuses it: Invalid game_id.")
    );
    let changes = serde_json::from_value(json!({"low_latency": true})).unwrap();
    let not_there = world.twitch.apply(&world.run, &changes).await.unwrap_err();
    assert_eq!(not_there.code(), "not_offered_by_platform");
    assert!(not_there.fault.message.contains("dashboard"), "{not_there:?}");
    assert_contract(&world.sim);
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

#[tokio::test]
async fn any_answer_at_all_is_survived() {
    let (world, http) = (World::start().await, http(PATIENT));
    for path in ["/helix/*", "/helix/streams", "/twitch-ingest/*"] {
        for (status, body) in odd_answers() {
            let odd = Fault { path: path.to_owned(), method: None, ..Fault::on("", "") };
            world.sim.clear_faults();
            world.sim.fault(odd.answer(status, body).times(0));
            // A new one: pauses and measurements are not remembered.
            let twitch = twitch(&world.sim, http.clone(), Arc::new(SystemClock));
            let mut run = world.run.clone();
            run.tokens = world.again();
            let ready = twitch.prepare(&run).await;
            assert!(ready.is_err() || ready.is_ok_and(|ready| ready.rtmp_url.starts_with("rtmp")));
            run.publishing_ms = 1;
            let _ = twitch.look(std::slice::from_ref(&run), 2).await.remove(0);
            let _ = twitch.channel(&run).await;
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
    let path = "/helix/streams/key";
    for fault in [
        Fault::on("GET", path).answer(400, errors::twitch(400, &echo)),
        Fault::on("GET", path).reset(Reset::Before),
        Fault { truncate: true, ..Fault::on("GET", path) },
    ] {
        world.sim.fault(fault);
        log.say(&world.twitch.prepare(&world.run).await);
    }
    let ready = world.prepared().await;
    log.say(&(&token, &ready));
    let live = world.publish(&ready).await;
    log.say(&until("live", async || world.look().await, |truth| truth.state == State::Live).await);
    world.sim.act(&Action::RotateTwitchKey { account: "alice".to_owned() }).unwrap();
    live.ended().await;
    log.say(&world.twitch.look(std::slice::from_ref(&world.run), 0).await);
    log.say(&(world.book.progress(), world.book.stored(), world.shown().await));
    log.assert_no_secret(&world.sim, &[world.user()]);
}

#[tokio::test]
async fn rtmps_is_taken_where_it_is_offered() {
    let world = World::with(Options { rtmps: true, ..Options::default() }, PATIENT, Arc::new(SystemClock)).await;
    assert_eq!(world.prepared().await.rtmp_url, format!("{}/app", world.sim.rtmps().unwrap()));
}
