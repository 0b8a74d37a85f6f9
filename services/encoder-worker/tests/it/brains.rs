//! Stand-ins for the orchestrator and the vault.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};
use wire::v1::{
    self, CheckOwnerRequest, ClaimSessionRequest, DeleteSecretsRequest, Empty, FinishTestRequest,
    GetPublishTargetRequest, IngestKey, IngestKeyRequest, OwnedTarget, PublishTarget, PutStreamKeyRequest, SessionSpec,
    VaultEmpty,
    sessions_server::{Sessions, SessionsServer},
    vault_server::{Vault, VaultServer},
};

/// What both know.
#[derive(Clone, Default)]
pub struct Brains(Arc<Mutex<Known>>);

#[derive(Default)]
pub struct Known {
    pub specs: HashMap<String, SessionSpec>,
    pub owners: HashMap<(String, u64), String>,
    pub targets: HashMap<String, PublishTarget>,
    pub tests: Vec<FinishTestRequest>,
}

impl Brains {
    pub fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves both on one port; returns its address.
    pub async fn serve(&self) -> anyhow::Result<(String, tokio::task::AbortHandle)> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let router = tonic::transport::Server::builder()
            .add_service(SessionsServer::new(self.clone()))
            .add_service(VaultServer::new(self.clone()));
        let serving = tokio::spawn(router.serve_with_incoming(TcpListenerStream::new(listener)));
        Ok((url, serving.abort_handle()))
    }
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl Sessions for Brains {
    async fn claim_session(&self, request: Request<ClaimSessionRequest>) -> Answer<SessionSpec> {
        let request = request.into_inner();
        let mut known = self.known();
        let spec = known.specs.get(&request.session_id).cloned();
        let spec = spec.filter(|spec| spec.epoch == request.epoch);
        let spec = spec.ok_or_else(|| Status::failed_precondition("another epoch"))?;
        let owner = known.owners.entry((request.session_id, request.epoch)).or_insert(request.worker_id.clone());
        if *owner == request.worker_id { Ok(Response::new(spec)) } else { Err(Status::failed_precondition("owned")) }
    }

    async fn check_owner(&self, _: Request<CheckOwnerRequest>) -> Answer<OwnedTarget> {
        Err(Status::unimplemented("not asked by workers"))
    }

    async fn finish_test(&self, request: Request<FinishTestRequest>) -> Answer<Empty> {
        self.known().tests.push(request.into_inner());
        Ok(Response::new(Empty {}))
    }
}

#[tonic::async_trait]
impl Vault for Brains {
    async fn get_publish_target(&self, request: Request<GetPublishTargetRequest>) -> Answer<PublishTarget> {
        let target = self.known().targets.get(&request.into_inner().destination_id).cloned();
        target.map(Response::new).ok_or_else(|| Status::not_found("no key"))
    }

    async fn put_stream_key(&self, _: Request<PutStreamKeyRequest>) -> Answer<VaultEmpty> {
        Err(Status::unimplemented("not asked by workers"))
    }

    async fn delete_secrets(&self, _: Request<DeleteSecretsRequest>) -> Answer<VaultEmpty> {
        Err(Status::unimplemented("not asked by workers"))
    }

    async fn create_ingest_key(&self, _: Request<IngestKeyRequest>) -> Answer<IngestKey> {
        Err(Status::unimplemented("not asked by workers"))
    }

    async fn reveal_ingest_key(&self, _: Request<IngestKeyRequest>) -> Answer<IngestKey> {
        Err(Status::unimplemented("not asked by workers"))
    }
}

/// A spec with nothing special.
pub fn spec(session: &str, epoch: u64, kind: v1::SessionKind, stream: &str) -> SessionSpec {
    SessionSpec {
        session_id: session.to_owned(),
        epoch,
        kind: kind.into(),
        stream_id: stream.to_owned(),
        destination_id: session.to_owned(),
        platform: v1::Platform::RtmpCustom.into(),
        settings: Some(v1::Settings::default()),
        relay_ticket: format!("{session}/{epoch}"),
        ..SessionSpec::default()
    }
}
