//! From a command to a running session: lease → claim → acknowledge → run.
//!
//! The lease is ownership in the eyes of other workers, the claim is ownership in Postgres, the acknowledgement only
//! tidies the queue. Each step may run twice, and each may find that somebody newer was faster.

use std::{sync::Arc, time::Duration};

use bus::Delivery;
use domain::ids::{Epoch, SessionId};
use lease::Acquire;
use service_kit::TaskTracker;
use tokio::{sync::mpsc, time::timeout};
use tracing::Instrument;
use wire::v1::RunSession;

use super::{
    clients::ClaimError,
    context::Context,
    registry::{Entry, MAX_WORDS, Slot, Word},
};
use crate::{
    gate::SessionGate,
    metric,
    session::{self, spec::Spec, state::StopReason},
};

/// When to hand a command back that can't be done for want of Redis or the orchestrator.
const AGAIN: Duration = Duration::from_millis(700);
/// How long an older epoch of the same session may take to leave.
const LEAVE: Duration = Duration::from_secs(3);

enum Claimed {
    Run(Box<Spec>),
    /// Done with this command: somebody else has it, or nobody wants it.
    Obsolete,
    /// Try again later, here or elsewhere.
    Later,
}

/// Takes one command. The slot is given back when the session counts by itself, or when there is none.
pub async fn take(context: Arc<Context>, delivery: Delivery<RunSession>, slot: Slot, tasks: TaskTracker) {
    let command = &delivery.message;
    let span = tracing::info_span!(
        "session.start",
        session = command.session_id,
        epoch = command.epoch,
        stream = command.stream_id,
        worker = %context.worker,
        trace_id = tracing::field::Empty,
    );
    if let Some(parent) = &delivery.traceparent {
        service_kit::trace::set_parent(&span, parent);
    }
    let Ok(session) = command.session_id.parse::<SessionId>() else {
        let _ = delivery.dead_letter("session id is no UUID").await;
        return;
    };
    let epoch = Epoch(command.epoch);
    let (claimed, label) = match claim(&context, session, epoch).instrument(span.clone()).await {
        Claimed::Run(spec) => (Some(spec), "taken"),
        Claimed::Obsolete => (None, "obsolete"),
        Claimed::Later => {
            metrics::counter!(metric::COMMANDS, "outcome" => "later").increment(1);
            let _ = delivery.nak(AGAIN).await;
            return;
        }
    };
    metrics::counter!(metric::COMMANDS, "outcome" => label).increment(1);
    if let Err(error) = delivery.ack().await {
        // It comes again and is found obsolete.
        tracing::debug!(error = &error as &dyn std::error::Error, "acknowledgement lost");
    }
    if let Some(spec) = claimed {
        start(context, *spec, span, &tasks).await;
    }
    drop(slot);
}

async fn claim(context: &Context, session: SessionId, epoch: Epoch) -> Claimed {
    if let Some(running) = context.registry.get(session) {
        if running.epoch >= epoch {
            return Claimed::Obsolete;
        }
        // The orchestrator has given up on the one that runs here: it goes first.
        running.tell(Word::Stop(StopReason::Lost));
        let gone = async {
            while context.registry.get(session).is_some() {
                context.registry.wait_for(|_| true).await;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        if timeout(LEAVE, gone).await.is_err() {
            return Claimed::Later;
        }
    }
    match context.leases.acquire(session, epoch, &context.worker).await {
        Ok(Acquire::Acquired) => {}
        Ok(other) => {
            tracing::info!(?other, "lease not ours");
            return Claimed::Obsolete;
        }
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "no lease");
            return Claimed::Later;
        }
    }
    let outcome = match context.clients.claim(session, epoch).await {
        Ok(spec) => return Claimed::Run(Box::new(spec)),
        Err(ClaimError::Refused) => Claimed::Obsolete,
        Err(ClaimError::Unavailable) => Claimed::Later,
        Err(ClaimError::Malformed(error)) => {
            tracing::error!(%error, "claimed session can't be run");
            Claimed::Obsolete
        }
    };
    let _ = context.leases.release(session, epoch, &context.worker).await;
    outcome
}

async fn start(context: Arc<Context>, spec: Spec, span: tracing::Span, tasks: &TaskTracker) {
    let gate = SessionGate::new(context.pulse.clone());
    let (words, inbox) = mpsc::channel(MAX_WORDS);
    let (id, epoch) = (spec.session, spec.epoch);
    if !context.registry.add(id, Entry::new(epoch, spec.kind, gate.clone(), words)) {
        tracing::warn!(session = %id, "runs already");
        return;
    }
    let kind = spec.kind.as_str();
    // The line that joins the log to the trace; what follows is logged under the session.
    span.in_scope(|| tracing::info!(kind, "session taken"));
    metrics::counter!(metric::SESSION_STARTS, "kind" => kind).increment(1);
    metrics::gauge!(metric::SESSIONS, "kind" => kind).increment(1.0);
    let run = tracing::info_span!(
        parent: None,
        "session",
        session = %id,
        epoch = epoch.0,
        stream = %spec.stream,
        kind,
    );
    tasks.spawn(
        async move {
            session::run(context.clone(), spec, gate, inbox, span).await;
            context.registry.remove(id);
            metrics::gauge!(metric::SESSIONS, "kind" => kind).decrement(1.0);
        }
        .instrument(run),
    );
}
