//! Writes a plan into Postgres, and says what is to be said after the commit.

use bus::EventKind;
use domain::{
    ids::{DestinationId, Generation},
    plan::{Aim, Job, Plan, Run},
};
use serde_json::json;
use sqlx::PgConnection;

use super::effects::Effect;
use crate::{
    error::Error,
    names,
    rows::unsigned,
    settle::tell,
    store::{
        destinations, run_errors,
        sessions::{self, Place},
        streams::{self, Begin},
    },
    world::World,
};

/// Writes it. Stops come before starts.
///
/// # Errors
/// [`Error::Database`].
pub(super) async fn carry_out(
    conn: &mut PgConnection,
    world: &World,
    plan: &Plan,
    now_ms: i64,
) -> Result<Vec<Effect>, Error> {
    if plan.end {
        streams::end(conn, world.id()).await?;
        let data = json!({ "reason": "source_gone" });
        tell(conn, world, None, EventKind::StreamStopping, data, now_ms).await?;
    }
    if !plan.begin.is_empty() {
        begin(conn, world, &plan.begin, now_ms).await?;
    }
    let mut effects = Vec::new();
    for aim in &plan.stop {
        sessions::stop_asked(conn, aim, now_ms).await?;
        effects.push(Effect::Stop { aim: aim.clone(), worker: worker(world, aim) });
    }
    for aim in &plan.forget {
        sessions::forget(conn, aim, now_ms).await?;
        // A worker that has pulled the command but not claimed yet learns it from its lease.
        effects.push(Effect::Stop { aim: aim.clone(), worker: worker(world, aim) });
    }
    for aim in &plan.refresh {
        sessions::refresh_asked(conn, aim, now_ms).await?;
        let to = Generation(spec_version(world, aim.job));
        effects.push(Effect::Refresh { aim: aim.clone(), worker: worker(world, aim), to });
    }
    for run in &plan.run {
        effects.extend(place(conn, world, run, now_ms).await?);
    }
    Ok(effects)
}

async fn begin(conn: &mut PgConnection, world: &World, chosen: &[DestinationId], now_ms: i64) -> Result<(), Error> {
    let how = Begin { auto: true, input_source: None, traceparent: None };
    streams::begin(conn, world.id(), how, now_ms).await?;
    destinations::enlist(conn, world.id(), Some(chosen)).await?;
    run_errors::clear(conn, world.id()).await?;
    let data = json!({ "auto": true, "destinations": chosen.len() });
    tell(conn, world, None, EventKind::StreamStarting, data, now_ms).await
}

async fn place(conn: &mut PgConnection, world: &World, run: &Run, now_ms: i64) -> Result<Option<Effect>, Error> {
    let destination = match run.job {
        Job::Deliver(id) => Some(id),
        Job::Pull => None,
    };
    let place = Place {
        stream: world.id(),
        destination,
        generation: Generation(unsigned(world.stream.generation)),
        traceparent: world.stream.traceparent.as_deref(),
    };
    if !sessions::place(conn, run, place, now_ms).await? {
        tracing::warn!(session = %run.session, "another epoch is present: not placed");
        return Ok(None);
    }
    metrics::counter!(names::PLACEMENTS, "kind" => run.job.kind().as_str()).increment(1);
    Ok(Some(Effect::Run { run: run.clone(), stream: world.id(), traceparent: world.stream.traceparent.clone() }))
}

fn worker(world: &World, aim: &Aim) -> Option<domain::ids::WorkerId> {
    world.sessions.iter().find(|s| s.id == aim.session.0)?.worker()
}

fn spec_version(world: &World, job: Job) -> u64 {
    let of = |id: DestinationId| world.destinations.iter().find(|d| d.id == id.0).map(|d| unsigned(d.spec_version));
    match job {
        Job::Deliver(id) => of(id).unwrap_or(0),
        Job::Pull => 0,
    }
}
