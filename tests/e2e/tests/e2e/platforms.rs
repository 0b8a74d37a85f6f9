//! The four platforms from sign-in to end, in the platforms' own words.

use std::{collections::BTreeMap, time::Duration};

use e2e::{
    platforms::{ALL, Holdings, SOON, Stage},
    scene::flows,
};
use serde_json::{Value, json};
use testkit::{Api, LiveSource, Sink, api::NewStream, live_source, wait::until};

/// One tenant: a person with a stream to all five.
struct Show {
    api: Api,
    stream: NewStream,
    ids: BTreeMap<&'static str, String>,
    sink: Sink,
}

impl Show {
    async fn open(stage: &Stage, api: Api, stream: NewStream, person: &str) -> anyhow::Result<Self> {
        let ids = stage.on_all_four(&api, &stream.id, person).await?;
        let sink = Sink::start().await?;
        api.create_destination(&stream.id, "own", &sink.url(), "key-own-q7XvR2mLw9", json!({})).await?;
        Ok(Self { api, stream, ids, sink })
    }

    async fn all(&self, wanted: &str) -> anyhow::Result<Value> {
        self.api.wait_destinations(&self.stream.id, SOON, &[wanted]).await
    }
}

/// Sign in, go live by one button, be seen, stop, be over: two tenants side by side.
#[tokio::test(flavor = "multi_thread")]
async fn four_lives_of_two_tenants() -> anyhow::Result<()> {
    let stage = Stage::open().await?;
    let bobs = stage.scene.stack.api_for("bob");
    let stream = bobs.create_stream("Bob's show").await?;
    let _source = LiveSource::start_with(&stream.publish_url(), &live_source::Options::default())?;
    let alice = Show::open(&stage, stage.scene.api.clone(), stage.scene.stream.clone(), "alice").await?;
    let bob = Show::open(&stage, bobs, stream, "bob").await?;
    assert!(stage.holdings("alice")?.broadcasts.is_empty(), "nothing is made before the start");

    tokio::try_join!(alice.api.start(&alice.stream.id), bob.api.start(&bob.stream.id))?;
    for (show, person) in [(&alice, "alice"), (&bob, "bob")] {
        let status = show.all("live").await?;
        for platform in ALL {
            let one = destination(&status, &show.ids[platform]);
            assert_eq!(one["platform_state"], "live", "{person}'s {platform}: {one}");
            assert!(one["playback_url"].as_str().is_some_and(|url| url.starts_with("http")), "{platform}: {one}");
        }
        let holdings = stage.holdings(person)?;
        assert_eq!(Holdings::statuses(&holdings.broadcasts), ["live"], "{person}");
        assert_eq!(Holdings::statuses(&holdings.lives), ["LIVE"], "{person}");
        flows(&show.sink, 200_000, SOON).await?;
    }
    // One Cloudflare account serves the installation.
    assert_eq!(stage.holdings("alice")?.inputs.len(), 2);
    assert!(stage.holdings("bob")?.inputs.is_empty());
    watched(&alice).await?;
    metrics(&alice).await?;

    tokio::try_join!(alice.api.stop(&alice.stream.id), bob.api.stop(&bob.stream.id))?;
    for (show, person) in [(&alice, "alice"), (&bob, "bob")] {
        show.all("ended").await?;
        let holdings = stage.holdings(person)?;
        assert_eq!(Holdings::statuses(&holdings.broadcasts), ["complete"], "{person}");
        let over = ["LIVE_STOPPED", "PROCESSING", "VOD"];
        assert!(Holdings::statuses(&holdings.lives).iter().all(|s| over.contains(s)), "{person}: {holdings:?}");
    }
    until("no publish is left", SOON, async || {
        let publishes = stage.sim.publishes();
        publishes.iter().all(|publish| publish.ended_ms.is_some()).then_some(())
    })
    .await?;
    keeps_the_contracts(&stage)?;
    stage.close().await
}

/// A second show on the same accounts: new broadcasts, the same stream key and input.
#[tokio::test(flavor = "multi_thread")]
async fn the_next_show_reuses_what_can_be_reused() -> anyhow::Result<()> {
    let stage = Stage::open().await?;
    let (api, stream) = (stage.scene.api.clone(), stage.scene.stream.clone());
    stage.on_all_four(&api, &stream.id, "alice").await?;
    for _ in 0..2 {
        api.start(&stream.id).await?;
        api.wait_destinations(&stream.id, SOON, &["live"]).await?;
        api.stop(&stream.id).await?;
        api.wait_destinations(&stream.id, SOON, &["ended"]).await?;
    }
    let holdings = stage.holdings("alice")?;
    assert_eq!(Holdings::statuses(&holdings.broadcasts), ["complete", "complete"]);
    assert_eq!((holdings.streams.len(), holdings.inputs.len(), holdings.lives.len()), (1, 1, 2));
    stage.close().await
}

/// A destination without a linked account is an error of its own; the others go on.
#[tokio::test(flavor = "multi_thread")]
async fn without_an_account_it_says_sign_in() -> anyhow::Result<()> {
    let stage = Stage::open().await?;
    let (api, stream) = (stage.scene.api.clone(), stage.scene.stream.clone());
    let youtube = api.create_on("youtube", &stream.id, "My channel", json!({})).await?;
    let cloudflare = api.create_on("cloudflare", &stream.id, "Cloudflare", json!({})).await?;
    api.start_no_wait(&stream.id).await?;
    let status = stage.scene.destination_is(&youtube, SOON, &["error"]).await?;
    assert_eq!(destination(&status, &youtube)["error"]["code"], "account_not_linked");
    stage.scene.destination_is(&cloudflare, SOON, &["live"]).await?;
    // Signing in and starting again is all it takes.
    let another = api.link("youtube", "alice", &stream.id, "another").await?;
    api.delete(&format!("/api/destinations/{another}")).await?;
    api.start_no_wait(&stream.id).await?;
    stage.scene.destination_is(&youtube, SOON, &["live"]).await?;
    stage.close().await
}

/// The channel may not stream: the person reads what to do, nothing is tried again, the others go on.
#[tokio::test(flavor = "multi_thread")]
async fn a_platforms_refusal_reaches_the_person() -> anyhow::Result<()> {
    let stage = Stage::open().await?;
    stage.sim.set_flags("alice", |flags| {
        flags.youtube_live_enabled = false;
        flags.facebook_few_followers = true;
    });
    let (api, stream) = (stage.scene.api.clone(), stage.scene.stream.clone());
    let ids = stage.on_all_four(&api, &stream.id, "alice").await?;
    api.start_no_wait(&stream.id).await?;
    for (platform, code) in [("youtube", "live_streaming_not_enabled"), ("facebook", "account_not_eligible")] {
        let status = stage.scene.destination_is(&ids[platform], SOON, &["error"]).await?;
        let error = &destination(&status, &ids[platform])["error"];
        assert_eq!(error["code"], code, "{platform}: {error}");
    }
    for platform in ["twitch", "cloudflare"] {
        stage.scene.destination_is(&ids[platform], SOON, &["live"]).await?;
    }
    stage.close().await
}

/// Taken out, or deleted, while live: its broadcast is ended on the platform, the others go on.
#[tokio::test(flavor = "multi_thread")]
async fn removed_while_live_it_is_ended_alone() -> anyhow::Result<()> {
    let stage = Stage::open().await?;
    let (api, stream) = (stage.scene.api.clone(), stage.scene.stream.clone());
    let ids = stage.on_all_four(&api, &stream.id, "alice").await?;
    api.start(&stream.id).await?;
    api.wait_destinations(&stream.id, SOON, &["live"]).await?;
    api.delete(&format!("/api/simulcast/{}/destinations/{}", stream.id, ids["youtube"])).await?;
    until("the broadcast is complete", SOON, async || {
        (Holdings::statuses(&stage.holdings("alice").ok()?.broadcasts) == ["complete"]).then_some(())
    })
    .await?;
    let status = api.status(&stream.id).await?;
    for platform in ["twitch", "facebook", "cloudflare"] {
        assert_eq!(destination(&status, &ids[platform])["status"], "live", "{platform}");
    }
    api.delete(&format!("/api/destinations/{}", ids["facebook"])).await?;
    until("the live video is over", SOON, async || {
        (Holdings::statuses(&stage.holdings("alice").ok()?.lives) != ["LIVE"]).then_some(())
    })
    .await?;
    stage.close().await
}

async fn watched(show: &Show) -> anyhow::Result<()> {
    let stream = &show.stream.id;
    let status = show
        .api
        .wait_status(stream, Duration::from_secs(60), |status| {
            show.ids.iter().all(|(_, id)| destination(status, id)["viewer_count"].as_u64() > Some(0))
        })
        .await?;
    let sum: u64 = show.ids.values().filter_map(|id| destination(&status, id)["viewer_count"].as_u64()).sum();
    assert_eq!(status["stream"]["viewer_count"].as_u64(), Some(sum), "{status}");
    Ok(())
}

async fn metrics(show: &Show) -> anyhow::Result<()> {
    let metrics = show.api.metrics(&show.stream.id).await?;
    for (platform, id) in &show.ids {
        let one = &metrics["destinationMetrics"][id];
        assert!(one["bytesSent"].as_u64() > Some(10_000), "{platform}: {one}");
    }
    let health = show.api.health(&show.stream.id).await?;
    assert_eq!(health["overall"], "healthy", "{health}");
    Ok(())
}

/// Every call that was made, and every answer, is as the platforms' own descriptions say.
pub(crate) fn keeps_the_contracts(stage: &Stage) -> anyhow::Result<()> {
    let Some(contract) = platform_sim::contract::Contract::find()? else { return Ok(()) };
    let journal = stage.sim.journal();
    assert!(journal.len() > 20, "only {} calls", journal.len());
    let violations = contract.violations(&journal);
    assert!(violations.is_empty(), "{violations:#?}");
    Ok(())
}

/// One destination inside a status answer.
pub(crate) fn destination<'a>(status: &'a Value, id: &str) -> &'a Value {
    let all = status["destinations"].as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter().find(|one| one["id"] == id).unwrap_or(&Value::Null)
}
