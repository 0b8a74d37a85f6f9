//! What YouTube refuses, and what we make of it.

use std::sync::atomic::Ordering;

use domain::platform_settings::PlatformSettings;
use platform_sim::{Action, Fault, Reset};
use serde_json::json;

use super::{
    publisher::Live,
    world::{INSERT, World},
};
use crate::platforms::{Book, Failure, Features, Lifecycle, Repair, State, Tokens, testing::Log};

async fn refused(status: u16, reason: &str) -> Failure {
    let world = World::start().await;
    world.refuse("POST", INSERT, status, reason);
    let place = world.place(PlatformSettings::default());
    let failure = world.youtube.prepare(&place.run).await.unwrap_err();
    // Nothing was made, and the next attempt makes one.
    world.prepared(&place).await;
    assert_eq!(world.broadcasts().len(), 1);
    failure
}

#[tokio::test]
async fn refusals_are_told_apart_by_their_reason() {
    for (status, reason, code, transient) in [
        (403, "liveStreamingNotEnabled", "live_streaming_not_enabled", false),
        (403, "livePermissionBlocked", "live_streaming_not_enabled", false),
        (403, "userBroadcastsExceedLimit", "broadcast_limit_reached", false),
        (429, "userBroadcastsExceedLimit", "broadcast_limit_reached", false),
        (403, "insufficientPermissions", "platform_permission_missing", false),
        (403, "rateLimitExceeded", "platform_rate_limited", true),
        (429, "userRequestsExceedRateLimit", "platform_rate_limited", true),
        (400, "invalidTitle", "platform_refused", false),
        (400, "somethingNew", "platform_refused", false),
        (401, "youtubeSignupRequired", "account_not_eligible", false),
    ] {
        let failure = refused(status, reason).await;
        assert_eq!((failure.code(), failure.is_transient()), (code, transient), "{reason}");
        assert!(!failure.ambiguous, "{reason}");
    }
    let text = refused(403, "liveStreamingNotEnabled").await.fault.message;
    assert!(text.contains("youtube.com/features"), "{text}");
}

#[tokio::test]
async fn a_token_that_is_refused_is_renewed_once() {
    let world = World::start().await;
    let place = world.place(PlatformSettings::default());
    let expired = Action::ExpireTokens { provider: "google".to_owned(), account: "alice".to_owned() };
    world.sim.act(&expired).unwrap();
    world.prepared(&place).await;
    assert_eq!(world.tokens.renewals.load(Ordering::SeqCst), 1);
    for _ in 0..2 {
        world.refuse("DELETE", INSERT, 401, "authError");
    }
    let failure = world.youtube.finish(&place.run).await.unwrap_err();
    assert_eq!((failure.code(), world.tokens.renewals.load(Ordering::SeqCst)), ("reauth_required", 2));
}

#[tokio::test]
async fn without_quota_a_stored_key_still_goes_live() {
    let world = World::start().await;
    let mut place = world.place(PlatformSettings::default());
    world.prepared(&place).await;
    world.youtube.finish(&place.run).await.unwrap();
    world.sim.act(&Action::SetYoutubeQuota { used: 10_000 }).unwrap();
    place.run.run_ms = 2;
    let ready = world.prepared(&place).await;
    assert_eq!(ready.rtmp_url, format!("{}/live2", world.sim.rtmp()));
    assert!(ready.notes[0].contains("allowance"), "{:?}", ready.notes);
    assert_eq!(world.budget.told.load(Ordering::SeqCst), 1);
    let calls = world.sim.journal().len();
    let live = Live::start(&ready.rtmp_url, &place.key(), 60).await;
    place.publishing(&world);
    let truth = world.look(&place).await.unwrap();
    assert_eq!((truth.state, truth.repair), (State::Unknown, None));
    assert_eq!(truth.fault.unwrap().code, "platform_quota_exceeded");
    assert!(truth.again.unwrap().as_secs() > 60);
    assert_eq!(world.sim.journal().len(), calls, "nobody asks before the reset");

    // The reset.
    world.sim.act(&Action::SetYoutubeQuota { used: 0 }).unwrap();
    world.budget.daily.store(10_000, Ordering::SeqCst);
    world.budget.used.store(0, Ordering::SeqCst);
    assert_eq!(world.look(&place).await.unwrap().repair, Some(Repair::Renew));
    place.run.take = 1;
    let ready = world.prepared(&place).await;
    assert_eq!(ready.notes, [""; 0]);
    world.until_live(&place).await;
    live.finish().await;
    world.youtube.finish(&place.run).await.unwrap();
}

#[tokio::test]
async fn without_quota_and_without_a_key_nothing_can_be_done() {
    let world = World::start().await;
    world.budget.daily.store(0, Ordering::SeqCst);
    let place = world.place(PlatformSettings::default());
    let failure = world.youtube.prepare(&place.run).await.unwrap_err();
    assert_eq!((failure.code(), failure.is_transient()), ("platform_quota_exceeded", true));
    assert!(failure.after.is_some());
    assert!(world.sim.calls("POST", "/youtube").is_empty());
}

#[tokio::test]
async fn looks_leave_the_reserve_alone() {
    let world = World::start().await;
    let mut place = world.place(PlatformSettings::default());
    let ready = world.prepared(&place).await;
    let live = Live::start(&ready.rtmp_url, &place.key(), 60).await;
    place.publishing(&world);
    world.until_live(&place).await;
    world.budget.used.store(8_000, Ordering::SeqCst);
    world.advance(std::time::Duration::from_secs(1_200));
    let truth = world.look(&place).await.unwrap();
    assert_eq!((truth.state, truth.fault.unwrap().code.as_str()), (State::Unknown, "platform_quota_exceeded"));
    live.finish().await;
    world.youtube.finish(&place.run).await.unwrap();
    assert_eq!(world.broadcasts(), ["complete"]);
}

#[tokio::test]
async fn no_secret_is_written_anywhere() {
    let (log, _guard) = Log::begin();
    let world = World::start().await;
    let mut place = world.place(PlatformSettings::default());
    let token = world.tokens.token().await.unwrap();
    let echo = secret::ExposeSecret::expose_secret(&token.secret);
    let body = json!({"error": {"code": 400, "message": echo, "errors": [{"reason": echo, "message": echo}]}});
    for path in ["/youtube/v3/liveStreams", INSERT, "/youtube/v3/liveBroadcasts/bind"] {
        for fault in [
            Fault::on("POST", path).answer(400, body.clone()),
            Fault::on("POST", path).reset(Reset::After),
            Fault { truncate: true, ..Fault::on("POST", path) },
        ] {
            world.sim.fault(fault);
            world.sync();
            log.say(&world.youtube.prepare(&place.run).await);
            world.advance(std::time::Duration::from_secs(4));
        }
    }
    let ready = world.prepared(&place).await;
    log.say(&(&token, &ready, place.key()));
    let live = Live::start(&ready.rtmp_url, &place.key(), 60).await;
    place.publishing(&world);
    log.say(&world.until_live(&place).await);
    let changes = PlatformSettings { title: Some("Other".to_owned()), ..PlatformSettings::default() };
    world.sim.fault(Fault::on("PUT", INSERT).answer(400, body));
    log.say(&world.youtube.apply(&place.run, &changes).await);
    log.say(&world.youtube.embed(&place.run).await);
    live.finish().await;
    log.say(&world.youtube.finish(&place.run).await);
    log.say(&place.memo.progress());
    log.assert_no_secret(&world.sim, &[]);
}
