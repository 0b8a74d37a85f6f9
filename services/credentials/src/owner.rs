//! Asks the orchestrator who owns a session. Postgres' answer counts, not a lease's, nor the caller's word.

use domain::{
    ids::{DestinationId, Epoch, SessionId, StreamId, TenantId, WorkerId},
    platform::Platform,
};
use service_kit::grpc::{self, InternalChannel};
use tonic::{Code, Status};
use wire::{
    Malformed,
    v1::{self, CheckOwnerRequest, OwnedTarget, sessions_client::SessionsClient},
};

/// How long the answer may take; a worker that asks has a longer deadline.
const DEADLINE_MS: u64 = 2_000;

/// Somebody says to own a session.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Whose target is asked for.
    pub destination: DestinationId,
    /// The session.
    pub session: SessionId,
    /// Its epoch.
    pub epoch: Epoch,
    /// Who asks.
    pub worker: WorkerId,
}

/// A claim that holds, and what it is about.
#[derive(Clone, Debug)]
pub struct Owned {
    /// Whose destination it is.
    pub tenant: TenantId,
    /// Its stream.
    pub stream: StreamId,
    /// The destination.
    pub destination: DestinationId,
    /// Where it is.
    pub platform: Platform,
    /// `rtmp(s)://host[:port]/app`, without a key.
    pub rtmp_url: String,
    /// The linked account, for platforms that have one.
    pub account: Option<String>,
}

/// Why ownership is not confirmed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another epoch, another worker, or nobody.
    #[error("not the owner")]
    NotOwner,
    /// Nobody knows.
    #[error("the orchestrator did not answer")]
    Unavailable(#[source] Status),
    /// The answer makes no sense.
    #[error("the orchestrator's answer is malformed")]
    Answer(#[from] Malformed),
}

/// The orchestrator's `Sessions`. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Orchestrator(SessionsClient<InternalChannel>);

impl Orchestrator {
    /// Over this channel.
    pub fn new(channel: InternalChannel) -> Self {
        Self(SessionsClient::new(channel))
    }

    /// What the claim is about, if it holds right now.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn check_owner(&self, claim: &Claim) -> Result<Owned, Error> {
        let request = CheckOwnerRequest {
            destination_id: claim.destination.to_string(),
            session_id: claim.session.to_string(),
            epoch: claim.epoch.0,
            worker_id: claim.worker.to_string(),
        };
        match self.0.clone().check_owner(grpc::deadline(DEADLINE_MS, request)).await {
            Ok(answer) => owned(claim, answer.into_inner()),
            Err(status) if is_refusal(status.code()) => Err(Error::NotOwner),
            Err(status) => Err(Error::Unavailable(status)),
        }
    }
}

fn is_refusal(code: Code) -> bool {
    matches!(code, Code::FailedPrecondition | Code::NotFound | Code::PermissionDenied | Code::InvalidArgument)
}

/// The answer must be about the destination that was asked for: its secrets are looked up by it.
fn owned(claim: &Claim, answer: OwnedTarget) -> Result<Owned, Error> {
    let destination: DestinationId = answer.destination_id.parse().map_err(|_| Malformed::new("destination_id"))?;
    if destination != claim.destination {
        return Err(Malformed::new("destination_id").into());
    }
    if answer.tenant_id.is_empty() {
        return Err(Malformed::new("tenant_id").into());
    }
    Ok(Owned {
        tenant: TenantId(answer.tenant_id),
        stream: answer.stream_id.parse().map_err(|_| Malformed::new("stream_id"))?,
        destination,
        platform: v1::Platform::to_domain(answer.platform)?,
        rtmp_url: answer.rtmp_url,
        account: Some(answer.account_id).filter(|id| !id.is_empty()),
    })
}
