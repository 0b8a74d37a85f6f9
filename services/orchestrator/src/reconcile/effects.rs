//! What is said to workers after a commit. All of it is best effort: what is not heard is said again by a later pass.

use domain::{
    ids::{Generation, StreamId, WorkerId},
    plan::{Aim, Job, Run},
};
use futures::future::join_all;
use lease::Desired;
use tokio::time::timeout;
use tracing::{Instrument, field::Empty};
use wire::v1::{ControlSession, RunSession, SessionKind, control_session::Action};

use crate::{ctx::Ctx, error::chain, names};

/// One thing to say.
#[derive(Clone, Debug)]
pub(crate) enum Effect {
    /// Stop.
    Stop {
        /// Which session and epoch.
        aim: Aim,
        /// Its owner, once there is one.
        worker: Option<WorkerId>,
    },
    /// Take the new specification.
    Refresh {
        /// Which session and epoch.
        aim: Aim,
        /// Its owner, once there is one.
        worker: Option<WorkerId>,
        /// The specification's version.
        to: Generation,
    },
    /// Somebody run it.
    Run {
        /// Which session and epoch.
        run: Run,
        /// Of which stream.
        stream: StreamId,
        /// The trace that asked for it.
        traceparent: Option<String>,
    },
}

/// Says it all, stops first. Bounded by the bus's and Redis's own timeouts.
pub(crate) async fn speak(ctx: &Ctx, effects: Vec<Effect>) {
    let (runs, words): (Vec<_>, Vec<_>) = effects.into_iter().partition(|e| matches!(e, Effect::Run { .. }));
    for group in [words, runs] {
        join_all(group.into_iter().map(|effect| say(ctx, effect))).await;
    }
}

async fn say(ctx: &Ctx, effect: Effect) {
    match effect {
        Effect::Stop { aim, worker } => {
            let heard = control(ctx, &aim, worker, Action::Stop);
            tokio::join!(desire(ctx, &aim, Desired::Stop), heard);
        }
        Effect::Refresh { aim, worker, to } => {
            let heard = control(ctx, &aim, worker, Action::Refresh);
            tokio::join!(desire(ctx, &aim, Desired::Refresh(to)), heard);
        }
        Effect::Run { run, stream, traceparent } => {
            let (session, epoch) = (run.session, run.epoch);
            let span = tracing::info_span!("orchestrator.place", %stream, %session, epoch = epoch.0, trace_id = Empty);
            if let Some(parent) = traceparent {
                service_kit::trace::set_parent(&span, &parent);
            }
            offer(ctx, &run, stream).instrument(span).await;
        }
    }
}

/// Raises the floor first: from then on no older epoch can take or keep the lease. If Redis is away the command goes
/// out all the same; the claim in Postgres and the relay's fence hold without it.
async fn offer(ctx: &Ctx, run: &Run, stream: StreamId) {
    let aim = Aim { session: run.session, job: run.job, epoch: run.epoch };
    desire(ctx, &aim, Desired::Run).await;
    let (kind, destination_id) = match run.job {
        Job::Deliver(id) => (SessionKind::Deliver, id.to_string()),
        Job::Pull => (SessionKind::Pull, String::new()),
    };
    let command = RunSession {
        session_id: run.session.to_string(),
        epoch: run.epoch.0,
        kind: kind.into(),
        stream_id: stream.to_string(),
        destination_id,
    };
    if let Err(error) = ctx.bus.publish_run(&command).await {
        metrics::counter!(names::COMMANDS_FAILED, "word" => "run").increment(1);
        tracing::warn!(error = chain(&error), "command not published: it is placed again soon");
    }
}

async fn desire(ctx: &Ctx, aim: &Aim, desired: Desired) {
    let written = timeout(ctx.options.redis_write, ctx.leases.set_desired(aim.session, aim.epoch, desired)).await;
    match written {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(session = %aim.session, error = chain(&error), "wish not written to Redis"),
        Err(_) => tracing::debug!(session = %aim.session, "Redis took too long for a wish"),
    }
}

async fn control(ctx: &Ctx, aim: &Aim, worker: Option<WorkerId>, action: Action) {
    let Some(worker) = worker else { return };
    let word = ControlSession { session_id: aim.session.to_string(), epoch: aim.epoch.0, action: action.into() };
    if let Err(error) = ctx.bus.publish_control(&worker, &word).await {
        metrics::counter!(names::COMMANDS_FAILED, "word" => "control").increment(1);
        tracing::debug!(session = %aim.session, error = chain(&error), "control word not published");
    }
}
