//! The vault or the orchestrator dies in the middle of a preparation. Afterwards there is one broadcast for each
//! destination, it goes live, and nothing is left over on a platform.
//!
//! The moment is chosen by the platform: it holds a call (before or after doing what was asked), and while it is held the
//! process is killed. So every step of a preparation is met from outside, without a hook in the product.

use std::time::Duration;

use e2e::platforms::{Holdings, LINKED, SOON, Stage};
use platform_sim::Fault;
use serde_json::json;
use testkit::{stack::Service, wait::until};

/// The platform has done it and holds the answer for so long: longer than the process needs to be killed and to come back.
const ANSWER_HELD: Duration = Duration::from_secs(6);
/// The platform does it so late: the process has been killed and is back before.
const CALL_HELD: Duration = Duration::from_secs(2);

/// The calls of a preparation that change something, by platform.
const STEPS: [(&str, &str, &str); 6] = [
    ("youtube", "POST", "/youtube/v3/liveStreams"),
    ("youtube", "POST", "/youtube/v3/liveBroadcasts"),
    ("youtube", "POST", "/youtube/v3/liveBroadcasts/bind"),
    ("twitch", "PATCH", "/helix/channels"),
    ("facebook", "POST", "/graph/*/live_videos"),
    ("cloudflare", "POST", "/cloudflare/client/v4/accounts/*/stream/live_inputs"),
];

#[derive(Clone, Copy, Debug)]
enum Held {
    BeforeIt,
    AfterIt,
}

async fn kill_at_each_step(victim: Service, held: Held) -> anyhow::Result<()> {
    let stage = Stage::open().await?;
    let (api, stream) = (stage.scene.api.clone(), stage.scene.stream.clone());
    // The accounts are linked once; each round makes its own destination.
    for platform in LINKED {
        let id = api.link(platform, "alice", &stream.id, platform).await?;
        api.delete(&format!("/api/destinations/{id}")).await?;
    }
    for (platform, method, path) in STEPS {
        let before = stage.holdings("alice")?;
        let id = api.create_on(platform, &stream.id, platform, json!({})).await?;
        let (delay_before, delay_after) = match held {
            Held::BeforeIt => (CALL_HELD, Duration::ZERO),
            Held::AfterIt => (Duration::ZERO, ANSWER_HELD),
        };
        stage.sim.fault(Fault::on(method, path).delay(delay_before, delay_after));
        let met = || stage.sim.faults().iter().any(|(fault, met)| fault.path == path && *met > 0);
        api.start_no_wait(&stream.id).await?;
        until("the call is held", SOON, async || met().then_some(())).await?;
        let process = stage.scene.stack.process(victim, 0)?;
        process.kill();
        process.restart().await?;
        stage.sim.clear_faults();
        stage.scene.destination_is(&id, SOON, &["live"]).await.map_err(|e| e.context(format!("{platform} {path}")))?;

        let during = stage.holdings("alice")?;
        let grown = |of: fn(&Holdings) -> usize| of(&during) - of(&before);
        let expected = |name: &str| usize::from(platform == name);
        assert_eq!(grown(|h| h.broadcasts.len()), expected("youtube"), "{path}: {during:?}");
        assert_eq!(grown(|h| h.streams.len()), expected("youtube"), "{path}: {during:?}");
        assert_eq!(grown(|h| h.lives.len()), expected("facebook"), "{path}: {during:?}");
        assert_eq!(grown(|h| h.inputs.len()), expected("cloudflare"), "{path}: {during:?}");

        api.stop(&stream.id).await?;
        stage.scene.destination_is(&id, SOON, &["ended"]).await?;
        api.delete(&format!("/api/destinations/{id}")).await?;
    }
    let after = stage.holdings("alice")?;
    assert_eq!(Holdings::statuses(&after.broadcasts), ["complete"; 3], "nothing is left open");
    for open in ["LIVE", "UNPUBLISHED"] {
        assert!(!Holdings::statuses(&after.lives).contains(&open), "{after:?}");
    }
    stage.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_vault_dies_before_the_platform_did_it() -> anyhow::Result<()> {
    kill_at_each_step(Service::Credentials, Held::BeforeIt).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_vault_dies_after_the_platform_did_it() -> anyhow::Result<()> {
    kill_at_each_step(Service::Credentials, Held::AfterIt).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_orchestrator_dies_before_the_platform_did_it() -> anyhow::Result<()> {
    kill_at_each_step(Service::Orchestrator, Held::BeforeIt).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_orchestrator_dies_after_the_platform_did_it() -> anyhow::Result<()> {
    kill_at_each_step(Service::Orchestrator, Held::AfterIt).await
}
