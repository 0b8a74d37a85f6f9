//! A stand-in for the orchestrator: knows who owns which session.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use service_kit::{Shutdown, grpc};
use tokio::net::TcpListener;
use tonic::{Code, Request, Response, Status};
use wire::v1::{
    CheckOwnerRequest, ClaimSessionRequest, Empty, FinishTestRequest, OwnedTarget, SessionSpec,
    sessions_server::{Sessions, SessionsServer},
};

use crate::world::token;

/// Who owns a destination's session.
#[derive(Clone, Debug)]
pub struct Owner {
    pub session: String,
    pub epoch: u64,
    pub worker: String,
    pub target: OwnedTarget,
}

/// Serves while it lives.
#[derive(Clone)]
pub struct FakeOrchestrator {
    owners: Arc<Mutex<HashMap<String, Owner>>>,
    shutdown: Shutdown,
    pub url: String,
}

impl FakeOrchestrator {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let url = format!("http://{}", listener.local_addr().expect("address"));
        let this = Self { owners: Arc::default(), shutdown: Shutdown::new(Duration::from_millis(100)), url };
        let guard = grpc::require_internal(&token());
        let router = grpc::server().add_service(SessionsServer::with_interceptor(this.clone(), guard));
        this.shutdown.tasks.spawn(grpc::serve(router, listener, this.shutdown.clone()));
        this
    }

    pub fn assign(&self, owner: Owner) {
        self.owners.lock().expect("owners").insert(owner.target.destination_id.clone(), owner);
    }

    pub async fn stop(&self) {
        self.shutdown.trigger();
        self.shutdown.hard.cancel();
        self.shutdown.drained().await;
    }
}

#[tonic::async_trait]
impl Sessions for FakeOrchestrator {
    async fn claim_session(&self, _: Request<ClaimSessionRequest>) -> Result<Response<SessionSpec>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn check_owner(&self, request: Request<CheckOwnerRequest>) -> Result<Response<OwnedTarget>, Status> {
        let asked = request.into_inner();
        let owner = self.owners.lock().expect("owners").get(&asked.destination_id).cloned();
        match owner {
            None => Err(Status::not_found("no such session")),
            Some(o) if (&o.session, o.epoch, &o.worker) == (&asked.session_id, asked.epoch, &asked.worker_id) => {
                Ok(Response::new(o.target))
            }
            Some(_) => Err(grpc::status(Code::FailedPrecondition, "not_owner", None, "another owner")),
        }
    }

    async fn finish_test(&self, _: Request<FinishTestRequest>) -> Result<Response<Empty>, Status> {
        Err(Status::unimplemented("not here"))
    }
}
