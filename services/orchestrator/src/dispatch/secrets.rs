//! Deletions to the vault, repeated until they are done: what a person deleted must not stay decryptable.

use std::time::Duration;

use service_kit::{
    Shutdown,
    grpc::{InternalChannel, deadline},
};
use wire::v1::{DeleteSecretsRequest, vault_client::VaultClient};

use crate::{
    ctx::Ctx,
    error::{Error, chain},
    store::outbox::{self, OutboxRow},
};

/// How often to look.
const LOOK: Duration = Duration::from_millis(500);
/// The bound of one call.
const CALL_MS: u64 = 2_000;
/// The longest pause between two attempts.
const PAUSE_MAX_MS: i64 = 60_000;

/// Deletes until the shutdown.
pub async fn run(ctx: Ctx, vault: VaultClient<InternalChannel>, shutdown: Shutdown) {
    loop {
        tokio::select! {
            () = shutdown.soft.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        while !shutdown.soft.is_cancelled() {
            match one(&ctx, vault.clone()).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    tracing::debug!(error = chain(&error), "deletions wait");
                    break;
                }
            }
        }
    }
}

/// Does one deletion whose time has come. Returns whether there was one.
async fn one(ctx: &Ctx, mut vault: VaultClient<InternalChannel>) -> Result<bool, Error> {
    let taken = ctx.db.bounded(async {
        let mut tx = ctx.db.begin().await?;
        Ok(outbox::take_deletion(&mut tx, ctx.now_ms()).await?.map(|row| (tx, row)))
    });
    let Some((mut tx, row)) = taken.await? else { return Ok(false) };
    let called = vault.delete_secrets(deadline(CALL_MS, request(&row))).await;
    let written = ctx.db.bounded(async {
        match called {
            Ok(_) => outbox::remove(&mut tx, &[row.id]).await?,
            Err(status) => {
                tracing::warn!(code = ?status.code(), attempts = row.attempts, "secrets not deleted yet");
                outbox::postpone(&mut tx, row.id, ctx.now_ms() + pause_ms(row.attempts)).await?;
            }
        }
        Ok(tx.commit().await?)
    });
    written.await?;
    Ok(true)
}

fn request(row: &OutboxRow) -> DeleteSecretsRequest {
    let destination = row.destination_id.map(|id| id.to_string()).unwrap_or_default();
    // The destination alone, or all of the stream.
    let stream = if destination.is_empty() { row.stream_id.to_string() } else { String::new() };
    DeleteSecretsRequest { tenant_id: row.tenant_id.clone(), destination_id: destination, stream_id: stream }
}

fn pause_ms(attempts: i32) -> i64 {
    (1_000_i64 << attempts.clamp(0, 6)).min(PAUSE_MAX_MS)
}
