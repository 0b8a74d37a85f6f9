//! Create, get, list, update and delete streams; replace the ingest key.

use bus::EventKind;
use domain::ids::StreamId;
use serde_json::json;
use wire::v1;

use super::{
    respond::{View, check_digest, check_name, page},
    stream_id, tenant,
};
use crate::{
    ctx::Ctx,
    error::Error,
    rows::StreamRow,
    settle::{settle, tell},
    store::{
        broadcasts, outbox,
        streams::{self, New},
    },
    world::World,
};

/// How long an auto-started stream outlives its source when nothing else is said (issue: 30 s).
const END_GRACE_S: u32 = 30;
/// The longest grace: a day.
const END_GRACE_MAX_S: u32 = 86_400;

#[tracing::instrument(name = "orchestrator.create_stream", skip_all, fields(stream = r.stream_id))]
pub(super) async fn create(ctx: &Ctx, r: v1::CreateStreamRequest) -> Result<v1::Stream, Error> {
    let (tenant, id) = (tenant(&r.tenant_id)?, stream_id(&r.stream_id)?);
    check_name(&r.title, "title", ctx.options.name_chars)?;
    check_digest(&r.ingest_key_sha256)?;
    let end_grace_s = grace(r.end_grace_s.unwrap_or(END_GRACE_S))?;
    ctx.db
        .bounded(async {
            let mut tx = ctx.db.begin().await?;
            // The same call again answers the same, whatever the limit.
            if let Some(known) = streams::get(&mut tx, &tenant, id).await? {
                return Ok(known.to_wire(None, 0));
            }
            if streams::count_for_creation(&mut tx, &tenant).await? >= ctx.options.streams_per_tenant {
                let most = ctx.options.streams_per_tenant;
                return Err(Error::limit(format!("You have {most} streams, the most there can be. Delete one first.")));
            }
            let key_sha256 = &r.ingest_key_sha256;
            let new = New { id, tenant: &tenant, title: &r.title, key_sha256, end_grace_s };
            if !streams::insert(&mut tx, new, ctx.now_ms()).await? {
                return Err(Error::NotFound);
            }
            let stream = streams::get(&mut tx, &tenant, id).await?.ok_or(Error::NotFound)?;
            tx.commit().await?;
            Ok(stream.to_wire(None, 0))
        })
        .await
}

fn grace(seconds: u32) -> Result<i32, Error> {
    match i32::try_from(seconds) {
        Ok(s) if seconds <= END_GRACE_MAX_S => Ok(s),
        _ => Err(Error::field("invalid_request", "end_grace_s", "end_grace_s must be from 0 to 86400 seconds")),
    }
}

pub(super) async fn get(ctx: &Ctx, r: v1::StreamRef) -> Result<v1::Stream, Error> {
    let (tenant, id) = (tenant(&r.tenant_id)?, stream_id(&r.stream_id)?);
    ctx.db
        .bounded(async {
            let mut conn = ctx.db.pool().acquire().await?;
            Ok(View::load(&mut conn, &tenant, id).await?.stream())
        })
        .await
}

pub(super) async fn list(ctx: &Ctx, r: v1::ListStreamsRequest) -> Result<v1::ListStreamsResponse, Error> {
    let tenant = tenant(&r.tenant_id)?;
    let after = if r.after_id.is_empty() { None } else { Some(stream_id(&r.after_id)?) };
    let limit = page(r.limit, ctx.options.page);
    ctx.db
        .bounded(async {
            let mut conn = ctx.db.pool().acquire().await?;
            let mut found = Vec::new();
            let rows = streams::list(&mut conn, &tenant, after, limit).await?;
            let ids: Vec<StreamId> = rows.iter().map(StreamRow::id).collect();
            let viewers = broadcasts::viewers(&mut conn, &ids).await?;
            for row in rows {
                let source = crate::store::sources::get(&mut conn, row.id()).await?;
                found.push(row.to_wire(source.as_ref(), viewers.get(&row.id()).copied().unwrap_or(0)));
            }
            Ok(v1::ListStreamsResponse { streams: found })
        })
        .await
}

#[tracing::instrument(name = "orchestrator.update_stream", skip_all, fields(stream = r.stream_id))]
pub(super) async fn update(ctx: &Ctx, r: v1::UpdateStreamRequest) -> Result<v1::Stream, Error> {
    let (tenant, id) = (tenant(&r.tenant_id)?, stream_id(&r.stream_id)?);
    if let Some(title) = &r.title {
        check_name(title, "title", ctx.options.name_chars)?;
    }
    let end_grace_s = r.end_grace_s.map(grace).transpose()?;
    ctx.db
        .bounded(async {
            let mut tx = ctx.db.begin().await?;
            streams::lock(&mut tx, &tenant, id).await?.ok_or(Error::NotFound)?;
            streams::update(&mut tx, id, r.title.as_deref(), end_grace_s).await?;
            let view = View::load(&mut tx, &tenant, id).await?;
            tx.commit().await?;
            Ok(view.stream())
        })
        .await
}

/// Stops what runs, hides the stream at once and has the vault forget its secrets.
#[tracing::instrument(name = "orchestrator.delete_stream", skip_all, fields(stream = r.stream_id))]
pub(super) async fn delete(ctx: &Ctx, r: v1::StreamRef) -> Result<v1::Empty, Error> {
    let (tenant, id) = (tenant(&r.tenant_id)?, stream_id(&r.stream_id)?);
    ctx.db
        .bounded(async {
            let now_ms = ctx.now_ms();
            let mut tx = ctx.db.begin().await?;
            let stream = streams::lock(&mut tx, &tenant, id).await?.ok_or(Error::NotFound)?;
            if stream.is_running() {
                stop_for_good(&mut tx, &stream, now_ms).await?;
            }
            streams::delete(&mut tx, id, now_ms).await?;
            outbox::delete_secrets(&mut tx, &tenant, id, None, now_ms).await?;
            if let Some(record) = stream.input_record() {
                outbox::delete_secrets(&mut tx, &tenant, id, Some(record), now_ms).await?;
            }
            let world = reload(&mut tx, id).await?;
            for destination in &world.destinations {
                outbox::delete_secrets(&mut tx, &tenant, id, Some(destination.id()), now_ms).await?;
            }
            settle(&mut tx, &world, ctx.options.errors_per_run, now_ms).await?;
            Ok(tx.commit().await?)
        })
        .await?;
    ctx.wake.reconcile(id);
    Ok(v1::Empty {})
}

async fn stop_for_good(tx: &mut crate::db::Tx, stream: &StreamRow, now_ms: i64) -> Result<(), Error> {
    streams::end(tx, stream.id()).await?;
    let world = World::load(tx, stream.clone()).await?;
    tell(tx, &world, None, EventKind::StreamStopping, json!({ "reason": "deleted" }), now_ms).await
}

/// The world after a change in the same transaction, deleted or not.
pub(super) async fn reload(tx: &mut crate::db::Tx, id: StreamId) -> Result<World, Error> {
    let stream = streams::lock_any(tx, id).await?.ok_or(Error::NotFound)?;
    World::load(tx, stream).await
}

#[tracing::instrument(name = "orchestrator.set_ingest_key", skip_all, fields(stream = r.stream_id))]
pub(super) async fn set_key(ctx: &Ctx, r: v1::SetIngestKeyRequest) -> Result<v1::Empty, Error> {
    let (tenant, id) = (tenant(&r.tenant_id)?, stream_id(&r.stream_id)?);
    check_digest(&r.ingest_key_sha256)?;
    ctx.db
        .bounded(async {
            let mut tx = ctx.db.begin().await?;
            streams::lock(&mut tx, &tenant, id).await?.ok_or(Error::NotFound)?;
            streams::set_key(&mut tx, id, &r.ingest_key_sha256).await?;
            tx.commit().await?;
            Ok(v1::Empty {})
        })
        .await
}
