//! The gRPC calls of a worker: the orchestrator (who owns what) and the vault (where to, with which key).

use domain::{
    fault::Fault,
    ids::{DestinationId, Epoch, SessionId, WorkerId},
    target::TargetPolicy,
};
use secret::SecretString;
use service_kit::grpc::{InternalChannel, InvalidUrl, deadline, internal_channel};
use tonic::{Code, Status};
use wire::v1::{
    self, ClaimSessionRequest, FinishTestRequest, GetPublishTargetRequest, TestDestinationResponse,
    sessions_client::SessionsClient, vault_client::VaultClient,
};

use crate::{
    fault,
    session::spec::{Malformed, Spec},
    sink::target::Target,
};

/// A claim is one row update.
const CLAIM_MS: u64 = 2_000;
/// A target takes one decryption and one question back to the orchestrator.
const TARGET_MS: u64 = 3_000;
/// The person who asked for the test waits.
const TEST_MS: u64 = 3_000;

/// Both channels. Connect lazily, reconnect for ever.
#[derive(Clone)]
pub struct Clients {
    worker: WorkerId,
    policy: TargetPolicy,
    sessions: SessionsClient<InternalChannel>,
    vault: VaultClient<InternalChannel>,
}

/// Why a session could not be claimed.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// Another epoch or worker has it, or nobody wants it any more.
    #[error("not ours")]
    Refused,
    /// The orchestrator can't be asked now.
    #[error("the orchestrator is not reachable")]
    Unavailable,
    /// Its answer makes no sense.
    #[error("unreadable specification")]
    Malformed(#[from] Malformed),
}

/// Why there is no publish target.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// We are not the current owner.
    #[error("not the owner")]
    NotOwner,
    /// There is none, for good.
    #[error("no target")]
    Missing(Fault),
    /// The vault can't be asked now.
    #[error("the vault is not reachable")]
    Unavailable,
}

impl Clients {
    /// # Errors
    /// An address is no `http://host:port`.
    pub fn new(
        worker: WorkerId,
        policy: TargetPolicy,
        orchestrator: &str,
        credentials: &str,
        token: &SecretString,
    ) -> Result<Self, InvalidUrl> {
        let sessions = SessionsClient::new(internal_channel(orchestrator, token)?);
        let vault = VaultClient::new(internal_channel(credentials, token)?);
        Ok(Self { worker, policy, sessions, vault })
    }

    /// Becomes (or confirms being) the owner and returns what to run. Idempotent.
    ///
    /// # Errors
    /// See [`ClaimError`].
    pub async fn claim(&self, session: SessionId, epoch: Epoch) -> Result<Spec, ClaimError> {
        let request =
            ClaimSessionRequest { session_id: session.to_string(), epoch: epoch.0, worker_id: self.worker.to_string() };
        match self.sessions.clone().claim_session(deadline(CLAIM_MS, request)).await {
            Ok(answer) => Ok(Spec::try_from(answer.into_inner())?),
            Err(status) if is_refusal(&status) => {
                tracing::info!(code = ?status.code(), message = status.message(), "claim refused");
                Err(ClaimError::Refused)
            }
            Err(status) => {
                tracing::warn!(code = ?status.code(), message = status.message(), "claim failed");
                Err(ClaimError::Unavailable)
            }
        }
    }

    /// Where to publish, with the key.
    ///
    /// # Errors
    /// See [`TargetError`].
    pub async fn target(
        &self,
        destination: DestinationId,
        session: SessionId,
        epoch: Epoch,
    ) -> Result<Target, TargetError> {
        let request = GetPublishTargetRequest {
            destination_id: destination.to_string(),
            session_id: session.to_string(),
            epoch: epoch.0,
            worker_id: self.worker.to_string(),
        };
        match self.vault.clone().get_publish_target(deadline(TARGET_MS, request)).await {
            Ok(answer) => Target::read(answer.into_inner(), self.policy).map_err(TargetError::Missing),
            Err(status) => Err(self.judge(&status)),
        }
    }

    fn judge(&self, status: &Status) -> TargetError {
        tracing::warn!(code = ?status.code(), message = status.message(), "no publish target");
        match status.code() {
            Code::FailedPrecondition | Code::PermissionDenied => TargetError::NotOwner,
            Code::NotFound => TargetError::Missing(fault::key_missing()),
            _ => TargetError::Unavailable,
        }
    }

    /// Hands the result of a test in.
    ///
    /// # Errors
    /// The orchestrator's status.
    pub async fn finish_test(&self, spec: &Spec, result: TestDestinationResponse) -> Result<(), Box<Status>> {
        let request = FinishTestRequest {
            session_id: spec.session.to_string(),
            epoch: spec.epoch.0,
            worker_id: self.worker.to_string(),
            result: Some(result),
        };
        let answer = self.sessions.clone().finish_test(deadline(TEST_MS, request)).await;
        answer.map(|_: tonic::Response<v1::Empty>| ()).map_err(Box::new)
    }
}

fn is_refusal(status: &Status) -> bool {
    matches!(status.code(), Code::FailedPrecondition | Code::NotFound | Code::Aborted | Code::InvalidArgument)
}
