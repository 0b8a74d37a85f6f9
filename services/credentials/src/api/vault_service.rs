//! The `Vault` service. Each call is refused before any secret is touched unless it is entitled to it.

use secret::StreamKey;
use tonic::{Request, Response, Status};
use wire::v1::{
    DeleteSecretsRequest, GetPublishTargetRequest, IngestKey, IngestKeyRequest, PublishTarget, PutStreamKeyRequest,
    VaultEmpty, vault_server,
};

use super::request;
use crate::{broadcasts::Broadcasts, ingest_key, names, owner::Orchestrator, platforms, vault::Vault};

/// See `credentials.proto`.
#[derive(Clone, Debug)]
pub struct VaultService {
    vault: Vault,
    orchestrator: Orchestrator,
    broadcasts: Broadcasts,
}

impl VaultService {
    /// Serves this vault; the orchestrator says who owns a session, the broadcasts where those on platforms go.
    pub fn new(vault: Vault, orchestrator: Orchestrator, broadcasts: Broadcasts) -> Self {
        Self { vault, orchestrator, broadcasts }
    }

    async fn release(&self, request: GetPublishTargetRequest) -> Result<PublishTarget, Status> {
        let claim = request::claim(request)?;
        let owned = self.orchestrator.check_owner(&claim).await?;
        let target = platforms::publish_target(&owned, &self.vault, &self.broadcasts).await?;
        tracing::info!(
            destination = %claim.destination,
            session = %claim.session,
            epoch = claim.epoch.0,
            worker = %claim.worker,
            key = target.key.masked(),
            "publish target released"
        );
        Ok(PublishTarget {
            rtmp_url: target.rtmp_url,
            stream_key: target.key.expose().to_owned(),
            backup_urls: target.backup_urls,
        })
    }
}

#[tonic::async_trait]
impl vault_server::Vault for VaultService {
    async fn put_stream_key(&self, request: Request<PutStreamKeyRequest>) -> Result<Response<VaultEmpty>, Status> {
        let request = request.into_inner();
        // The key first: whatever else is wrong, it is wiped.
        let key = request::stream_key(request.stream_key)?;
        let destination = request::destination(&request.destination_id)?;
        self.vault.put_stream_key(request::tenant(request.tenant_id)?, destination, &key).await?;
        tracing::info!(%destination, key = key.masked(), "stream key stored");
        Ok(Response::new(VaultEmpty {}))
    }

    async fn get_publish_target(
        &self,
        request: Request<GetPublishTargetRequest>,
    ) -> Result<Response<PublishTarget>, Status> {
        let released = self.release(request.into_inner()).await;
        let outcome = released.as_ref().map_or_else(outcome, |_| "released");
        metrics::counter!(names::RELEASES, "outcome" => outcome).increment(1);
        released.map(Response::new)
    }

    async fn delete_secrets(&self, request: Request<DeleteSecretsRequest>) -> Result<Response<VaultEmpty>, Status> {
        let request = request.into_inner();
        let destination = request::optional(&request.destination_id, request::destination)?;
        let stream = request::optional(&request.stream_id, request::stream)?;
        let tenant = request::tenant(request.tenant_id)?;
        if let Some(destination) = destination {
            // At once, or with the end of its broadcast.
            self.broadcasts.forget(&tenant, destination).await?;
        }
        if stream.is_some() {
            self.vault.delete(&tenant, None, stream).await?;
        }
        tracing::info!(?destination, ?stream, "secrets deleted");
        Ok(Response::new(VaultEmpty {}))
    }

    async fn create_ingest_key(&self, request: Request<IngestKeyRequest>) -> Result<Response<IngestKey>, Status> {
        let request = request.into_inner();
        let stream = request::stream(&request.stream_id)?;
        let key = self.vault.create_ingest_key(request::tenant(request.tenant_id)?, stream).await?;
        tracing::info!(%stream, key = key.masked(), "ingest key created");
        Ok(Response::new(answer(&key)))
    }

    async fn reveal_ingest_key(&self, request: Request<IngestKeyRequest>) -> Result<Response<IngestKey>, Status> {
        let request = request.into_inner();
        let stream = request::stream(&request.stream_id)?;
        let key = self.vault.ingest_key(request::tenant(request.tenant_id)?, stream).await?;
        let key = key.ok_or(crate::vault::Error::NotFound)?;
        Ok(Response::new(answer(&key)))
    }
}

/// Leaves the vault here: from this copy on it is tonic's, which does not wipe what it has sent.
fn answer(key: &StreamKey) -> IngestKey {
    IngestKey { key: key.expose().to_owned(), sha256: ingest_key::sha256(key) }
}

fn outcome(status: &Status) -> &'static str {
    match service_kit::grpc::error_code(status) {
        Some("not_owner") => "not_owner",
        Some("stream_key_missing") => "no_key",
        Some("broadcast_not_ready") => "not_ready",
        _ if status.code() == tonic::Code::Unavailable => "unavailable",
        _ => "failed",
    }
}
