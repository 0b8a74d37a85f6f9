//! One installation: real NATS, Redis and Postgres, one or more replicas of the orchestrator in this process, and a
//! vault that only counts deletions.

use std::time::Duration;

use bus::{Bus, EventKind, StoredEvent};
use clap::Parser;
use domain::ids::{DestinationId, StreamId};
use futures::StreamExt;
use lease::Leases;
use orchestrator::{app, config::Config, ctx::Ctx, options::Options};
use secret::SecretString;
use service_kit::{
    Readiness, Shutdown,
    grpc::{self, InternalChannel},
};
use testkit::{Nats, Postgres, Redis, wait};
use tokio::net::TcpListener;
use tonic::Status;
use uuid::Uuid;
use wire::v1::{self, ingest_client::IngestClient, sessions_client::SessionsClient, streams_client::StreamsClient};

use crate::vault::CountingVault;

pub const TENANT: &str = "alice";
const TOKEN: &str = "0123456789abcdef-internal";
const TICKET_KEY: &str = "0123456789abcdef0123456789abcdef";

pub struct House {
    pub nats: Nats,
    pub redis: Redis,
    pub postgres: Postgres,
    pub replicas: Vec<Replica>,
    pub bus: Bus,
    pub leases: Leases,
    pub vault: CountingVault,
}

pub struct Replica {
    pub ctx: Ctx,
    pub channel: InternalChannel,
    shutdown: Shutdown,
}

impl Replica {
    pub fn streams(&self) -> StreamsClient<InternalChannel> {
        StreamsClient::new(self.channel.clone())
    }

    pub fn ingest(&self) -> IngestClient<InternalChannel> {
        IngestClient::new(self.channel.clone())
    }

    pub fn sessions(&self) -> SessionsClient<InternalChannel> {
        SessionsClient::new(self.channel.clone())
    }

    pub async fn stop(&self) {
        self.shutdown.trigger();
        self.shutdown.drained().await;
    }
}

impl House {
    pub async fn start() -> anyhow::Result<Self> {
        Self::with(1, &[]).await
    }

    pub async fn with(replicas: usize, arguments: &[&str]) -> anyhow::Result<Self> {
        Self::with_options(replicas, arguments, |_| {}).await
    }

    pub async fn with_options(
        replicas: usize,
        arguments: &[&str],
        change: impl Fn(&mut Options),
    ) -> anyhow::Result<Self> {
        let patient = |options: &mut Options| {
            // On a busy machine a test waits rather than fails; the real bound is tested without this.
            options.database = Duration::from_secs(10);
            change(options);
        };
        Self::on(Postgres::start().await?, replicas, arguments, patient).await
    }

    /// One whose Postgres keeps what it committed when it is killed.
    pub async fn durable() -> anyhow::Result<Self> {
        let postgres = Postgres::start_with(testkit::postgres::Options { durable: true, ..Default::default() });
        Self::on(postgres.await?, 1, &[], |_| {}).await
    }

    async fn on(
        postgres: Postgres,
        replicas: usize,
        arguments: &[&str],
        change: impl Fn(&mut Options),
    ) -> anyhow::Result<Self> {
        service_kit::install_crypto();
        let _ = tracing_log();
        let (nats, redis) = tokio::try_join!(Nats::start(), Redis::start())?;
        let (vault, vault_url) = CountingVault::serve().await?;
        let bus = Bus::connect(&nats.url(), "test").await?;
        bus.ensure_streams(1).await?;
        let leases = Leases::connect(&redis.url(), Duration::from_secs(3)).await?;
        let mut house = Self { nats, redis, postgres, replicas: Vec::new(), bus, leases, vault };
        for _ in 0..replicas {
            house.add_replica(&vault_url, arguments, &change).await?;
        }
        Ok(house)
    }

    async fn add_replica(
        &mut self,
        vault_url: &str,
        arguments: &[&str],
        change: &impl Fn(&mut Options),
    ) -> anyhow::Result<()> {
        let (nats, redis, database) = (self.nats.url(), self.redis.url(), self.postgres.url());
        let fixed = [
            "orchestrator",
            "--internal-token",
            TOKEN,
            "--nats-url",
            &nats,
            "--redis-url",
            &redis,
            "--database-url",
            &database,
            "--credentials-url",
            vault_url,
            "--relay-ticket-key",
            TICKET_KEY,
            "--allow-private-destinations",
            "true",
            "--public-ingest-url",
            "rtmp://ingest.example:1935/live",
        ];
        let config = Config::try_parse_from([&fixed, arguments].concat())?;
        let shutdown = Shutdown::new(Duration::from_secs(3));
        let mut options = Options::from_config(&config);
        change(&mut options);
        let ctx = app::connect_with(&config, options).await?;
        ctx.db.migrate().await?;
        app::spawn(&ctx, &config, &Readiness::new(), &shutdown)?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let (served, stopping) = (ctx.clone(), shutdown.clone());
        shutdown.tasks.spawn(async move { app::serve(&served, &config, listener, stopping).await });
        let channel = grpc::internal_channel(&url, &SecretString::from(TOKEN.to_owned()))?;
        self.replicas.push(Replica { ctx, channel, shutdown });
        Ok(())
    }

    pub fn one(&self) -> &Replica {
        &self.replicas[0]
    }

    pub fn streams(&self) -> StreamsClient<InternalChannel> {
        self.one().streams()
    }

    /// A stream of [`TENANT`] with so many enabled destinations.
    pub async fn stream(&self, destinations: usize) -> anyhow::Result<Fixture> {
        let id = StreamId(Uuid::now_v7());
        let key = key_of(id);
        let create = v1::CreateStreamRequest {
            tenant_id: TENANT.into(),
            stream_id: id.to_string(),
            title: "A stream".into(),
            ingest_key_sha256: key.clone(),
            end_grace_s: None,
        };
        self.streams().create_stream(create).await?;
        let mut fixture = Fixture { id, key, destinations: Vec::new() };
        for _ in 0..destinations {
            fixture.destinations.push(self.destination(&fixture, v1::Settings::default()).await?);
        }
        Ok(fixture)
    }

    pub async fn destination(&self, of: &Fixture, settings: v1::Settings) -> anyhow::Result<DestinationId> {
        self.destination_on(of, v1::Platform::RtmpCustom, settings).await
    }

    /// A stream of [`TENANT`] with one enabled destination on each of these platforms.
    pub async fn stream_on(&self, platforms: &[v1::Platform]) -> anyhow::Result<Fixture> {
        let mut fixture = self.stream(0).await?;
        for platform in platforms {
            let id = self.destination_on(&fixture, *platform, v1::Settings::default()).await?;
            fixture.destinations.push(id);
        }
        Ok(fixture)
    }

    pub async fn destination_on(
        &self,
        of: &Fixture,
        platform: v1::Platform,
        settings: v1::Settings,
    ) -> anyhow::Result<DestinationId> {
        let is_custom = platform == v1::Platform::RtmpCustom;
        let id = DestinationId(Uuid::now_v7());
        let create = v1::CreateDestinationRequest {
            tenant_id: TENANT.into(),
            destination_id: id.to_string(),
            stream_id: of.id.to_string(),
            platform: platform.into(),
            name: "A server".into(),
            is_enabled: true,
            settings: Some(settings),
            rtmp_url: if is_custom { "rtmp://127.0.0.1:1935/live".into() } else { String::new() },
            account_id: String::new(),
            platform_settings: None,
        };
        self.streams().create_destination(create).await?;
        Ok(id)
    }

    pub async fn begin(&self, stream: &Fixture) -> Result<v1::StartResponse, Status> {
        Ok(self.streams().start(stream.start(0)).await?.into_inner())
    }

    pub async fn end(&self, stream: &Fixture) -> Result<v1::StopResponse, Status> {
        Ok(self.streams().stop(stream.wire()).await?.into_inner())
    }

    pub async fn status(&self, stream: &Fixture) -> Result<v1::StatusResponse, Status> {
        Ok(self.streams().get_status(stream.wire()).await?.into_inner())
    }

    /// `stream: destination destination …`, in the order they were made.
    pub async fn line(&self, stream: &Fixture) -> String {
        match self.status(stream).await {
            Ok(status) => {
                let words: Vec<_> = status.destinations.iter().map(|d| d.status.as_str()).collect();
                format!("{}: {}", status.stream.unwrap_or_default().status, words.join(" "))
            }
            Err(error) => format!("{:?}", error.code()),
        }
    }

    /// Waits for [`House::line`].
    pub async fn see(&self, stream: &Fixture, line: &str, within: Duration) -> anyhow::Result<()> {
        let mut last = String::new();
        let seen = wait::until_true(line, within, async || {
            last = self.line(stream).await;
            last == line
        });
        seen.await.map_err(|error| error.context(format!("last seen: {last}")))
    }

    /// The events of a stream from now on.
    pub async fn events(&self, stream: &Fixture) -> futures::stream::BoxStream<'static, StoredEvent> {
        self.bus.events(stream.id, Some(0)).await
    }

    /// An encoder publishes: let in, connected, and (from now on, by the test) reported.
    pub async fn publish(&self, stream: &Fixture) -> anyhow::Result<Encoder> {
        let publish_id = Uuid::now_v7().to_string();
        let answer = self.authorize(&stream.key, &publish_id).await?;
        anyhow::ensure!(answer.stream_id == stream.id.to_string(), "refused: {answer:?}");
        let mut encoder = Encoder {
            ingest: self.one().ingest(),
            stream: answer.stream_id,
            publish_id,
            epoch: answer.source_epoch,
            sequence: 0,
        };
        encoder.beat(true).await?;
        Ok(encoder)
    }

    pub async fn authorize(&self, key: &[u8], publish_id: &str) -> Result<v1::AuthorizePublishResponse, Status> {
        let request = v1::AuthorizePublishRequest {
            relay_id: "relay-1".into(),
            key_sha256: key.to_vec(),
            remote_addr: "127.0.0.1:5".into(),
            publish_id: publish_id.into(),
            takeover: false,
        };
        Ok(self.one().ingest().authorize_publish(request).await?.into_inner())
    }
}

pub struct Fixture {
    pub id: StreamId,
    pub key: Vec<u8>,
    pub destinations: Vec<DestinationId>,
}

impl Fixture {
    pub fn wire(&self) -> v1::StreamRef {
        v1::StreamRef { tenant_id: TENANT.into(), stream_id: self.id.to_string() }
    }

    pub fn start(&self, wait_ms: u32) -> v1::StartRequest {
        v1::StartRequest {
            tenant_id: TENANT.into(),
            stream_id: self.id.to_string(),
            input_source: String::new(),
            wait_ms,
        }
    }

    pub fn destination(&self, n: usize) -> v1::DestinationRef {
        v1::DestinationRef { tenant_id: TENANT.into(), destination_id: self.destinations[n].to_string() }
    }

    pub fn attach(&self, n: usize) -> v1::AttachRequest {
        v1::AttachRequest {
            tenant_id: TENANT.into(),
            stream_id: self.id.to_string(),
            destination_id: self.destinations[n].to_string(),
        }
    }
}

/// A 32-byte "digest" that is the stream's alone.
pub fn key_of(id: StreamId) -> Vec<u8> {
    [*id.0.as_bytes(), *id.0.as_bytes()].concat()
}

/// A publisher as its relay tells of it.
pub struct Encoder {
    pub ingest: IngestClient<InternalChannel>,
    pub stream: String,
    pub publish_id: String,
    pub epoch: u64,
    pub sequence: u64,
}

impl Encoder {
    pub async fn beat(&mut self, connected: bool) -> Result<bool, Status> {
        self.sequence += 1;
        let request = v1::ReportSourceRequest {
            relay_id: "relay-1".into(),
            stream_id: self.stream.clone(),
            publish_id: self.publish_id.clone(),
            source_epoch: self.epoch,
            sequence: self.sequence,
            connected,
            info: Some(info()),
            relay_http: "http://127.0.0.1:9".into(),
            reason: if connected { String::new() } else { "closed".into() },
        };
        Ok(self.ingest.report_source(request).await?.into_inner().superseded)
    }
}

pub fn info() -> v1::SourceInfo {
    v1::SourceInfo {
        video_codec: "h264".into(),
        width: 1280,
        height: 720,
        fps: 30.0,
        video_kbps: 4_000,
        audio_codec: "aac".into(),
        audio_rate_hz: 48_000,
        audio_channels: 2,
        audio_kbps: 128,
        gop_ms: 2_000,
        ..Default::default()
    }
}

/// The next events, by type, until `last` came.
pub async fn until_event(
    events: &mut futures::stream::BoxStream<'static, StoredEvent>,
    last: EventKind,
) -> anyhow::Result<Vec<&'static str>> {
    let mut seen = Vec::new();
    let all = async {
        while let Some(event) = events.next().await {
            seen.push(event.event.kind.as_type());
            if event.event.kind == last {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(15), all).await.map_err(|_| anyhow::anyhow!("no {last}: {seen:?}"))?;
    Ok(seen)
}

pub fn error_code(status: &Status) -> &str {
    grpc::error_code(status).unwrap_or("")
}

fn tracing_log() -> Option<()> {
    // `RUST_LOG=info` shows what the service says.
    let filter = std::env::var("RUST_LOG").ok()?;
    tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init().ok()
}
