//! One session: what it knows, decides and does.

pub mod deliver;
pub mod events;
mod finish;
pub mod probe;
pub mod pull;
pub mod reports;
pub mod shared;
pub mod spec;
pub mod state;

use std::sync::Arc;

use domain::session::SessionKind;
use tokio::sync::mpsc;
use tracing::Span;

use crate::{
    gate::SessionGate,
    work::{context::Context, registry::Word},
};
use spec::Spec;

/// Runs a session to its end: the lease is given back and the last report is queued when this returns.
pub async fn run(context: Arc<Context>, spec: Spec, gate: Arc<SessionGate>, words: mpsc::Receiver<Word>, start: Span) {
    match spec.kind {
        SessionKind::Deliver => deliver::run(context, spec, gate, words, start).await,
        SessionKind::Pull => pull::run(context, spec, gate, words, start).await,
        SessionKind::Test => probe::run(context, spec, gate, start).await,
        // Renditions publish back into the relay; they come with their own change.
        SessionKind::Rendition => {
            tracing::error!("renditions are not supported by this worker");
            finish::give_back(&context, &spec).await;
        }
    }
}
