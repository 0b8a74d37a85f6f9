//! Twitch refuses, throttles, breaks off and answers nonsense.

use super::*;

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
