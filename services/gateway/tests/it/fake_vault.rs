//! The vault in memory.

use tonic::{Request, Status};
use wire::v1::{self, vault_server::Vault};

use crate::fake::{Answer, Fake, not_found, ok};

#[tonic::async_trait]
impl Vault for Fake {
    async fn put_stream_key(&self, request: Request<v1::PutStreamKeyRequest>) -> Answer<v1::VaultEmpty> {
        self.enter("put_stream_key").await?;
        let r = request.into_inner();
        self.state().stream_keys.insert(r.destination_id, r.stream_key);
        ok(v1::VaultEmpty {})
    }

    async fn get_publish_target(&self, _: Request<v1::GetPublishTargetRequest>) -> Answer<v1::PublishTarget> {
        self.enter("get_publish_target").await?;
        Err(Status::permission_denied("the gateway never asks for this"))
    }

    async fn delete_secrets(&self, request: Request<v1::DeleteSecretsRequest>) -> Answer<v1::VaultEmpty> {
        self.enter("delete_secrets").await?;
        let r = request.into_inner();
        let mut state = self.state();
        state.stream_keys.remove(&r.destination_id);
        state.ingest_keys.remove(&r.stream_id);
        ok(v1::VaultEmpty {})
    }

    async fn create_ingest_key(&self, request: Request<v1::IngestKeyRequest>) -> Answer<v1::IngestKey> {
        self.enter("create_ingest_key").await?;
        let r = request.into_inner();
        let mut state = self.state();
        state.made_keys += 1;
        let key = format!("ingest-secret-{:04}", state.made_keys);
        state.ingest_keys.insert(r.stream_id, key.clone());
        let sha256 = digest(&key);
        ok(v1::IngestKey { key, sha256 })
    }

    async fn reveal_ingest_key(&self, request: Request<v1::IngestKeyRequest>) -> Answer<v1::IngestKey> {
        self.enter("reveal_ingest_key").await?;
        let r = request.into_inner();
        let key = self.state().ingest_keys.get(&r.stream_id).cloned();
        let key = key.ok_or_else(not_found)?;
        let sha256 = digest(&key);
        ok(v1::IngestKey { key, sha256 })
    }
}

pub fn digest(key: &str) -> Vec<u8> {
    ring::digest::digest(&ring::digest::SHA256, key.as_bytes()).as_ref().to_vec()
}
