//! Removes the secret of something that could not be made. The caller is not kept waiting; tries go on for a few
//! minutes in the background, because the vault may be away just now. (What was made and is deleted later, the
//! orchestrator has the vault forget.)

use std::time::Duration;

use domain::ids::{DestinationId, StreamId, TenantId};
use tonic::{Code, Status};
use tracing::Instrument;
use wire::v1;

use crate::{
    app::App,
    metric,
    upstream::{destination_ref, is_definite, stream_ref},
};

/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What the secrets belonged to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thing {
    /// A stream: its ingest key.
    Stream(StreamId),
    /// A destination: its stream key.
    Destination(DestinationId),
}

/// If the create certainly changed nothing, the secret goes at once. If its answer was lost, it goes when the
/// orchestrator says that the thing does not exist.
pub fn after_failed_create(app: &App, tenant: &TenantId, thing: Thing, status: &Status) {
    let certain = is_definite(status) && status.code() != Code::AlreadyExists;
    let (job_app, tenant) = (app.clone(), tenant.clone());
    let job = async move {
        let mut pause = job_app.options.cleanup_pause;
        for _ in 0..job_app.options.cleanup_tries {
            if attempt(&job_app, &tenant, thing, !certain).await {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = job_app.shutdown.soft.cancelled() => break,
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        metrics::counter!(metric::SECRETS_LEFT).increment(1);
        tracing::error!(?thing, "the secret of something that was not made is still in the vault");
    };
    app.shutdown.tasks.spawn(job.in_current_span());
}

/// Whether nothing is left to do.
async fn attempt(app: &App, tenant: &TenantId, thing: Thing, ask_first: bool) -> bool {
    if ask_first {
        match exists(app, tenant, thing).await {
            Ok(true) => return true,
            Ok(false) => {}
            Err(_) => return false,
        }
    }
    let (stream_id, destination_id) = match thing {
        Thing::Stream(id) => (id.to_string(), String::new()),
        Thing::Destination(id) => (String::new(), id.to_string()),
    };
    let request = v1::DeleteSecretsRequest { tenant_id: tenant.0.clone(), destination_id, stream_id };
    match app.upstream.delete_secrets(request, app.budget()).await {
        Ok(_) => true,
        Err(status) => status.code() == Code::NotFound,
    }
}

async fn exists(app: &App, tenant: &TenantId, thing: Thing) -> Result<bool, Status> {
    let found = match thing {
        Thing::Stream(id) => app.upstream.get_stream(stream_ref(tenant, id), app.budget()).await.map(|_| ()),
        Thing::Destination(id) => {
            app.upstream.get_destination(destination_ref(tenant, id), app.budget()).await.map(|_| ())
        }
    };
    match found {
        Ok(()) => Ok(true),
        Err(status) if status.code() == Code::NotFound => Ok(false),
        Err(status) => Err(status),
    }
}
