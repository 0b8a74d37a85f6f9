//! Words of the orchestrator to this worker. They only wake: what counts is read again.

use std::sync::Arc;

use domain::ids::{Epoch, SessionId};
use futures::StreamExt;
use service_kit::CancellationToken;
use wire::v1::{ControlSession, control_session::Action};

use super::{context::Context, registry::Word};
use crate::session::state::StopReason;

/// Listens until cancelled.
pub async fn listen(context: Arc<Context>, stop: CancellationToken) {
    let mut words = context.bus.control(&context.worker).await;
    while let Some(Some(word)) = stop.run_until_cancelled(words.next()).await {
        obey(&context, &word);
    }
}

fn obey(context: &Context, control: &ControlSession) {
    let Ok(session) = control.session_id.parse::<SessionId>() else { return };
    let word = match control.action() {
        Action::Stop => Word::Stop(StopReason::Wanted),
        Action::Refresh => Word::Refresh,
        Action::Unspecified => return,
    };
    tracing::debug!(%session, epoch = control.epoch, ?word, "told");
    context.registry.tell(session, Some(Epoch(control.epoch)), word);
}
