//! A worker as the orchestrator sees one: it pulls commands, takes leases, claims, renews, reports and measures.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bus::{Bus, CommandPuller, Delivery, MetricSample};
use domain::{
    ids::{DestinationId, Epoch, SessionId, StreamId, WorkerId},
    platform::Platform,
};
use lease::{Acquire, Desired, Leases, Renewed};
use service_kit::grpc::InternalChannel;
use tokio::time::timeout;
use tonic::Status;
use wire::v1::{self, Phase, RunSession, SessionReport, SessionSpec, sessions_client::SessionsClient};

use crate::harness::House;

type Held = Arc<Mutex<Vec<(SessionId, Epoch)>>>;

pub struct Worker {
    pub id: WorkerId,
    pub sessions: SessionsClient<InternalChannel>,
    bus: Bus,
    leases: Leases,
    commands: CommandPuller,
    held: Held,
    stops: Arc<Mutex<Vec<(SessionId, Epoch)>>>,
    renewing: tokio::task::JoinHandle<()>,
}

/// A claimed session.
pub struct Job {
    pub spec: SessionSpec,
    sequence: u64,
}

impl Job {
    pub fn session(&self) -> SessionId {
        self.spec.session_id.parse().unwrap()
    }

    pub fn epoch(&self) -> Epoch {
        Epoch(self.spec.epoch)
    }

    pub fn destination(&self) -> DestinationId {
        self.spec.destination_id.parse().unwrap()
    }
}

impl Worker {
    pub async fn hire(house: &House, id: &str) -> anyhow::Result<Self> {
        Self::hire_at(house, 0, id).await
    }

    /// One that talks to the given replica.
    pub async fn hire_at(house: &House, replica: usize, id: &str) -> anyhow::Result<Self> {
        let id = WorkerId(id.into());
        let (held, stops) = (Held::default(), Arc::default());
        let renewing = tokio::spawn(renew(house.leases.clone(), id.clone(), Arc::clone(&held), Arc::clone(&stops)));
        Ok(Self {
            sessions: house.replicas[replica].sessions(),
            bus: house.bus.clone(),
            leases: house.leases.clone(),
            commands: house.bus.run_commands().await?,
            id,
            held,
            stops,
            renewing,
        })
    }

    /// The commands that come within a while, not acknowledged.
    pub async fn pull(&mut self, within: Duration) -> Vec<Delivery<RunSession>> {
        timeout(within, self.commands.next(100)).await.unwrap_or_default()
    }

    /// Pulls until so many sessions are claimed.
    pub async fn take(&mut self, count: usize) -> anyhow::Result<Vec<Job>> {
        let mut jobs = Vec::new();
        let deadline = tokio::time::Instant::now() + Duration::from_secs(15);
        while jobs.len() < count {
            let left = deadline.saturating_duration_since(tokio::time::Instant::now());
            anyhow::ensure!(!left.is_zero(), "took {} of {count}", jobs.len());
            for delivery in self.pull(left).await {
                jobs.extend(self.accept(&delivery).await?);
            }
        }
        Ok(jobs)
    }

    pub async fn take_one(&mut self) -> anyhow::Result<Job> {
        Ok(self.take(1).await?.remove(0))
    }

    /// Lease, claim, acknowledge. None if it is somebody else's by now.
    pub async fn accept(&mut self, delivery: &Delivery<RunSession>) -> anyhow::Result<Option<Job>> {
        let command = &delivery.message;
        let (session, epoch) = (command.session_id.parse::<SessionId>()?, Epoch(command.epoch));
        // Redis may be away: then the claim decides.
        if matches!(self.leases.acquire(session, epoch, &self.id).await, Ok(taken) if taken != Acquire::Acquired) {
            delivery.ack().await?;
            return Ok(None);
        }
        let claimed = self.claim(&command.session_id, command.epoch).await;
        delivery.ack().await?;
        let Ok(spec) = claimed else { return Ok(None) };
        self.held.lock().unwrap().push((session, epoch));
        Ok(Some(Job { spec, sequence: 0 }))
    }

    pub async fn claim(&self, session: &str, epoch: u64) -> Result<SessionSpec, Status> {
        let request = v1::ClaimSessionRequest { session_id: session.into(), epoch, worker_id: self.id.as_str().into() };
        Ok(self.sessions.clone().claim_session(request).await?.into_inner())
    }

    pub async fn report(&self, job: &mut Job, phase: Phase) -> anyhow::Result<()> {
        self.report_with(job, phase, None).await
    }

    pub async fn report_with(&self, job: &mut Job, phase: Phase, fault: Option<v1::Fault>) -> anyhow::Result<()> {
        job.sequence += 1;
        self.report_as(job, job.sequence, phase, fault).await
    }

    pub async fn report_as(
        &self,
        job: &Job,
        sequence: u64,
        phase: Phase,
        fault: Option<v1::Fault>,
    ) -> anyhow::Result<()> {
        let report = SessionReport {
            session_id: job.spec.session_id.clone(),
            epoch: job.spec.epoch,
            sequence,
            worker_id: self.id.as_str().into(),
            stream_id: job.spec.stream_id.clone(),
            destination_id: job.spec.destination_id.clone(),
            phase: phase.into(),
            fault,
            attempt: 1,
            retry_at_ms: 0,
            mode: "copy".into(),
            reconnects: 0,
            at_ms: 1,
            kind: job.spec.kind,
        };
        Ok(self.bus.publish_report(&report).await?)
    }

    /// Closes as asked.
    pub async fn close(&self, job: &mut Job) -> anyhow::Result<()> {
        self.drop_lease(job).await;
        self.report(job, Phase::Ended).await
    }

    pub async fn drop_lease(&self, job: &Job) {
        self.held.lock().unwrap().retain(|(session, _)| *session != job.session());
        let _ = self.leases.release(job.session(), job.epoch(), &self.id).await;
    }

    /// Sessions that Redis says shall stop.
    pub fn told_to_stop(&self, job: &Job) -> bool {
        self.stops.lock().unwrap().contains(&(job.session(), job.epoch()))
    }

    pub async fn control(&self) -> futures::stream::BoxStream<'static, v1::ControlSession> {
        self.bus.control(&self.id).await
    }

    /// One sample.
    pub async fn measure(&self, job: &Job, sequence: u64, bytes: u64, now_ms: i64) -> anyhow::Result<()> {
        let sample = MetricSample {
            stream: job.spec.stream_id.parse::<StreamId>()?,
            destination: job.destination(),
            session: job.session(),
            epoch: job.spec.epoch,
            sequence,
            platform: Platform::RtmpCustom,
            fps: 30.0,
            bitrate: 4_100.0,
            frames_sent: bytes / 1_000,
            bytes_sent: bytes,
            dropped_frames: 0,
            speed: 1.0,
            reconnects: 0,
            at_ms: now_ms,
        };
        Ok(self.bus.publish_metric(&sample).await?)
    }

    /// kill -9: no release, no report, no renewal.
    pub fn kill(self) {
        self.renewing.abort();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}

async fn renew(leases: Leases, id: WorkerId, held: Held, stops: Arc<Mutex<Vec<(SessionId, Epoch)>>>) {
    let mut tick = tokio::time::interval(Duration::from_millis(300));
    loop {
        tick.tick().await;
        let sessions = held.lock().unwrap().clone();
        if sessions.is_empty() {
            continue;
        }
        let Ok(answers) = leases.renew(&id, &sessions).await else { continue };
        for (session, answer) in sessions.into_iter().zip(answers) {
            match answer {
                Renewed::Lost { .. } => held.lock().unwrap().retain(|s| *s != session),
                Renewed::Held { desired: Some(Desired::Stop) } => stops.lock().unwrap().push(session),
                Renewed::Held { .. } => {}
            }
        }
    }
}
