//! Simulated platforms, a Postgres, and replicas that are called as the other services call them.

use std::{sync::Arc, time::Duration};

use clap::Parser;
use domain::{
    ids::{DestinationId, TenantId},
    platform::Platform,
};
use platform_sim::{Consent, Sim};
use secret::{SecretString, StreamKey};
use service_kit::{
    Shutdown,
    grpc::{self, InternalChannel},
};
use testkit::{Postgres, stack::platforms::environment, wait};
use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
};
use uuid::Uuid;
use wire::v1::{self, platforms_client::PlatformsClient, platforms_server::PlatformsServer};

use crate::{
    crypto::Passphrase,
    owner::Orchestrator,
    platforms::{PlatformsConfig, testing::Live},
    services::Services,
    store::{self, Store},
    unlock::{Cost, Passphrases, unlock},
    vault::Vault,
};

pub(super) const ON: [Platform; 4] = [Platform::Youtube, Platform::Twitch, Platform::Facebook, Platform::Cloudflare];
const SOON: Duration = Duration::from_secs(20);
const CALL_MS: u64 = 20_000;

#[derive(Parser)]
struct Parsed {
    #[command(flatten)]
    platforms: PlatformsConfig,
}

pub(super) struct World {
    postgres: Postgres,
    pub(super) sim: Sim,
    config: PlatformsConfig,
}

impl World {
    pub(super) async fn start() -> Self {
        service_kit::install_crypto();
        let sim = Sim::start(platform_sim::Options::default()).await.expect("a simulator");
        let cloudflare = sim.account("alice")["cloudflare"].clone();
        let text = |field: &str| cloudflare[field].as_str().expect("a text").to_owned();
        let variables = environment(sim.http(), &text("account_id"), &text("api_token"));
        let args = variables.iter().map(|(name, value)| format!("--{}={value}", name.to_lowercase().replace('_', "-")));
        let config = Parsed::try_parse_from(["x".to_owned()].into_iter().chain(args)).expect("parses").platforms;
        Self { postgres: Postgres::start().await.expect("Postgres"), sim, config }
    }

    /// One more replica, as it runs in life.
    pub(super) async fn replica(&self) -> Replica {
        let (url, vault, store, shutdown) = serve(self.postgres.url(), self.config.clone()).await;
        let client = PlatformsClient::new(grpc::internal_channel(&url, &token()).expect("a URL"));
        Replica { client, vault, store, shutdown }
    }

    /// One that can be killed: it and all its connections live in the runtime.
    pub(super) async fn mortal(&self) -> (Runtime, PlatformsClient<InternalChannel>) {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let (url, ..) = runtime.spawn(serve(self.postgres.url(), self.config.clone())).await.expect("serves");
        (runtime, PlatformsClient::new(grpc::internal_channel(&url, &token()).expect("a URL")))
    }

    /// Signs somebody in.
    pub(super) async fn link(&self, replica: &Replica, tenant: &str, on: Platform, person: &str) -> v1::Account {
        let platform = v1::Platform::from(on).into();
        let begin = v1::BeginLinkRequest { tenant_id: tenant.to_owned(), platform };
        let begun = replica.client().begin_link(begin).await.expect("begins").into_inner();
        let back = self.sim.authorize(&begun.auth_url, &Consent::of(person)).expect("a redirect");
        let of = |name: &str| back.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        let (code, state) = (of("code").expect("a code"), of("state").expect("a state"));
        let finish = v1::FinishLinkRequest { tenant_id: tenant.to_owned(), platform, code, state };
        replica.client().finish_link(finish).await.expect("links").into_inner()
    }
}

fn token() -> SecretString {
    SecretString::from("internal-token-of-the-tests".to_owned())
}

async fn serve(database: String, config: PlatformsConfig) -> (String, Vault, Store, Shutdown) {
    let few = store::Options { connections: 4, ..store::Options::default() };
    let store = Store::new(&SecretString::from(database), few).expect("a URL");
    store.migrate().await.expect("migrates");
    let current = Passphrase::new(SecretString::from("AAq8Zt3mWx0Lr7Yc2Vb5Nk9Hs4Df6Gj1Pa".to_owned())).expect("a key");
    let cost = Cost { log_n: 10, least_log_n: 10 };
    let unlocked = unlock(&store, &Passphrases { current, previous: None }, cost).await.expect("opens");
    let vault = Vault::new(store.clone(), Arc::new(unlocked.keyring));
    let nowhere = grpc::internal_channel("http://127.0.0.1:9", &token()).expect("a URL");
    let shutdown = Shutdown::new(Duration::from_secs(1));
    let services =
        Services::begin(&config, &store, vault.clone(), Orchestrator::new(nowhere), &shutdown).expect("begins");
    let server = PlatformsServer::with_interceptor(services.platforms, grpc::require_internal(&token()));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    shutdown.tasks.spawn(grpc::serve(grpc::server().add_service(server), listener, shutdown.clone()));
    (url, vault, store, shutdown)
}
pub(super) struct Replica {
    client: PlatformsClient<InternalChannel>,
    vault: Vault,
    pub(super) store: Store,
    shutdown: Shutdown,
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.shutdown.trigger();
    }
}

/// A destination of somebody's.
#[derive(Clone, Debug)]
pub(super) struct Destination {
    pub(super) tenant: &'static str,
    pub(super) on: Platform,
    pub(super) id: Uuid,
    pub(super) run_ms: i64,
}

impl Destination {
    pub(super) fn new(world: &World, tenant: &'static str, on: Platform) -> Self {
        Self { tenant, on, id: Uuid::now_v7(), run_ms: world.sim.now_ms() }
    }

    pub(super) fn broadcast(&self) -> Option<v1::BroadcastRef> {
        Some(v1::BroadcastRef { destination_id: self.id.to_string(), run_ms: self.run_ms, take: 0 })
    }

    pub(super) fn prepare(&self) -> v1::PrepareRequest {
        v1::PrepareRequest {
            tenant_id: self.tenant.to_owned(),
            broadcast: self.broadcast(),
            platform: v1::Platform::from(self.on).into(),
            account_id: String::new(),
            stream_title: "An evening of tests".to_owned(),
            settings: None,
        }
    }

    pub(super) fn feature(&self) -> v1::FeatureRef {
        v1::FeatureRef {
            tenant_id: self.tenant.to_owned(),
            destination_id: self.id.to_string(),
            platform: v1::Platform::from(self.on).into(),
            account_id: String::new(),
            settings: None,
        }
    }
}

impl Replica {
    pub(super) fn client(&self) -> PlatformsClient<InternalChannel> {
        self.client.clone()
    }

    /// Asks again while it is busy.
    pub(super) async fn prepare(&self, request: v1::PrepareRequest) -> v1::PrepareResponse {
        let until = wait::until("prepared", SOON, async || {
            let request = grpc::deadline(CALL_MS, request.clone());
            let answer = self.client().prepare(request).await.expect("answers").into_inner();
            (!answer.busy).then_some(answer)
        });
        until.await.expect("not busy for ever")
    }

    /// Until it is ready; what passes is tried again.
    pub(super) async fn ready(&self, destination: &Destination) -> v1::Ready {
        let mut last = None;
        let until = wait::until("ready", SOON, async || {
            let answer = self.prepare(destination.prepare()).await;
            last = answer.fault;
            answer.ready
        });
        let ready = until.await;
        ready.unwrap_or_else(|error| panic!("{} is not ready: {error} {last:?}", destination.on))
    }

    /// Until it is done.
    pub(super) async fn finish(&self, destination: &Destination) {
        let request =
            v1::FinishRequest { tenant_id: destination.tenant.to_owned(), broadcast: destination.broadcast() };
        let until = wait::until_true("finished", SOON, async || {
            let answer = self.client().finish(grpc::deadline(CALL_MS, request.clone())).await.expect("answers");
            answer.into_inner().done
        });
        until.await.expect("in time");
    }

    pub(super) async fn truth(&self, destination: &Destination, publishing_since_ms: i64) -> Option<v1::Truth> {
        let (tenant_id, broadcast) = (destination.tenant.to_owned(), destination.broadcast());
        let observed = v1::Observed { tenant_id, broadcast, publishing_since_ms };
        let request = v1::ObserveRequest { broadcasts: vec![observed] };
        self.client().observe(request).await.expect("answers").into_inner().truths.pop()
    }

    /// Until the platform says so.
    pub(super) async fn until(&self, destination: &Destination, publishing_ms: i64, state: &str) -> v1::Truth {
        let what = format!("{state} on {}", destination.on);
        let until = wait::until(&what, SOON, async || {
            let truth = self.truth(destination, publishing_ms).await?;
            (truth.state == state).then_some(truth)
        });
        until.await.expect("in time")
    }

    /// Publishes as a worker would.
    pub(super) async fn publish(&self, destination: &Destination) -> Live {
        let (url, key) = self.target(destination).await;
        Live::start(&url, &key).await.expect("the platform takes it")
    }

    async fn target(&self, destination: &Destination) -> (String, StreamKey) {
        let sql = "SELECT rtmp_url FROM credentials.broadcasts WHERE destination_id = $1 AND phase = 'ready'";
        let url = sqlx::query_scalar(sql).bind(destination.id).fetch_one(self.store.pool()).await.expect("ready");
        let (tenant, id) = (TenantId(destination.tenant.to_owned()), DestinationId(destination.id));
        let key = self.vault.stream_key(tenant, id).await.expect("opens").expect("a key");
        (url, key)
    }
}
