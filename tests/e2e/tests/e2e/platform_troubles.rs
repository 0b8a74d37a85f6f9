//! Platforms that say no in the middle of a show.

use std::time::Duration;

use e2e::platforms::{Holdings, SOON, Stage};
use platform_sim::{Action, Fault};
use serde_json::{Value, json};
use testkit::wait::until;

use crate::platforms::destination;

/// The quota is gone: the next show goes out with the stored key, and the state says why less is known.
#[tokio::test(flavor = "multi_thread")]
async fn without_quota_the_stored_key_still_publishes() -> anyhow::Result<()> {
    let stage = Stage::open().await?;
    let (api, stream) = (stage.scene.api.clone(), stage.scene.stream.clone());
    let id = api.link("youtube", "alice", &stream.id, "youtube").await?;
    api.start(&stream.id).await?;
    api.wait_destinations(&stream.id, SOON, &["live"]).await?;
    api.stop(&stream.id).await?;
    api.wait_destinations(&stream.id, SOON, &["ended"]).await?;
    stage.sim.act(&Action::SetYoutubeQuota { used: 10_000 })?;
    let before = stage.sim.publishes().len();
    api.start(&stream.id).await?;
    stage.scene.destination_is(&id, SOON, &["connected"]).await?;
    assert_eq!(stage.sim.publishes().len(), before + 1);
    let says_why = |answer: &Value| answer.to_string().contains("daily allowance");
    let status = api.wait_status(&stream.id, SOON, says_why).await?;
    assert_eq!(destination(&status, &id)["status"], "connected", "{status}");
    stage.close().await
}

/// The person has taken our access away: the destination says what to do, nobody asks again, signing in mends it.
#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_account_is_said_once() -> anyhow::Result<()> {
    let stage = Stage::open().await?;
    let (api, stream) = (stage.scene.api.clone(), stage.scene.stream.clone());
    let id = api.link("twitch", "alice", &stream.id, "twitch").await?;
    stage.sim.act(&Action::Revoke { provider: "twitch".into(), account: "alice".into(), subcode: None })?;
    api.start_no_wait(&stream.id).await?;
    let status = stage.scene.destination_is(&id, SOON, &["error"]).await?;
    assert_eq!(destination(&status, &id)["error"]["code"], "reauth_required", "{status}");
    let refreshes = stage.sim.calls("POST", "/twitch-id/oauth2/token").len();
    assert!(refreshes <= 3, "{refreshes} token calls");
    let again = api.link("twitch", "alice", &stream.id, "again").await?;
    api.delete(&format!("/api/destinations/{again}")).await?;
    api.start_no_wait(&stream.id).await?;
    stage.scene.destination_is(&id, SOON, &["live"]).await?;
    stage.close().await
}

/// Somebody ends the broadcast on the platform's own page while we publish: there is a new one, and it is live.
#[tokio::test(flavor = "multi_thread")]
async fn a_broadcast_that_was_ended_outside_is_made_anew() -> anyhow::Result<()> {
    let stage = Stage::open().await?;
    let (api, stream) = (stage.scene.api.clone(), stage.scene.stream.clone());
    let id = api.link("facebook", "alice", &stream.id, "facebook").await?;
    api.start(&stream.id).await?;
    api.wait_destinations(&stream.id, SOON, &["live"]).await?;
    let first = stage.holdings("alice")?.lives[0]["id"].as_str().unwrap().to_owned();
    end_live_video(&stage, &first).await?;
    let patience = Duration::from_secs(60);
    until("a second live video is live", patience, async || {
        let holdings = stage.holdings("alice").ok()?;
        (holdings.lives.len() == 2 && Holdings::statuses(&holdings.lives)[1] == "LIVE").then_some(())
    })
    .await?;
    stage.scene.destination_is(&id, patience, &["live"]).await?;
    stage.close().await
}

/// The platforms' APIs are away for a while at the start: what can't be prepared is tried again by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_platform_that_is_away_is_tried_again() -> anyhow::Result<()> {
    let stage = Stage::open().await?;
    let (api, stream) = (stage.scene.api.clone(), stage.scene.stream.clone());
    let ids = stage.on_all_four(&api, &stream.id, "alice").await?;
    for path in ["/youtube/v3/*", "/helix/*", "/graph/*", "/cloudflare/*"] {
        let fault = Fault { path: path.into(), ..Fault::default() };
        stage.sim.fault(fault.answer(503, json!({"error": {"code": 503, "message": "later"}})).times(3));
    }
    api.start_no_wait(&stream.id).await?;
    api.wait_destinations(&stream.id, Duration::from_secs(60), &["live"]).await?;
    let holdings = stage.holdings("alice")?;
    assert_eq!((holdings.broadcasts.len(), holdings.lives.len(), holdings.inputs.len()), (1, 1, 1), "{ids:?}");
    stage.close().await
}

/// The person ends it in the browser: with a token of their own, so not through us.
async fn end_live_video(stage: &Stage, id: &str) -> anyhow::Result<()> {
    let base = stage.sim.http();
    let url = format!(
        "{base}/facebook-dialog/v26.0/dialog/oauth?client_id=sim-facebook-client&redirect_uri=http://127.0.0.1/x\
         &response_type=code&scope=publish_video&state=s"
    );
    let code = testkit::link::consent(&url, "alice").await?.code;
    let http = reqwest::Client::new();
    let query = format!(
        "client_id=sim-facebook-client&client_secret=sim-facebook-secret-4fQz81&redirect_uri=http://127.0.0.1/x&code={code}"
    );
    let answer: Value = http
        .get(format!("{base}/graph/v26.0/oauth/access_token?{query}"))
        .send()
        .await?
        .error_for_status()?
        .json()
        .await?;
    let token = answer["access_token"].as_str().unwrap();
    http.post(format!("{base}/graph/v26.0/{id}?end_live_video=true&access_token={token}"))
        .header("content-length", 0)
        .send()
        .await?
        .error_for_status()?;
    Ok(())
}
