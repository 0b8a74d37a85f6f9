//! Dead tokens are renewed once, and no secret is written anywhere.

use std::{
    fmt::{Debug, Write},
    sync::{Arc, Mutex, atomic::Ordering},
};

use platform_sim::{Action, Fault, errors};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use super::{bench::Bench, media::Live};
use crate::platforms::{Features, Lifecycle, State};

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

/// Everything that is logged, at any level, by anybody but the simulator.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl Visit for Log {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0.lock().unwrap(), " {field}={value:?}");
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        !metadata.target().starts_with("platform_sim") && !metadata.target().starts_with("hyper")
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        attributes.record(&mut self.clone());
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, values: &span::Record<'_>) {
        values.record(&mut self.clone());
    }

    fn event(&self, event: &Event<'_>) {
        let _ = write!(self.0.lock().unwrap(), "\n{}", event.metadata().target());
        event.record(&mut self.clone());
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

#[tokio::test]
async fn no_secret_is_written_anywhere() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let mut bench = Bench::hasty().await.on_page();
    let mut told = String::new();
    let mut say = |what: &dyn Debug| {
        let _ = write!(told, "{what:?}");
    };
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
    told.push_str(&log.0.lock().unwrap());
    assert!(told.contains("Graph refused"), "the log was looked at");
    for (id, _) in bench.lives() {
        told = told.replace(&id, "{live}"); // everybody may know it, and a key contains it
    }
    for secret in bench.sim.secrets() {
        for piece in secret.as_bytes().windows(12).filter_map(|piece| std::str::from_utf8(piece).ok()) {
            assert!(!told.contains(piece), "{piece} of a secret is in {told}");
        }
    }
}
