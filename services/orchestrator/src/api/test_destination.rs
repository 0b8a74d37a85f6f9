//! Tests a connection: a session without media, placed for any worker; its owner says which step failed.

use domain::{
    fault::{Blame, Fault, Retry},
    ids::{DestinationId, Epoch, Generation, SessionId, StreamId},
};
use prost::Message;
use service_kit::CancellationToken;
use tokio::time::{Instant, timeout};
use tonic::Code;
use tracing::{Instrument, field::Empty};
use uuid::Uuid;
use wire::v1;

use super::{destination_id, tenant, test_platform};
use crate::{
    ctx::Ctx,
    error::{Error, chain},
    rows::SessionRow,
    store::{
        connection_tests, destinations, epochs,
        sessions::{self, Place},
        streams,
    },
};

struct Test {
    id: SessionId,
    stream: StreamId,
    destination: DestinationId,
}

#[tracing::instrument(name = "orchestrator.test_destination", skip_all, fields(destination = r.destination_id))]
pub(super) async fn test(
    ctx: &Ctx,
    stopping: &CancellationToken,
    r: v1::DestinationRef,
) -> Result<v1::TestDestinationResponse, Error> {
    let (tenant, destination) = (tenant(&r.tenant_id)?, destination_id(&r.destination_id)?);
    let found = ctx.db.bounded(async {
        let mut conn = ctx.db.pool().acquire().await?;
        let row = destinations::get(&mut conn, &tenant, destination).await?.ok_or(Error::NotFound)?;
        let stream = streams::get(&mut conn, &tenant, row.stream()).await?.ok_or(Error::NotFound)?;
        Ok((stream.is_running().then(|| stream.run_ms()), row))
    });
    let (run_ms, row) = found.await?;
    let mut before = Vec::new();
    if row.is_on_platform() {
        let findings = test_platform::look(ctx, &tenant, &row, run_ms).await;
        if !findings.go_on {
            let ok = findings.steps.iter().all(|s| s.ok);
            return Ok(v1::TestDestinationResponse { ok, steps: findings.steps });
        }
        before = findings.steps;
    }
    let test = Test { id: SessionId(Uuid::now_v7()), stream: row.stream(), destination };
    let outcome = tokio::select! {
        outcome = run(ctx, &test) => outcome,
        () = stopping.cancelled() => Err(interrupted()),
    };
    // Nobody needs the row any more; what is left behind is swept.
    let _ = ctx.db.bounded(async { Ok(sessions::remove(&mut *ctx.db.pool().acquire().await?, test.id).await?) }).await;
    let mut result = outcome?;
    result.steps.splice(0..0, before);
    Ok(result)
}

async fn run(ctx: &Ctx, test: &Test) -> Result<v1::TestDestinationResponse, Error> {
    let deadline = Instant::now() + ctx.options.test;
    let mut changes = ctx.wake.changes();
    place(ctx, test).await?;
    let mut placed = Instant::now();
    loop {
        changes.mark_unchanged();
        let session = ctx.db.bounded(async {
            let mut conn = ctx.db.pool().acquire().await?;
            sessions::get(&mut conn, test.id).await?.ok_or(Error::NotFound)
        });
        let session = session.await?;
        if let Some(result) = result(&session) {
            return Ok(result);
        }
        let unclaimed = session.worker_id.is_none();
        if Instant::now() >= deadline {
            return if unclaimed { Err(no_capacity()) } else { Ok(overdue()) };
        }
        if unclaimed && placed.elapsed() >= ctx.options.test_claim {
            place(ctx, test).await?;
            placed = Instant::now();
        }
        let _ = timeout(ctx.options.poll, changes.changed()).await;
    }
}

fn result(session: &SessionRow) -> Option<v1::TestDestinationResponse> {
    v1::TestDestinationResponse::decode(session.test_result.as_deref()?).ok()
}

async fn place(ctx: &Ctx, test: &Test) -> Result<(), Error> {
    let traceparent = service_kit::trace::traceparent();
    let epoch = ctx
        .db
        .bounded(async {
            let mut tx = ctx.db.begin().await?;
            let epoch = epochs::next(&mut tx).await?;
            let place = Place {
                stream: test.stream,
                destination: Some(test.destination),
                generation: Generation(0),
                traceparent: traceparent.as_deref(),
            };
            let placed = connection_tests::place(&mut tx, test.id, epoch, place, ctx.now_ms()).await?;
            tx.commit().await?;
            Ok(placed.then_some(epoch))
        })
        .await?;
    if let Some(epoch) = epoch {
        let span = tracing::info_span!("orchestrator.place", session = %test.id, epoch = epoch.0, trace_id = Empty);
        offer(ctx, test, epoch).instrument(span).await;
    }
    Ok(())
}

async fn offer(ctx: &Ctx, test: &Test, epoch: Epoch) {
    let command = v1::RunSession {
        session_id: test.id.to_string(),
        epoch: epoch.0,
        kind: v1::SessionKind::Test.into(),
        stream_id: test.stream.to_string(),
        destination_id: test.destination.to_string(),
    };
    if let Err(error) = ctx.bus.publish_run(&command).await {
        tracing::warn!(error = chain(&error), "test not published: it is placed again soon");
    }
}

fn no_capacity() -> Error {
    let message = "No encoder was free to run the test. Try again in a minute.".to_owned();
    Error::Refused { code: Code::Unavailable, error_code: "no_capacity", field: None, message }
}

fn interrupted() -> Error {
    let message = "The test was interrupted on our side. Try again.".to_owned();
    Error::Refused { code: Code::Unavailable, error_code: "interrupted", field: None, message }
}

fn overdue() -> v1::TestDestinationResponse {
    let text = "The test did not finish in time. Try again.";
    let fault = Fault::new(Blame::Us, Retry::Transient, "test_timeout", text);
    let step = v1::TestStep { name: "test".to_owned(), ok: false, took_ms: 0, fault: Some(fault.into()) };
    v1::TestDestinationResponse { ok: false, steps: vec![step] }
}
