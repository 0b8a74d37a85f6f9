//! A Postgres, an orchestrator's stand-in, and services started against them.

use std::{fs, net::SocketAddr, time::Duration};

use secret::SecretString;
use service_kit::grpc::{self, InternalChannel};
use sqlx::{Connection, PgConnection};
use testkit::{
    Postgres, postgres,
    proc::{End, Proc, Spec},
};
use uuid::Uuid;
use wire::v1::{
    GetPublishTargetRequest, IngestKeyRequest, OwnedTarget, Platform, PutStreamKeyRequest, vault_client::VaultClient,
};

use crate::orchestrator::{FakeOrchestrator, Owner};

pub const KEY_A: &str = "AAq8Zt3mWx0Lr7Yc2Vb5Nk9Hs4Df6Gj1Pa";
pub const KEY_B: &str = "BBu5Rk1oQe8Tn4Xz7Ia0Wd3Lp6Fy9Cv2Sg";
pub const TENANT: &str = "tenant-1";
const TOKEN: &str = "internal-token-of-the-tests";
const START: Duration = Duration::from_secs(30);

pub fn token() -> SecretString {
    SecretString::from(TOKEN.to_owned())
}

pub struct World {
    pub postgres: Postgres,
    pub orchestrator: FakeOrchestrator,
    temp: tempfile::TempDir,
}

impl World {
    pub async fn start() -> Self {
        Self::start_with(postgres::Options::default()).await
    }

    pub async fn start_with(options: postgres::Options) -> Self {
        let postgres = Postgres::start_with(options).await.expect("Postgres starts");
        let orchestrator = FakeOrchestrator::start().await;
        Self { postgres, orchestrator, temp: testkit::temp::dir("credentials").expect("a directory") }
    }

    /// A service with this ENCRYPTION_KEY, ready.
    pub async fn service(&self, key: &str) -> Service {
        self.service_with(&[("ENCRYPTION_KEY", key)]).await
    }

    pub async fn service_with(&self, env: &[(&str, &str)]) -> Service {
        let name = Uuid::new_v4().to_string();
        let ready_file = self.temp.path().join(format!("{name}.json"));
        let mut spec = self.spec(&name, env);
        spec.env.push(("READY_FILE".to_owned(), ready_file.display().to_string()));
        let proc = Proc::spawn(spec).expect("starts");
        proc.ready(START, async || ready_file.exists()).await.expect("ready");
        let ready: serde_json::Value = serde_json::from_slice(&fs::read(&ready_file).expect("reads")).expect("JSON");
        let url = |name: &str| ready[name].as_str().expect("a URL").to_owned();
        Service { proc, grpc: url("grpc"), http: url("http") }
    }

    /// Runs it to its end: whether it succeeded, and its output.
    pub async fn run(&self, args: &[&str], env: &[(&str, &str)]) -> (bool, String) {
        let spec = self.spec(&Uuid::new_v4().to_string(), env).args(args.iter().copied());
        let log = spec.log.clone();
        let proc = Proc::spawn(spec).expect("starts");
        let ended = testkit::wait::until("the end", START, async || proc.exit_status()).await.expect("ends");
        (ended.success(), fs::read_to_string(log).expect("reads"))
    }

    fn spec(&self, name: &str, env: &[(&str, &str)]) -> Spec {
        let log = self.temp.path().join(format!("{name}.log"));
        let mut spec = Spec::new("credentials", env!("CARGO_BIN_EXE_credentials"), log);
        spec.clear_env = true;
        spec.end = End::Term;
        let database = self.postgres.url();
        let fixed = [
            ("DATABASE_URL", database.as_str()),
            ("ORCHESTRATOR_URL", &self.orchestrator.url),
            ("INTERNAL_TOKEN", TOKEN),
            ("VAULT_SCRYPT_LOG_N", "10"),
        ];
        spec.env = fixed.iter().chain(env).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        spec
    }

    pub async fn sql(&self) -> PgConnection {
        PgConnection::connect(&self.postgres.url()).await.expect("connects")
    }

    pub fn own(&self, destination: Uuid, platform: Platform) -> GetPublishTargetRequest {
        let target = OwnedTarget {
            tenant_id: TENANT.to_owned(),
            stream_id: Uuid::new_v4().to_string(),
            destination_id: destination.to_string(),
            platform: platform.into(),
            rtmp_url: "rtmps://ingest.example/live".to_owned(),
            account_id: String::new(),
        };
        let (session, worker) = (destination.to_string(), "w-1".to_owned());
        self.orchestrator.assign(Owner { session: session.clone(), epoch: 7, worker: worker.clone(), target });
        GetPublishTargetRequest {
            destination_id: destination.to_string(),
            session_id: session,
            epoch: 7,
            worker_id: worker,
        }
    }
}

pub struct Service {
    pub proc: Proc,
    pub grpc: String,
    pub http: String,
}

impl Service {
    pub fn client(&self) -> VaultClient<InternalChannel> {
        VaultClient::new(grpc::internal_channel(&self.grpc, &token()).expect("a URL"))
    }

    pub fn http_addr(&self) -> SocketAddr {
        self.http.trim_start_matches("http://").parse().expect("an address")
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.proc.log()).expect("reads")
    }
}

pub fn put(destination: Uuid, key: &str) -> PutStreamKeyRequest {
    PutStreamKeyRequest {
        tenant_id: TENANT.to_owned(),
        destination_id: destination.to_string(),
        stream_key: key.to_owned(),
    }
}

pub fn stream(id: Uuid) -> IngestKeyRequest {
    IngestKeyRequest { tenant_id: TENANT.to_owned(), stream_id: id.to_string() }
}
