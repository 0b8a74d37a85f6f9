//! Everything around one worker process.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bus::{Bus, MetricFilter, MetricSample};
use domain::ids::{Epoch, SessionId, StreamId};
use futures::StreamExt;
use lease::{Desired, Leases};
use testkit::{Nats, Redis, live_source, proc, proc::Spec, sink::Sink, wait};
use uuid::Uuid;
use wire::v1::{self, Phase, PublishTarget, RunSession, SessionKind, SessionReport, Settings};

use crate::{
    brains::{Brains, spec},
    relay::FakeRelay,
};

/// How long anything may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);
pub const KEY: &str = "it_key_0123456789";

pub struct Scene {
    pub worker: proc::Proc,
    pub relay: FakeRelay,
    pub brains: Brains,
    pub bus: Bus,
    pub leases: Leases,
    pub stream: StreamId,
    reports: Arc<Mutex<Vec<SessionReport>>>,
    samples: Arc<Mutex<Vec<MetricSample>>>,
    ready: PathBuf,
    tasks: Vec<tokio::task::AbortHandle>,
    _nats: Nats,
    pub redis: Redis,
    _dir: tempfile::TempDir,
}

#[derive(Default)]
pub struct Setup {
    pub source: live_source::Options,
    pub env: Vec<(&'static str, String)>,
}

impl Scene {
    pub async fn open() -> anyhow::Result<Self> {
        Self::open_with(Setup::default()).await
    }

    pub async fn open_with(setup: Setup) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let (nats, redis) = (Nats::start().await?, Redis::start().await?);
        let brains = Brains::default();
        let (grpc, serving) = brains.serve().await?;
        let bus = Bus::connect(&nats.url(), "test").await?;
        bus.ensure_streams(1).await?;
        let leases = Leases::connect(&redis.url(), Duration::from_secs(3)).await?;
        let stream = StreamId(Uuid::now_v7());
        let relay = FakeRelay::start(stream, leases.directory(), &setup.source).await?;
        let (reports, samples) = (Arc::default(), Arc::default());
        let tasks = vec![
            serving,
            tokio::spawn(collect_reports(bus.clone(), Arc::clone(&reports))).abort_handle(),
            tokio::spawn(collect_samples(bus.clone(), Arc::clone(&samples))).abort_handle(),
        ];
        let ready = dir.path().join("ready.json");
        let worker = worker(&dir, &ready, &nats.url(), &redis.url(), &grpc, setup.env)?;
        worker.ready(PATIENCE, async || ready.exists()).await?;
        Ok(Self {
            worker,
            relay,
            brains,
            bus,
            leases,
            stream,
            reports,
            samples,
            ready,
            tasks,
            _nats: nats,
            redis,
            _dir: dir,
        })
    }

    /// Starts a delivery to `sink`.
    pub async fn deliver(&self, sink: &Sink, settings: Settings) -> anyhow::Result<String> {
        let session = Uuid::now_v7().to_string();
        self.offer(&session, 1, sink, settings).await?;
        Ok(session)
    }

    /// Publishes the command for an epoch of a session.
    pub async fn offer(&self, session: &str, epoch: u64, sink: &Sink, settings: Settings) -> anyhow::Result<()> {
        let mut spec = spec(session, epoch, SessionKind::Deliver, &self.stream.to_string());
        spec.settings = Some(settings);
        self.run(spec, PublishTarget { rtmp_url: sink.url(), stream_key: KEY.into(), backup_urls: vec![] }).await
    }

    pub async fn run(&self, spec: v1::SessionSpec, target: PublishTarget) -> anyhow::Result<()> {
        let command = RunSession {
            session_id: spec.session_id.clone(),
            epoch: spec.epoch,
            kind: spec.kind,
            stream_id: spec.stream_id.clone(),
            destination_id: spec.destination_id.clone(),
        };
        {
            let mut known = self.brains.known();
            known.targets.insert(spec.destination_id.clone(), target);
            known.specs.insert(spec.session_id.clone(), spec);
        }
        self.leases.set_desired(command.session_id.parse()?, Epoch(command.epoch), Desired::Run).await?;
        Ok(self.bus.publish_run(&command).await?)
    }

    pub async fn stop(&self, session: &str) -> anyhow::Result<()> {
        let session: SessionId = session.parse()?;
        Ok(self.leases.set_desired(session, Epoch(1), Desired::Stop).await?)
    }

    pub fn reports(&self, session: &str) -> Vec<SessionReport> {
        let all = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().filter(|report| report.session_id == session).cloned().collect()
    }

    /// Phases in order, repeats left out.
    pub fn phases(&self, session: &str) -> Vec<Phase> {
        let mut phases: Vec<Phase> = self.reports(session).iter().map(SessionReport::phase).collect();
        phases.dedup();
        phases
    }

    pub async fn until_phase(&self, session: &str, phase: Phase) -> anyhow::Result<SessionReport> {
        let what = format!("phase {phase:?}");
        let found = wait::until(&what, PATIENCE, async || {
            self.reports(session).into_iter().rev().find(|report| report.phase() == phase)
        });
        found.await.map_err(|error| error.context(format!("{:?}\n{}", self.phases(session), self.worker.log_tail())))
    }

    /// Waits until the last report says so.
    pub async fn until_now(&self, session: &str, phase: Phase) -> anyhow::Result<SessionReport> {
        let what = format!("now {phase:?}");
        let found =
            wait::until(&what, PATIENCE, async || self.reports(session).pop().filter(|report| report.phase() == phase));
        found.await.map_err(|error| error.context(format!("{:?}\n{}", self.phases(session), self.worker.log_tail())))
    }

    /// Waits until nobody holds the session's lease.
    pub async fn until_free(&self, session: &str) -> anyhow::Result<()> {
        let id: SessionId = session.parse()?;
        wait::until_true("a free lease", PATIENCE, async || matches!(self.leases.owner(id).await, Ok(None))).await
    }

    pub fn samples(&self, session: &str) -> Vec<MetricSample> {
        let all = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().filter(|sample| sample.session.to_string() == session).cloned().collect()
    }

    /// FFmpeg processes of the worker.
    pub fn ffmpegs(&self) -> Vec<u32> {
        let name = |pid: &u32| proc::name(*pid).starts_with("ffmpeg");
        proc::session_members(self.worker.pid()).into_iter().filter(name).collect()
    }

    /// A Prometheus value of the worker; 0 when it is not there yet.
    pub async fn metric(&self, line: &str) -> anyhow::Result<f64> {
        let ready: serde_json::Value = serde_json::from_slice(&std::fs::read(&self.ready)?)?;
        let address = ready["http"].as_str().unwrap_or_default().trim_start_matches("http://").parse()?;
        let text = testkit::http::get(address, "/metrics").await?;
        let value = text.lines().find_map(|found| found.strip_prefix(line)?.trim().parse().ok());
        Ok(value.unwrap_or(0.0))
    }

    pub async fn spawns(&self) -> anyhow::Result<u32> {
        Ok(self.metric("worker_ffmpeg_spawns_total").await? as u32)
    }

    /// Ends the worker politely and checks that it leaves nothing.
    pub async fn close(self) -> anyhow::Result<()> {
        self.worker.terminate();
        wait::until_true("the worker exits", PATIENCE, async || !self.worker.alive()).await?;
        anyhow::ensure!(self.ffmpegs().is_empty(), "FFmpeg left behind");
        anyhow::ensure!(self.worker.exit_status().is_some_and(|status| status.success()), "{}", self.worker.log_tail());
        Ok(())
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.tasks.iter().for_each(tokio::task::AbortHandle::abort);
    }
}

fn worker(
    dir: &tempfile::TempDir,
    ready: &std::path::Path,
    nats: &str,
    redis: &str,
    grpc: &str,
    env: Vec<(&'static str, String)>,
) -> anyhow::Result<proc::Proc> {
    let program = std::env::var("WORKER_BIN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_encoder-worker").to_owned());
    let log = std::env::var("WORKER_LOG").map_or_else(|_| dir.path().join("worker.log"), PathBuf::from);
    let mut spec = Spec::new("encoder-worker", program, log);
    let path = |path: PathBuf| path.to_string_lossy().into_owned();
    spec.env = [
        ("INTERNAL_TOKEN", "0123456789abcdef0123".to_owned()),
        ("NATS_URL", nats.to_owned()),
        ("REDIS_URL", redis.to_owned()),
        ("ORCHESTRATOR_URL", grpc.to_owned()),
        ("CREDENTIALS_URL", grpc.to_owned()),
        ("ALLOW_PRIVATE_DESTINATIONS", "true".to_owned()),
        ("READY_FILE", path(ready.to_owned())),
        ("FFMPEG_PATH", path(testkit::tools::ffmpeg()?)),
        ("RUST_LOG", std::env::var("WORKER_RUST_LOG").unwrap_or_else(|_| "info,encoder_worker=debug".to_owned())),
    ]
    .into_iter()
    .chain(env)
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    proc::Proc::spawn(spec)
}

async fn collect_reports(bus: Bus, into: Arc<Mutex<Vec<SessionReport>>>) {
    let mut reports = bus.reports().await;
    while let Some(delivery) = reports.next().await {
        into.lock().unwrap_or_else(PoisonError::into_inner).push(delivery.message.clone());
        let _ = delivery.ack().await;
    }
}

async fn collect_samples(bus: Bus, into: Arc<Mutex<Vec<MetricSample>>>) {
    let mut samples = bus.metrics(MetricFilter::All).await;
    while let Some(sample) = samples.next().await {
        into.lock().unwrap_or_else(PoisonError::into_inner).push(sample);
    }
}
