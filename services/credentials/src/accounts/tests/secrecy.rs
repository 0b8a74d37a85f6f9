//! No piece of a token, code, state or verifier is in any line that is written, at the finest level, or in any error.

use std::sync::{Mutex, PoisonError};

use platform_sim::{Action, Fault};
use secret::ExposeSecret;
use serde_json::json;
use tracing_subscriber::{filter::LevelFilter, fmt::MakeWriter};
use uuid::Uuid;

use super::*;
use crate::crypto::{Field, Place, Table};

/// Longer than by chance: the texts are of a small alphabet, and the log is long.
const PIECE: usize = 8;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn nothing_secret_is_written() {
    let log = Log::default();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(LevelFilter::TRACE).with_ansi(false).with_writer(log.clone());
    tracing::subscriber::set_global_default(subscriber.finish()).expect("the process is this test's own");
    let world = World::start().await;
    let accounts = world.replica().await;
    let mut shown = String::new();
    let mut secrets: Vec<String> = Vec::new();
    for on in PLATFORMS {
        let begun = accounts.begin_link(&tenant(), on).await.expect("begins");
        shown += &format!("{begun:?}");
        secrets.push(begun.state.clone());
        secrets.extend(verifier(&world, &accounts).await);
        let (code_of, state) = world.agree(&begun.auth_url, &Consent::of("alice"));
        let foreign = accounts.finish_link(&other_tenant(), on, code_of.clone(), Some(&state)).await;
        shown += &format!("{foreign:?}");
        let account = accounts.finish_link(&tenant(), on, code_of.clone(), Some(&state)).await.expect("linked");
        let begun = accounts.begin_link(&tenant(), on).await.expect("begins");
        secrets.push(begun.state.clone());
        let replayed = accounts.finish_link(&tenant(), on, code_of.clone(), Some(&begun.state)).await;
        shown += &format!("{account:?} {replayed:?}");
        shown += &format!("{:?}", tonic::Status::from(replayed.expect_err("used")));
        let tokens = accounts.tokens(&account);
        let token = tokens.token().await.expect("a token");
        shown += &format!("{token:?} {accounts:?}");
        // A platform that repeats what it was sent.
        let (method, path) = token_endpoint(on);
        let echo = json!({"error": "invalid_request", "message": token.secret.expose_secret(), "access_token": 7});
        for status in [200, 400, 500] {
            world.sim.fault(Fault::on(method, path).answer(status, echo.clone()));
            shown += &format!("{:?}", accounts.refresh(&tenant(), account.id).await);
            world.advance(Duration::from_secs(90));
        }
        shown += &format!("{:?}", accounts.refresh(&tenant(), account.id).await.expect("refreshed"));
        world
            .sim
            .act(&Action::Revoke { provider: provider(on), account: "alice".into(), subcode: None })
            .expect("known");
        world.advance(Duration::from_secs(55 * 86_400));
        shown += &format!("{:?}", tokens.token().await.expect_err("dead"));
        let account = world.link(&accounts, on).await;
        accounts.maintain().await;
        accounts.unlink(&tenant(), account.id).await.expect("unlinked");
    }
    secrets.extend(world.sim.secrets());
    let log = String::from_utf8_lossy(&log.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned();
    assert!(
        log.contains("TRACE") && log.contains("token refreshed") && log.contains("sqlx"),
        "the log is the one that is meant"
    );
    assert!(secrets.len() > 25, "{} secrets", secrets.len());
    for (what, text) in [("the log", &log), ("an error", &shown)] {
        for secret in &secrets {
            assert_absent(what, text, secret);
        }
    }
}

fn assert_absent(what: &str, text: &str, secret: &str) {
    // An application's secret begins like its public id.
    let piece = if secret.starts_with("sim") { secret.len() } else { PIECE };
    // What stands at the front of every token of a platform is no secret; nor is the id in Twitch's keys.
    let known = ["ya29.a0", "1//0", "4/0A", "EAA", "AQ"].iter().find_map(|front| secret.strip_prefix(front));
    let key = secret.strip_prefix("live_").and_then(|key| key.split_once('_')).map(|(_, key)| key);
    let secret = known.or(key).unwrap_or(secret);
    for window in secret.as_bytes().windows(piece.min(secret.len())) {
        let window = std::str::from_utf8(window).expect("ascii");
        let line = text.lines().find(|line| line.contains(window));
        assert!(line.is_none(), "{what} holds {window:?} of a secret: {line:?}");
    }
}

/// The verifier of the sign-in that was begun last, if it has one.
async fn verifier(world: &World, accounts: &Accounts) -> Option<String> {
    let sql = "SELECT id FROM credentials.authorizations ORDER BY id DESC LIMIT 1";
    let id: Uuid = sqlx::query_scalar(sql).fetch_one(&mut world.sql().await).await.expect("one");
    let place = Place::new(tenant(), Table::Authorization, id, Field::Verifier);
    let opened = accounts.0.vault.open_in(&mut world.sql().await, &place).await.expect("opens");
    opened.map(|verifier| verifier.expose_secret().to_owned())
}
