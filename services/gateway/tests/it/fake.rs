//! The orchestrator and the vault (and, in `fake_platforms`, the platforms) in memory: just enough truth to hold the gateway against. Every call is written
//! down, so a test can say that a bad request reached nobody.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use service_kit::grpc;
use tonic::{Code, Request, Response, Status};
use wire::v1::{self, begin_idempotent_response::Outcome, streams_server::Streams};

pub type Answer<T> = Result<Response<T>, Status>;

/// Both services. Clones share everything.
#[derive(Clone, Default)]
pub struct Fake(Arc<Mutex<State>>);

#[derive(Default)]
pub struct State {
    pub streams: BTreeMap<String, v1::Stream>,
    pub destinations: BTreeMap<String, v1::Destination>,
    pub stream_keys: BTreeMap<String, String>,
    pub ingest_keys: BTreeMap<String, String>,
    pub digests: BTreeMap<String, Vec<u8>>,
    pub kept: HashMap<(String, String), Kept>,
    pub calls: Vec<&'static str>,
    pub starts: Vec<v1::StartRequest>,
    pub updates: Vec<v1::UpdateDestinationRequest>,
    pub faults: HashMap<&'static str, Status>,
    pub delays: HashMap<&'static str, Duration>,
    pub health: Option<v1::HealthResponse>,
    pub metrics: Option<v1::MetricsResponse>,
    pub made_keys: u32,
    pub world: crate::fake_platforms::World,
}

pub struct Kept {
    fingerprint: Vec<u8>,
    pub answer: Option<(u32, Vec<u8>)>,
}

impl Fake {
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every call from now on is refused like this, until [`Fake::heal`].
    pub fn fail(&self, call: &'static str, status: Status) {
        self.state().faults.insert(call, status);
    }

    pub fn heal(&self, call: &'static str) {
        self.state().faults.remove(call);
    }

    pub fn delay(&self, call: &'static str, by: Duration) {
        self.state().delays.insert(call, by);
    }

    pub fn calls(&self) -> Vec<&'static str> {
        self.state().calls.clone()
    }

    pub async fn enter(&self, call: &'static str) -> Result<(), Status> {
        let (delay, fault) = {
            let mut state = self.state();
            state.calls.push(call);
            (state.delays.get(call).copied(), state.faults.get(call).cloned())
        };
        if let Some(delay) = delay {
            tokio::time::sleep(delay).await;
        }
        fault.map_or(Ok(()), Err)
    }

    fn stream(&self, tenant: &str, id: &str) -> Result<v1::Stream, Status> {
        let found = self.state().streams.get(id).filter(|s| s.tenant_id == tenant).cloned();
        found.ok_or_else(not_found)
    }

    fn running(&self, tenant: &str, id: &str) -> Result<(), Status> {
        if self.stream(tenant, id)?.status == "live" {
            return Ok(());
        }
        let message = "The stream is not running. Start it first.";
        Err(grpc::status(Code::FailedPrecondition, "not_running", None, message))
    }

    fn destination(&self, tenant: &str, id: &str) -> Result<v1::Destination, Status> {
        let found = self.state().destinations.get(id).filter(|d| d.tenant_id == tenant).cloned();
        found.ok_or_else(not_found)
    }

    fn of_stream(&self, id: &str) -> Vec<v1::Destination> {
        self.state().destinations.values().filter(|d| d.stream_id == id).cloned().collect()
    }
}

/// Like the real ones: one sentence for everything that is not there.
pub fn not_found() -> Status {
    grpc::status(Code::NotFound, "not_found", None, "There is no such thing.")
}

pub fn ok<T>(message: T) -> Answer<T> {
    Ok(Response::new(message))
}

#[tonic::async_trait]
impl Streams for Fake {
    async fn create_stream(&self, request: Request<v1::CreateStreamRequest>) -> Answer<v1::Stream> {
        self.enter("create_stream").await?;
        let r = request.into_inner();
        let stream = v1::Stream {
            id: r.stream_id.clone(),
            tenant_id: r.tenant_id,
            title: r.title,
            status: "idle".into(),
            created_at_ms: 1_705_320_000_000,
            end_grace_s: r.end_grace_s.unwrap_or(30),
            ..Default::default()
        };
        self.state().digests.insert(r.stream_id.clone(), r.ingest_key_sha256);
        self.state().streams.insert(r.stream_id, stream.clone());
        ok(stream)
    }

    async fn get_stream(&self, request: Request<v1::StreamRef>) -> Answer<v1::Stream> {
        self.enter("get_stream").await?;
        let r = request.into_inner();
        ok(self.stream(&r.tenant_id, &r.stream_id)?)
    }

    async fn list_streams(&self, request: Request<v1::ListStreamsRequest>) -> Answer<v1::ListStreamsResponse> {
        self.enter("list_streams").await?;
        let r = request.into_inner();
        let state = self.state();
        let mine = state.streams.values().filter(|s| s.tenant_id == r.tenant_id && s.id > r.after_id);
        ok(v1::ListStreamsResponse { streams: mine.take(r.limit as usize).cloned().collect() })
    }

    async fn update_stream(&self, request: Request<v1::UpdateStreamRequest>) -> Answer<v1::Stream> {
        self.enter("update_stream").await?;
        let r = request.into_inner();
        let mut stream = self.stream(&r.tenant_id, &r.stream_id)?;
        stream.title = r.title.unwrap_or(stream.title);
        stream.end_grace_s = r.end_grace_s.unwrap_or(stream.end_grace_s);
        self.state().streams.insert(stream.id.clone(), stream.clone());
        ok(stream)
    }

    async fn delete_stream(&self, request: Request<v1::StreamRef>) -> Answer<v1::Empty> {
        self.enter("delete_stream").await?;
        let r = request.into_inner();
        self.stream(&r.tenant_id, &r.stream_id)?;
        let mut state = self.state();
        state.streams.remove(&r.stream_id);
        state.destinations.retain(|_, d| d.stream_id != r.stream_id);
        ok(v1::Empty {})
    }

    async fn set_ingest_key(&self, request: Request<v1::SetIngestKeyRequest>) -> Answer<v1::Empty> {
        self.enter("set_ingest_key").await?;
        let r = request.into_inner();
        self.stream(&r.tenant_id, &r.stream_id)?;
        self.state().digests.insert(r.stream_id, r.ingest_key_sha256);
        ok(v1::Empty {})
    }

    async fn create_destination(&self, request: Request<v1::CreateDestinationRequest>) -> Answer<v1::Destination> {
        self.enter("create_destination").await?;
        let r = request.into_inner();
        self.stream(&r.tenant_id, &r.stream_id)?;
        let destination = v1::Destination {
            id: r.destination_id.clone(),
            stream_id: r.stream_id,
            tenant_id: r.tenant_id,
            platform: r.platform,
            name: r.name,
            is_enabled: r.is_enabled,
            status: "pending".into(),
            settings: r.settings,
            rtmp_url: r.rtmp_url,
            account_id: r.account_id,
            platform_settings: r.platform_settings,
            created_at_ms: 1_705_320_000_000,
            ..Default::default()
        };
        self.state().destinations.insert(r.destination_id, destination.clone());
        ok(destination)
    }

    async fn get_destination(&self, request: Request<v1::DestinationRef>) -> Answer<v1::Destination> {
        self.enter("get_destination").await?;
        let r = request.into_inner();
        ok(self.destination(&r.tenant_id, &r.destination_id)?)
    }

    async fn list_destinations(
        &self,
        request: Request<v1::ListDestinationsRequest>,
    ) -> Answer<v1::ListDestinationsResponse> {
        self.enter("list_destinations").await?;
        let r = request.into_inner();
        let fits = |d: &&v1::Destination| {
            d.tenant_id == r.tenant_id
                && (r.stream_id.is_empty() || d.stream_id == r.stream_id)
                && (r.platform == 0 || d.platform == r.platform)
                && r.is_enabled.is_none_or(|wanted| d.is_enabled == wanted)
                && d.id > r.after_id
        };
        let state = self.state();
        let found = state.destinations.values().filter(fits).take(r.limit as usize);
        ok(v1::ListDestinationsResponse { destinations: found.cloned().collect() })
    }

    async fn update_destination(&self, request: Request<v1::UpdateDestinationRequest>) -> Answer<v1::Destination> {
        self.enter("update_destination").await?;
        let r = request.into_inner();
        let mut destination = self.destination(&r.tenant_id, &r.destination_id)?;
        self.state().updates.push(r.clone());
        destination.name = r.name.unwrap_or(destination.name);
        destination.is_enabled = r.is_enabled.unwrap_or(destination.is_enabled);
        destination.settings = r.settings.or(destination.settings);
        destination.rtmp_url = r.rtmp_url.unwrap_or(destination.rtmp_url);
        destination.account_id = r.account_id.unwrap_or(destination.account_id);
        destination.platform_settings = r.platform_settings.or(destination.platform_settings);
        self.state().destinations.insert(destination.id.clone(), destination.clone());
        ok(destination)
    }

    async fn delete_destination(&self, request: Request<v1::DestinationRef>) -> Answer<v1::Empty> {
        self.enter("delete_destination").await?;
        let r = request.into_inner();
        self.destination(&r.tenant_id, &r.destination_id)?;
        self.state().destinations.remove(&r.destination_id);
        ok(v1::Empty {})
    }

    async fn test_destination(&self, request: Request<v1::DestinationRef>) -> Answer<v1::TestDestinationResponse> {
        self.enter("test_destination").await?;
        let r = request.into_inner();
        self.destination(&r.tenant_id, &r.destination_id)?;
        let step = |name: &str, fault: Option<v1::Fault>| v1::TestStep {
            name: name.into(),
            ok: fault.is_none(),
            took_ms: 12,
            fault,
        };
        let fault = v1::Fault {
            blame: v1::Blame::Destination as i32,
            retry: v1::Retry::Transient as i32,
            code: "connect_failed".into(),
            message: "The server does not accept connections. Check the address and port.".into(),
        };
        ok(v1::TestDestinationResponse { ok: false, steps: vec![step("resolve", None), step("connect", Some(fault))] })
    }

    async fn start(&self, request: Request<v1::StartRequest>) -> Answer<v1::StartResponse> {
        self.enter("start").await?;
        let r = request.into_inner();
        let mut stream = self.stream(&r.tenant_id, &r.stream_id)?;
        self.state().starts.push(r.clone());
        let mut destinations: Vec<_> = self.of_stream(&r.stream_id).into_iter().filter(|d| d.is_enabled).collect();
        if destinations.is_empty() {
            let message = "No destination is enabled. Add or enable one.";
            return Err(grpc::status(Code::FailedPrecondition, "no_enabled_destinations", None, message));
        }
        let already_running = stream.status == "live";
        stream.status = "live".into();
        stream.started_at_ms = 1_705_320_000_000;
        for destination in &mut destinations {
            destination.status = "connected".into();
            self.state().destinations.insert(destination.id.clone(), destination.clone());
        }
        self.state().streams.insert(stream.id.clone(), stream.clone());
        ok(v1::StartResponse { stream: Some(stream), destinations, already_running })
    }

    async fn stop(&self, request: Request<v1::StreamRef>) -> Answer<v1::StopResponse> {
        self.enter("stop").await?;
        let r = request.into_inner();
        let mut stream = self.stream(&r.tenant_id, &r.stream_id)?;
        let was_running = stream.status == "live";
        stream.status = "ended".into();
        stream.started_at_ms = 0;
        self.state().streams.insert(stream.id.clone(), stream);
        ok(v1::StopResponse { was_running })
    }

    async fn get_status(&self, request: Request<v1::StreamRef>) -> Answer<v1::StatusResponse> {
        self.enter("get_status").await?;
        let r = request.into_inner();
        let stream = self.stream(&r.tenant_id, &r.stream_id)?;
        let uptime_ms = if stream.started_at_ms > 0 { 3_600_000 } else { 0 };
        ok(v1::StatusResponse { destinations: self.of_stream(&stream.id), stream: Some(stream), uptime_ms })
    }

    async fn get_health(&self, request: Request<v1::StreamRef>) -> Answer<v1::HealthResponse> {
        self.enter("get_health").await?;
        let r = request.into_inner();
        self.stream(&r.tenant_id, &r.stream_id)?;
        ok(self.state().health.clone().unwrap_or_default())
    }

    async fn get_metrics(&self, request: Request<v1::StreamRef>) -> Answer<v1::MetricsResponse> {
        self.enter("get_metrics").await?;
        let r = request.into_inner();
        self.stream(&r.tenant_id, &r.stream_id)?;
        ok(self.state().metrics.clone().unwrap_or_default())
    }

    async fn attach_destination(&self, request: Request<v1::AttachRequest>) -> Answer<v1::Destination> {
        self.enter("attach_destination").await?;
        let r = request.into_inner();
        self.stream(&r.tenant_id, &r.stream_id)?;
        let mut destination = self.destination(&r.tenant_id, &r.destination_id)?;
        if destination.stream_id != r.stream_id {
            return Err(not_found());
        }
        self.running(&r.tenant_id, &r.stream_id)?;
        destination.status = "connecting".into();
        self.state().destinations.insert(destination.id.clone(), destination.clone());
        ok(destination)
    }

    async fn detach_destination(&self, request: Request<v1::AttachRequest>) -> Answer<v1::Empty> {
        self.enter("detach_destination").await?;
        let r = request.into_inner();
        self.stream(&r.tenant_id, &r.stream_id)?;
        let mut destination = self.destination(&r.tenant_id, &r.destination_id)?;
        self.running(&r.tenant_id, &r.stream_id)?;
        destination.status = "stopping".into();
        self.state().destinations.insert(destination.id.clone(), destination);
        ok(v1::Empty {})
    }

    async fn begin_idempotent(
        &self,
        request: Request<v1::BeginIdempotentRequest>,
    ) -> Answer<v1::BeginIdempotentResponse> {
        self.enter("begin_idempotent").await?;
        let r = request.into_inner();
        let mut state = self.state();
        let (outcome, (status, body)) = match state.kept.get(&(r.tenant_id.clone(), r.key.clone())) {
            None => {
                state.kept.insert((r.tenant_id, r.key), Kept { fingerprint: r.fingerprint, answer: None });
                (Outcome::New, (0, Vec::new()))
            }
            Some(kept) if kept.fingerprint != r.fingerprint => (Outcome::Mismatch, (0, Vec::new())),
            Some(Kept { answer: None, .. }) => (Outcome::InFlight, (0, Vec::new())),
            Some(Kept { answer: Some(answer), .. }) => (Outcome::Replay, answer.clone()),
        };
        ok(v1::BeginIdempotentResponse { outcome: outcome as i32, status, body })
    }

    async fn finish_idempotent(&self, request: Request<v1::FinishIdempotentRequest>) -> Answer<v1::Empty> {
        self.enter("finish_idempotent").await?;
        let r = request.into_inner();
        let mut state = self.state();
        let name = (r.tenant_id, r.key);
        if r.forget {
            state.kept.remove(&name);
        } else if let Some(kept) = state.kept.get_mut(&name) {
            kept.answer = Some((r.status, r.body));
        }
        ok(v1::Empty {})
    }
}
