//! A vault that only deletes, after it has refused once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use service_kit::{Shutdown, grpc};
use tokio::net::TcpListener;
use tonic::{Request, Response, Status};
use wire::v1::{
    self,
    platforms_server::PlatformsServer,
    vault_server::{Vault, VaultServer},
};

use crate::platforms_fake::FakePlatforms;

/// Refuses the first deletion, then counts.
#[derive(Clone, Default)]
pub struct CountingVault {
    pub calls: Arc<AtomicU32>,
    pub deleted: Arc<std::sync::Mutex<Vec<v1::DeleteSecretsRequest>>>,
    /// The platforms beside it.
    pub platforms: FakePlatforms,
}

impl CountingVault {
    pub async fn serve() -> anyhow::Result<(Self, String)> {
        let vault = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let router = grpc::server()
            .add_service(VaultServer::new(vault.clone()))
            .add_service(PlatformsServer::new(vault.platforms.clone()));
        tokio::spawn(grpc::serve(router, listener, Shutdown::new(Duration::from_secs(1))));
        Ok((vault, url))
    }
}

#[tonic::async_trait]
impl Vault for CountingVault {
    async fn delete_secrets(&self, r: Request<v1::DeleteSecretsRequest>) -> Result<Response<v1::VaultEmpty>, Status> {
        if self.calls.fetch_add(1, Ordering::SeqCst) == 0 {
            return Err(Status::unavailable("not now"));
        }
        self.deleted.lock().unwrap().push(r.into_inner());
        Ok(Response::new(v1::VaultEmpty {}))
    }
    async fn put_stream_key(&self, _: Request<v1::PutStreamKeyRequest>) -> Result<Response<v1::VaultEmpty>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn get_publish_target(
        &self,
        _: Request<v1::GetPublishTargetRequest>,
    ) -> Result<Response<v1::PublishTarget>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn create_ingest_key(&self, _: Request<v1::IngestKeyRequest>) -> Result<Response<v1::IngestKey>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn reveal_ingest_key(&self, _: Request<v1::IngestKeyRequest>) -> Result<Response<v1::IngestKey>, Status> {
        Err(Status::unimplemented(""))
    }
}
