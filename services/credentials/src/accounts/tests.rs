//! Against the simulated platforms and a real Postgres; each replica has a pool of its own, as in life.

mod link;
mod maintenance;
mod outage;
mod refresh;
mod secrecy;
mod unlink;

use std::{sync::Arc, time::Duration};

use clap::Parser;
use domain::{ids::TenantId, platform::Platform};
use platform_sim::{Consent, JournalEntry, Sim};
use secret::SecretString;
use service_kit::ManualClock;
use sqlx::{Connection, PgConnection};
use testkit::{Postgres, postgres};
use time::OffsetDateTime;

use super::{Account, Accounts, Error};
use crate::{
    crypto::Passphrase,
    http::{self, Http},
    platforms::PlatformsConfig,
    store::{self, Store},
    unlock::{Cost, Passphrases, unlock},
    vault::Vault,
};

const KEY: &str = "AAq8Zt3mWx0Lr7Yc2Vb5Nk9Hs4Df6Gj1Pa";
const PLATFORMS: [Platform; 3] = [Platform::Youtube, Platform::Twitch, Platform::Facebook];

#[derive(Parser)]
struct Parsed {
    #[command(flatten)]
    platforms: PlatformsConfig,
}

struct World {
    postgres: Postgres,
    sim: Sim,
    clock: ManualClock,
    http: http::Options,
    config: PlatformsConfig,
}

impl World {
    async fn start() -> Self {
        Self::start_on(postgres::Options::default()).await
    }

    async fn start_on(options: postgres::Options) -> Self {
        service_kit::install_crypto();
        let sim = Sim::start(platform_sim::Options::default()).await.expect("a simulator");
        let now = OffsetDateTime::from_unix_timestamp_nanos(i128::from(sim.now_ms()) * 1_000_000).expect("a time");
        let config = config(sim.http());
        let http = http::Options { total: Duration::from_secs(3), ..http::Options::default() };
        let postgres = Postgres::start_with(options).await.expect("Postgres");
        Self { postgres, sim, clock: ManualClock::new(now), http, config }
    }

    /// One more replica.
    async fn replica(&self) -> Accounts {
        let store = Store::new(&SecretString::from(self.postgres.url()), store::Options::default()).expect("a URL");
        store.migrate().await.expect("migrates");
        let current = Passphrase::new(SecretString::from(KEY.to_owned())).expect("a key");
        let cost = Cost { log_n: 10, least_log_n: 10 };
        let unlocked = unlock(&store, &Passphrases { current, previous: None }, cost).await.expect("opens");
        let vault = Vault::new(store.clone(), Arc::new(unlocked.keyring));
        let http = Http::new(self.http).expect("a client");
        Accounts::new(store, vault, http, &self.config, Arc::new(self.clock.clone()))
    }

    fn advance(&self, by: Duration) {
        self.clock.advance(by);
        self.sim.advance(by);
    }

    /// What the redirect brings for a page that was begun.
    fn agree(&self, auth_url: &str, consent: &Consent) -> (SecretString, String) {
        let back = self.sim.authorize(auth_url, consent).expect("a redirect");
        let of = |name: &str| back.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        (SecretString::from(of("code").expect("a code")), of("state").expect("a state"))
    }

    async fn link_as(
        &self,
        accounts: &Accounts,
        who: &TenantId,
        on: Platform,
        consent: &Consent,
    ) -> Result<Account, Error> {
        let begun = accounts.begin_link(who, on).await?;
        let (code, state) = self.agree(&begun.auth_url, consent);
        accounts.finish_link(who, on, code, Some(&state)).await
    }

    async fn link(&self, accounts: &Accounts, on: Platform) -> Account {
        self.link_as(accounts, &tenant(), on, &Consent::of("alice")).await.expect("linked")
    }

    /// Calls that ask for a new token.
    fn refreshes(&self, on: Platform) -> Vec<JournalEntry> {
        let (method, path) = token_endpoint(on);
        let mut calls = self.sim.calls(method, path);
        calls.retain(|call| {
            let asks =
                |kind: &str| call.body["grant_type"] == kind || call.query.iter().any(|(_, value)| value == kind);
            asks("refresh_token") || asks("fb_exchange_token")
        });
        calls
    }

    async fn sql(&self) -> PgConnection {
        PgConnection::connect(&self.postgres.url()).await.expect("connects")
    }

    async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&mut self.sql().await).await.expect("a number")
    }
}

fn config(sim: &str) -> PlatformsConfig {
    let args = [
        "--youtube-client-id=sim-google-client".to_owned(),
        "--youtube-client-secret=sim-google-secret-4fQz81".to_owned(),
        "--youtube-redirect-uri=https://app.example/oauth/youtube?x=1".to_owned(),
        "--twitch-client-id=sim-twitch-client".to_owned(),
        "--twitch-client-secret=sim-twitch-secret-4fQz81".to_owned(),
        "--twitch-redirect-uri=https://app.example".to_owned(),
        "--facebook-app-id=sim-facebook-client".to_owned(),
        "--facebook-app-secret=sim-facebook-secret-4fQz81".to_owned(),
        "--facebook-redirect-uri=https://App.example/OAuth/".to_owned(),
        format!("--google-auth-url={sim}/google-oauth/o/oauth2/v2/auth"),
        format!("--google-token-url={sim}/google-oauth/token"),
        format!("--google-revoke-url={sim}/google-oauth/revoke"),
        format!("--youtube-api-url={sim}/youtube/v3"),
        format!("--twitch-oauth-url={sim}/twitch-id/oauth2"),
        format!("--twitch-api-url={sim}/helix"),
        format!("--facebook-dialog-url={sim}/facebook-dialog/v26.0/dialog/oauth"),
        format!("--facebook-graph-url={sim}/graph/v26.0"),
    ];
    Parsed::try_parse_from(["x".to_owned()].into_iter().chain(args)).expect("parses").platforms
}

fn tenant() -> TenantId {
    TenantId("tenant-1".into())
}

fn other_tenant() -> TenantId {
    TenantId("tenant-2".into())
}

fn token_endpoint(on: Platform) -> (&'static str, &'static str) {
    match on {
        Platform::Youtube => ("POST", "/google-oauth/token"),
        Platform::Twitch => ("POST", "/twitch-id/oauth2/token"),
        _ => ("GET", "/graph/v26.0/oauth/access_token"),
    }
}

/// As the simulator calls who gives the platform's tokens.
fn provider(on: Platform) -> String {
    if on == Platform::Youtube { "google".to_owned() } else { on.to_string() }
}

/// A stable code, as callers see it.
fn code(error: Error) -> String {
    let status = tonic::Status::from(error);
    service_kit::grpc::error_code(&status).unwrap_or_default().to_owned()
}
