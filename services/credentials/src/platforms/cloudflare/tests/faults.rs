//! Cloudflare refuses, throttles, breaks off and answers nonsense.

use super::*;

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
