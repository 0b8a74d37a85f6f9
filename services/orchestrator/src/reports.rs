//! Takes in what workers report. (epoch, sequence) decides what is new; everything else is dropped and counted.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use bus::Delivery;
use domain::{
    fault::{Blame, Fault, Retry},
    ids::{Epoch, SessionId, StreamId},
    lifecycle::Phase,
    plan::Job,
};
use futures::StreamExt;
use service_kit::Shutdown;
use tokio::{sync::mpsc, time::sleep};
use tracing::{Instrument, field::Empty};
use wire::v1::{self, SessionReport};

use crate::{
    ctx::Ctx,
    error::{Error, chain},
    names,
    settle::settle,
    store::{
        destinations, run_errors,
        sessions::{self, Told},
        streams,
    },
    world::World,
};

/// While Postgres is away a report is held, and the bus told so, this often (its acknowledgement is due in 10 s).
const HOLD: Duration = Duration::from_secs(1);

/// Takes reports until the shutdown. Those of one session keep their order.
pub async fn run(ctx: Ctx, shutdown: Shutdown) {
    let mut reports = ctx.bus.reports().await;
    let hasher = RandomState::new();
    let lanes: Vec<_> = (0..ctx.options.report_lanes.max(1))
        .map(|_| {
            let (sender, receiver) = mpsc::channel(ctx.options.report_queue.max(1));
            shutdown.tasks.spawn(lane(ctx.clone(), receiver, shutdown.clone()));
            sender
        })
        .collect();
    loop {
        let delivery = tokio::select! {
            () = shutdown.soft.cancelled() => return,
            next = reports.next() => match next { Some(delivery) => delivery, None => return },
        };
        let lane = hasher.hash_one(&delivery.message.session_id) as usize % lanes.len();
        if lanes[lane].send(delivery).await.is_err() {
            return;
        }
    }
}

async fn lane(ctx: Ctx, mut reports: mpsc::Receiver<Delivery<SessionReport>>, shutdown: Shutdown) {
    while let Some(delivery) = reports.recv().await {
        let report = &delivery.message;
        let span = tracing::info_span!(
            "orchestrator.report",
            session = report.session_id,
            epoch = report.epoch,
            phase = Empty,
            trace_id = Empty
        );
        delivery.set_parent(&span);
        handle(&ctx, &delivery, &shutdown).instrument(span).await;
    }
}

async fn handle(ctx: &Ctx, delivery: &Delivery<SessionReport>, shutdown: &Shutdown) {
    loop {
        match take(ctx, &delivery.message).await {
            Ok(taken) => {
                names::count(names::REPORTS, taken.as_str());
                if taken == Taken::Malformed {
                    let _ = delivery.dead_letter("malformed").await;
                    return;
                }
                if let Err(error) = delivery.ack().await {
                    tracing::debug!(error = chain(&error), "report not acknowledged: it comes again and is dropped");
                }
                return;
            }
            Err(error) if error.is_unavailable() && !shutdown.soft.is_cancelled() => {
                tracing::debug!(error = chain(&error), "report held");
                let _ = delivery.progress().await;
                sleep(HOLD).await;
            }
            Err(error) => {
                tracing::error!(error = chain(&error), "report not taken");
                let _ = delivery.nak(HOLD).await;
                return;
            }
        }
    }
}

/// What became of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// New: written.
    Written,
    /// Of an epoch that is over.
    OlderEpoch,
    /// Known, or overtaken.
    OlderSequence,
    /// Of a session that is gone or never was.
    Unknown,
    /// From a worker that does not own it.
    Foreign,
    /// Not readable.
    Malformed,
}

impl Taken {
    fn as_str(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::OlderEpoch => "older_epoch",
            Self::OlderSequence => "older_sequence",
            Self::Unknown => "unknown",
            Self::Foreign => "foreign",
            Self::Malformed => "malformed",
        }
    }
}

/// Takes one report in. Idempotent.
///
/// # Errors
/// [`Error::Database`], [`Error::DatabaseTimeout`].
pub async fn take(ctx: &Ctx, report: &SessionReport) -> Result<Taken, Error> {
    let Some(read) = Read::from_wire(report) else { return Ok(Taken::Malformed) };
    tracing::Span::current().record("phase", read.phase.as_str());
    let (taken, stream) = ctx.db.bounded(write(ctx, report, &read)).await?;
    if let Some(stream) = stream {
        ctx.wake.reconcile(stream);
    }
    Ok(taken)
}

struct Read {
    session: SessionId,
    epoch: Epoch,
    phase: Phase,
    fault: Option<Fault>,
}

impl Read {
    fn from_wire(report: &SessionReport) -> Option<Self> {
        Some(Self {
            session: report.session_id.parse().ok()?,
            epoch: Epoch(report.epoch),
            phase: v1::Phase::to_domain(report.phase).ok()?.into(),
            fault: report.fault.clone().map(Fault::try_from).transpose().ok()?,
        })
    }
}

async fn write(ctx: &Ctx, report: &SessionReport, read: &Read) -> Result<(Taken, Option<StreamId>), Error> {
    let now_ms = ctx.now_ms();
    let mut tx = ctx.db.begin().await?;
    let Some(id) = sessions::stream_of(&mut tx, read.session).await? else { return Ok((Taken::Unknown, None)) };
    let Some(stream) = streams::lock_any(&mut tx, id).await? else { return Ok((Taken::Unknown, None)) };
    let Some(session) = sessions::get(&mut tx, read.session).await? else { return Ok((Taken::Unknown, None)) };
    if session.epoch() != read.epoch {
        return Ok((Taken::OlderEpoch, None));
    }
    if session.worker_id.as_deref() != Some(report.worker_id.as_str()) {
        return Ok((Taken::Foreign, None));
    }
    let told = Told {
        id: read.session,
        epoch: read.epoch,
        sequence: i64::try_from(report.sequence).unwrap_or(i64::MAX),
        phase: read.phase,
        fault: read.fault.as_ref(),
        retry_at_ms: (report.retry_at_ms > 0).then_some(report.retry_at_ms),
        mode: &report.mode,
        reconnects: i32::try_from(report.reconnects).unwrap_or(i32::MAX),
    };
    if session.phase()?.is_over() || !sessions::report(&mut tx, told, now_ms).await? {
        return Ok((Taken::OlderSequence, None));
    }
    if let (Some(Job::Deliver(destination)), Phase::Failed) = (session.job(), read.phase) {
        let fault = read.fault.clone().unwrap_or_else(unexplained);
        destinations::give_up(&mut tx, destination, &fault).await?;
    }
    if let (Some(Job::Pull), Phase::Failed, Some(fault)) = (session.job(), read.phase, &read.fault) {
        run_errors::add(&mut tx, id, None, fault, ctx.options.errors_per_run, now_ms).await?;
    }
    let world = World::load(&mut tx, stream).await?;
    settle(&mut tx, &world, ctx.options.errors_per_run, now_ms).await?;
    tx.commit().await?;
    Ok((Taken::Written, Some(id)))
}

fn unexplained() -> Fault {
    Fault::new(Blame::Us, Retry::Permanent, "internal", "The session failed without a reason. Start the stream again.")
}
