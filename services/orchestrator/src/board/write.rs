//! What the board writes down: that media flows (any replica), health edges and counters (the leader).

use bus::EventKind;
use domain::{
    health::{Health, Verdict},
    ids::DestinationId,
};
use serde_json::json;

use super::Flowing;
use crate::{
    ctx::Ctx,
    error::{Error, chain},
    settle::{about, settle, tell},
    store::{
        destinations,
        sessions::{self, Flow},
        streams, totals,
    },
    world::World,
};

/// Notes that acknowledged bytes keep growing: the destination is live.
pub(super) async fn note_flow(ctx: &Ctx, flowing: Flowing) {
    match ctx.db.bounded(write_flow(ctx, flowing)).await {
        Ok(Flow::NotConnected) => {}
        Ok(flow) => {
            ctx.board.flow_noted(flowing.destination);
            if flow == Flow::Noted {
                ctx.wake.changed();
            }
        }
        Err(error) => tracing::debug!(error = chain(&error), "flow not noted yet"),
    }
}

async fn write_flow(ctx: &Ctx, flowing: Flowing) -> Result<Flow, Error> {
    let now_ms = ctx.now_ms();
    let mut tx = ctx.db.begin().await?;
    let Some(stream) = streams::lock_any(&mut tx, flowing.stream).await? else { return Ok(Flow::Known) };
    let flow = sessions::flows(&mut tx, flowing.session, flowing.epoch, flowing.sure, now_ms).await?;
    if flow == Flow::Noted {
        let world = World::load(&mut tx, stream).await?;
        settle(&mut tx, &world, ctx.options.errors_per_run, now_ms).await?;
    }
    tx.commit().await?;
    Ok(flow)
}

/// Writes verdicts that differ from what is stored.
pub(super) async fn health(ctx: &Ctx, verdicts: Vec<(DestinationId, Verdict)>) {
    for (id, verdict) in verdicts {
        match ctx.db.bounded(write_health(ctx, id, &verdict)).await {
            Ok(true) => ctx.wake.changed(),
            Ok(false) => {}
            Err(error) => {
                tracing::debug!(error = chain(&error), "health not written");
                return;
            }
        }
    }
}

async fn write_health(ctx: &Ctx, id: DestinationId, verdict: &Verdict) -> Result<bool, Error> {
    let stored: Option<(String, i32, uuid::Uuid)> = sqlx::query_as(
        "SELECT health, jsonb_array_length(issues), stream_id FROM destinations WHERE id = $1 AND deleted_at_ms IS NULL",
    )
    .bind(id.0)
    .fetch_optional(ctx.db.pool())
    .await?;
    // The sentences hold figures that change each second: only what they are about is an edge.
    let same = |(health, issues, _): &(String, i32, uuid::Uuid)| {
        health == verdict.health.as_str() && usize::try_from(*issues).ok() == Some(verdict.issues.len())
    };
    let Some(stored) = stored.filter(|stored| !same(stored)) else { return Ok(false) };
    let now_ms = ctx.now_ms();
    let mut tx = ctx.db.begin().await?;
    let Some(stream) = streams::lock_any(&mut tx, stored.2.into()).await? else { return Ok(false) };
    let world = World::load(&mut tx, stream).await?;
    let Some(row) = world.destinations.iter().find(|d| d.id == id.0) else { return Ok(false) };
    // What was taken out is on the board for a while, for its last samples; nothing is judged of it.
    if !world.stream.is_running() || !world.wants(row) {
        return Ok(false);
    }
    destinations::set_health(&mut tx, id, verdict).await?;
    if let Some(kind) = edge(&row.health, verdict.health) {
        let mut data = about(row, &row.status);
        data["health"] = json!(verdict.health);
        data["issues"] = json!(verdict.issues);
        tell(&mut tx, &world, Some(row), kind, data, now_ms).await?;
    }
    tx.commit().await?;
    Ok(true)
}

/// What a change of health is called.
fn edge(was: &str, now: Health) -> Option<EventKind> {
    if was == now.as_str() {
        return None;
    }
    match now {
        Health::Degraded => Some(EventKind::HealthDegraded),
        Health::Stale => Some(EventKind::HealthStale),
        Health::Error => Some(EventKind::HealthError),
        Health::Healthy => ["degraded", "stale", "error"].contains(&was).then_some(EventKind::HealthRecovered),
        Health::Unknown => None,
    }
}

/// Saves the counters that changed.
pub(super) async fn save_totals(ctx: &Ctx) {
    if !ctx.leader.leads() {
        return;
    }
    let changed = ctx.board.unsaved();
    if changed.is_empty() {
        return;
    }
    let saved = ctx.db.bounded(async {
        let mut tx = ctx.db.begin().await?;
        sqlx::query("SET LOCAL synchronous_commit = off").execute(&mut *tx).await?;
        for row in &changed {
            totals::save(&mut tx, row).await?;
        }
        Ok(tx.commit().await?)
    });
    if let Err(error) = saved.await {
        tracing::debug!(error = chain(&error), "counters not saved: the next ones hold them too");
    }
}
