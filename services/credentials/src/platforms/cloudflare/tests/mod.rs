//! A live input's life against the simulator.

mod faults;
mod features;
mod once;

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
