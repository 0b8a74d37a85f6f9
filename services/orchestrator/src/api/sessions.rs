//! What workers and the vault ask: whose is this session?

use domain::{
    destination_state::Status,
    ids::{DestinationId, Epoch, SessionId, StreamId},
};
use prost::Message;
use service_kit::ticket::{Ticket, Use};
use wire::v1;

use super::{destination_id, session_id, worker_id};
use crate::{
    ctx::Ctx,
    db::Tx,
    error::Error,
    names,
    rows::{DestinationRow, SessionRow, small, unsigned},
    settle::settle,
    store::{connection_tests, destinations, sessions, streams},
    world::World,
};

/// Makes the worker the owner if (session, epoch) is present and wanted. The owner may ask again, to take a changed
/// specification.
#[tracing::instrument(name = "orchestrator.claim_session", skip_all,
    fields(session = r.session_id, epoch = r.epoch, worker = r.worker_id))]
pub(super) async fn claim(ctx: &Ctx, r: v1::ClaimSessionRequest) -> Result<v1::SessionSpec, Error> {
    let (id, worker) = (session_id(&r.session_id)?, worker_id(&r.worker_id)?);
    let epoch = Epoch(r.epoch);
    let claimed = ctx.db.bounded(async {
        let now_ms = ctx.now_ms();
        let mut tx = ctx.db.begin().await?;
        let job = Job::load(&mut tx, id, epoch).await?;
        let version = job.spec_version();
        let session = sessions::claim(&mut tx, id, epoch, &worker, version, now_ms).await?;
        let session = session.ok_or_else(|| Error::state("not_owner", "Another worker owns this session."))?;
        let spec = job.spec(ctx, &session, now_ms);
        let world = World::load(&mut tx, job.world.stream).await?;
        settle(&mut tx, &world, ctx.options.errors_per_run, now_ms).await?;
        tx.commit().await?;
        Ok(spec)
    });
    let claimed = claimed.await;
    names::count(names::CLAIMS, if claimed.is_ok() { "granted" } else { "refused" });
    if claimed.is_ok() {
        ctx.wake.changed();
    }
    claimed
}

/// A wanted session with what it needs.
struct Job {
    world: World,
    destination: Option<DestinationRow>,
    kind: v1::SessionKind,
}

impl Job {
    async fn load(tx: &mut Tx, id: SessionId, epoch: Epoch) -> Result<Self, Error> {
        let gone = || Error::state("superseded", "This session is not to be run any more.");
        let stream = sessions::stream_of(tx, id).await?.ok_or_else(gone)?;
        let stream = streams::lock_any(tx, stream).await?.ok_or_else(gone)?;
        let session = sessions::get(tx, id).await?.ok_or_else(gone)?;
        if session.epoch() != epoch {
            return Err(gone());
        }
        let world = World::load(tx, stream).await?;
        let kind = session.kind();
        let of = session.destination_id;
        let destination = world.destinations.iter().find(|d| Some(d.id) == of && d.deleted_at_ms.is_none()).cloned();
        let job = Self { world, destination, kind };
        if job.is_wanted(&session) { Ok(job) } else { Err(gone()) }
    }

    fn is_wanted(&self, session: &SessionRow) -> bool {
        let running = self.world.stream.is_running();
        match self.kind {
            v1::SessionKind::Test => self.destination.is_some() && session.test_result.is_none(),
            v1::SessionKind::Pull => running && self.world.stream.input_source.is_some(),
            v1::SessionKind::Deliver => {
                let run_ms = self.world.stream.run_ms();
                let ready = |d: &DestinationRow| d.is_wanted() && d.gave_up.is_none() && d.is_ready(run_ms);
                running && self.destination.as_ref().is_some_and(ready)
            }
            _ => false,
        }
    }

    fn spec_version(&self) -> i64 {
        self.destination.as_ref().map_or(0, |d| d.spec_version)
    }

    fn spec(&self, ctx: &Ctx, session: &SessionRow, now_ms: i64) -> v1::SessionSpec {
        let destination = self.destination.as_ref();
        let is_pull = self.kind == v1::SessionKind::Pull;
        v1::SessionSpec {
            session_id: session.id.to_string(),
            epoch: unsigned(session.epoch),
            kind: self.kind.into(),
            stream_id: self.world.stream.id.to_string(),
            destination_id: destination.map(|d| d.id.to_string()).unwrap_or_default(),
            platform: destination.map_or(0, |d| v1::Platform::from(d.platform()).into()),
            settings: destination.map(|d| d.settings().into()),
            relay_ticket: self.ticket(ctx, session, now_ms),
            input_url: self.world.stream.input_source.clone().filter(|_| is_pull).unwrap_or_default(),
            skip_publish: self.kind == v1::SessionKind::Test && destination.is_some_and(is_in_use),
            generation: unsigned(self.spec_version()),
            relay_http: self.world.source.as_ref().map(|s| s.relay_http.clone()).unwrap_or_default(),
            rtmp_url: destination.map(|d| d.rtmp_url.clone()).unwrap_or_default(),
            ever_connected: session.ever_connected,
            prior_reconnects: small(session.prior_reconnects),
        }
    }

    /// A test needs no media.
    fn ticket(&self, ctx: &Ctx, session: &SessionRow, now_ms: i64) -> String {
        let use_ = match self.kind {
            v1::SessionKind::Test => return String::new(),
            v1::SessionKind::Pull => Use::Publish,
            _ => Use::Read,
        };
        ctx.tickets.sign(&Ticket {
            stream: self.world.id(),
            session: session.id(),
            epoch: session.epoch(),
            use_,
            expires_at_ms: now_ms + ctx.options.ticket_ms,
        })
    }
}

/// Its key is in use, or may be any moment: another publish with it could disturb the running one.
fn is_in_use(row: &DestinationRow) -> bool {
    let busy = |s: Status| s.is_delivering() || matches!(s, Status::Reconnecting | Status::Stopping);
    row.is_on_platform() || row.status.parse().is_ok_and(busy)
}

/// For the vault, before it releases a publish target.
pub(super) async fn check_owner(ctx: &Ctx, r: v1::CheckOwnerRequest) -> Result<v1::OwnedTarget, Error> {
    let (id, destination, worker) =
        (session_id(&r.session_id)?, destination_id(&r.destination_id)?, worker_id(&r.worker_id)?);
    let refused = || Error::state("not_owner", "This worker does not own the session.");
    ctx.db
        .bounded(async {
            let mut conn = ctx.db.pool().acquire().await?;
            let session = sessions::owner(&mut conn, id, Epoch(r.epoch), &worker).await?.ok_or_else(refused)?;
            if session.kind() == v1::SessionKind::Pull {
                return pulled(&mut conn, &session, destination).await?.ok_or_else(refused);
            }
            if session.destination_id != Some(destination.0) {
                return Err(refused());
            }
            let row = destinations::get_any(&mut conn, destination).await?.ok_or_else(refused)?;
            Ok(v1::OwnedTarget {
                tenant_id: row.tenant_id.clone(),
                stream_id: row.stream_id.to_string(),
                destination_id: row.id.to_string(),
                platform: v1::Platform::from(row.platform()).into(),
                rtmp_url: row.rtmp_url.clone(),
                account_id: row.account_id.clone(),
            })
        })
        .await
}

/// The play path of a pulled source is kept under a record of its own.
async fn pulled(
    conn: &mut sqlx::PgConnection,
    session: &SessionRow,
    record: DestinationId,
) -> Result<Option<v1::OwnedTarget>, Error> {
    let Some(stream) = streams::get_any(conn, StreamId(session.stream_id)).await? else { return Ok(None) };
    let Some(input) = stream.input().filter(|input| input.record == Some(record)) else { return Ok(None) };
    Ok(Some(v1::OwnedTarget {
        tenant_id: stream.tenant_id.clone(),
        stream_id: stream.id.to_string(),
        destination_id: record.to_string(),
        platform: v1::Platform::RtmpCustom.into(),
        rtmp_url: input.base.to_string(),
        account_id: String::new(),
    }))
}

/// Idempotent. Only the owner may say how its test went.
pub(super) async fn finish_test(ctx: &Ctx, r: v1::FinishTestRequest) -> Result<v1::Empty, Error> {
    let (id, worker) = (session_id(&r.session_id)?, worker_id(&r.worker_id)?);
    let result = r.result.unwrap_or_default().encode_to_vec();
    ctx.db
        .bounded(async {
            let mut conn = ctx.db.pool().acquire().await?;
            if connection_tests::finish(&mut conn, id, Epoch(r.epoch), &worker, &result, ctx.now_ms()).await? {
                Ok(())
            } else {
                Err(Error::state("not_owner", "This worker does not own the test."))
            }
        })
        .await?;
    ctx.wake.changed();
    Ok(v1::Empty {})
}
