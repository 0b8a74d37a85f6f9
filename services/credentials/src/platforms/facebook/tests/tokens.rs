//! Dead tokens are renewed once, and no secret is written anywhere.

use std::{fmt::Debug, sync::atomic::Ordering};

use platform_sim::{Action, Fault, errors};

use super::{bench::Bench, media::Live};
use crate::platforms::{Features, Lifecycle, State, testing::Log};

const ANY: &str = "/graph/v26.0/*";

fn dead(subcode: u32) -> Fault {
    let body = errors::facebook(190, Some(subcode), "Error validating access token: Session has expired.");
    Fault::on("GET", ANY).answer(400, body)
}

#[tokio::test]
async fn a_dead_token_is_renewed_once() {
    for on_page in [false, true] {
        let mut bench = Bench::start().await;
        if on_page {
            bench = bench.on_page();
        }
        bench.prepare(&bench.run).await.unwrap();
        bench.sim.fault(dead(463));
        bench.facebook.prepare(&bench.run).await.unwrap();
        assert_eq!(bench.tokens.renewals.load(Ordering::SeqCst), 1);
        assert_eq!(bench.lives().len(), 1);
    }
}

#[tokio::test]
async fn dead_again_means_sign_in_again() {
    for (subcode, word) in [(463, "expired"), (460, "password"), (458, "removed"), (459, "security check")] {
        let bench = Bench::start().await;
        bench.prepare(&bench.run).await.unwrap();
        // The renewal itself succeeds; what it brings is as dead.
        bench.sim.fault(Fault { path: "/graph/v26.0/7*".to_owned(), ..dead(subcode).times(0) });
        let failure = bench.facebook.prepare(&bench.run).await.unwrap_err();
        assert_eq!((failure.code(), failure.is_transient()), ("reauth_required", false));
        assert!(failure.fault.message.contains(word), "{failure:?}");
        assert_eq!(bench.tokens.renewals.load(Ordering::SeqCst), 1);
        assert_eq!(bench.sim.faults()[0].1, 2);
    }
}

#[tokio::test]
async fn revoked_by_the_person() {
    for on_page in [false, true] {
        let mut bench = Bench::start().await;
        if on_page {
            bench = bench.on_page();
        }
        bench.prepare(&bench.run).await.unwrap();
        let revoke = Action::Revoke { provider: "facebook".into(), account: "alice".into(), subcode: Some(460) };
        bench.sim.act(&revoke).unwrap();
        let failure = bench.facebook.prepare(&bench.run).await.unwrap_err();
        assert_eq!(failure.code(), "reauth_required");
        assert!(failure.fault.message.contains("password"), "{failure:?}");
        assert_eq!(bench.tokens.renewals.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn no_secret_is_written_anywhere() {
    let (log, _guard) = Log::begin();
    let mut bench = Bench::hasty().await.on_page();
    let say = |what: &dyn Debug| log.say(what);
    let token = bench.run.tokens.token().await.unwrap();
    say(&token);
    // Facebook repeats the token in an error; the connection breaks; the answer is no JSON.
    for fault in [
        Fault::on("POST", ANY).answer(
            400,
            errors::facebook(
                100,
                None,
                &format!("Malformed access token {}", secret::ExposeSecret::expose_secret(&token.secret)),
            ),
        ),
        Fault::on("POST", ANY).reset(platform_sim::Reset::Before),
        Fault { truncate: true, ..Fault::on("POST", ANY) },
    ] {
        bench.sim.fault(fault);
        say(&bench.facebook.prepare(&bench.run).await);
    }
    let ready = bench.prepare(&bench.run).await.unwrap();
    say(&ready);
    let _live = Live::start(&ready.rtmp_url, &bench.key().await).await.unwrap();
    bench.run.publishing_ms = bench.sim.now_ms();
    say(&bench.until_state(State::Live).await);
    say(&bench.facebook.embed(&bench.run).await);
    say(&bench.facebook.insights(&bench.run).await);
    say(&bench.facebook.pages(&bench.run).await);
    bench.finish().await.unwrap();
    say(&bench.shelf.lock().unwrap());
    say(&bench.facebook);
    log.assert_holds("Graph refused");
    // Everybody may know a live video's id, and a key contains it.
    let ids: Vec<String> = bench.lives().into_iter().map(|(id, _)| id).collect();
    log.assert_no_secret(&bench.sim, &ids.iter().map(String::as_str).collect::<Vec<_>>());
}
