//! Asks what the platforms show, and writes what is news. The leader does it for all; the credentials service answers from
//! what it knows and decides itself, within the platforms' quotas, when to look again.

use std::collections::{HashMap, HashSet};

use bus::EventKind;
use domain::{destination_state::Status, fault::Fault, ids::DestinationId};
use serde_json::json;
use service_kit::{Shutdown, grpc::deadline};
use tokio::time::sleep;
use wire::v1;

use super::{
    repair,
    said::{self, News, Read},
};
use crate::{
    ctx::Ctx,
    db::Tx,
    error::{Error, chain},
    rows::DestinationRow,
    settle::{about, settle, tell},
    store::{broadcasts, platform_claims::OnPlatform, run_errors, streams},
    world::World,
};

/// Observes until the shutdown.
pub async fn run(ctx: Ctx, shutdown: Shutdown) {
    let mut observer = Observer { ctx, asked: HashMap::new() };
    loop {
        let options = &observer.ctx.options.platforms;
        let (calm, mut pause) = (options.observe_calm, options.observe_look);
        if observer.ctx.leader.leads() {
            match observer.look().await {
                Ok(Pace::OnTheWay) => pause = calm,
                Ok(Pace::Settled) => {}
                Err(error) => tracing::debug!(error = chain(&error), "platforms not observed"),
            }
        }
        tokio::select! {
            () = shutdown.soft.cancelled() => return,
            () = sleep(calm) => {}
        }
        tokio::select! {
            () = shutdown.soft.cancelled() => return,
            () = observer.ctx.wake.to_ask() => {}
            () = sleep(pause.saturating_sub(calm)) => {}
        }
    }
}

/// Whether somebody waits for news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    /// Some destination is not live yet.
    OnTheWay,
    /// All are.
    Settled,
}

struct Observer {
    ctx: Ctx,
    asked: HashMap<DestinationId, Asked>,
}

/// What was asked last of a destination.
struct Asked {
    at_ms: i64,
    broadcast: v1::BroadcastRef,
    publishing_since_ms: i64,
}

impl Observer {
    async fn look(&mut self) -> Result<Pace, Error> {
        let rows = self.ctx.db.bounded(async {
            let mut conn = self.ctx.db.pool().acquire().await?;
            Ok(broadcasts::observed(&mut conn).await?)
        });
        let rows = rows.await?;
        let now_ms = self.ctx.now_ms();
        let present: HashSet<DestinationId> = rows.iter().map(|row| row.destination.id()).collect();
        self.asked.retain(|id, _| present.contains(id));
        let due: Vec<&OnPlatform> = rows.iter().filter(|row| self.is_due(row, now_ms)).collect();
        for batch in due.chunks(self.ctx.options.platforms.observe_batch.max(1)) {
            self.ask(batch, now_ms).await;
        }
        Ok(if rows.iter().any(is_on_the_way) { Pace::OnTheWay } else { Pace::Settled })
    }

    fn is_due(&self, row: &OnPlatform, now_ms: i64) -> bool {
        let Some(last) = self.asked.get(&row.destination.id()) else { return true };
        let (broadcast, publishing_since_ms) = (present(row), publishing_since_ms(row));
        let options = &self.ctx.options.platforms;
        let soon = row.destination.status != Status::Live.as_str() && publishing_since_ms > 0;
        let pause_ms = if soon { options.observe_soon_ms } else { options.observe_ms };
        last.broadcast != broadcast
            || last.publishing_since_ms != publishing_since_ms
            || now_ms - last.at_ms >= pause_ms
    }

    async fn ask(&mut self, rows: &[&OnPlatform], now_ms: i64) {
        for row in rows {
            let asked = Asked { at_ms: now_ms, broadcast: present(row), publishing_since_ms: publishing_since_ms(row) };
            self.asked.insert(row.destination.id(), asked);
        }
        let broadcasts = rows.iter().map(|row| observed(row)).collect();
        let bound_ms = u64::try_from(self.ctx.options.platforms.observe_call.as_millis()).unwrap_or(u64::MAX);
        let answer = self.ctx.credentials.observe(deadline(bound_ms, v1::ObserveRequest { broadcasts })).await;
        let truths = match answer {
            Ok(answer) => answer.into_inner().truths,
            Err(status) => {
                tracing::debug!(code = ?status.code(), "no answer about platforms");
                return;
            }
        };
        for truth in truths {
            let row = rows.iter().find(|row| truth.broadcast.as_ref() == Some(&present(row)));
            let Some(row) = row else { continue };
            if let Err(error) = take(&self.ctx, row, said::read(truth)).await {
                tracing::debug!(error = chain(&error), "what the platform says is not written yet");
            }
        }
    }
}

/// Our media arrives, and the platform does not show it yet.
fn is_on_the_way(row: &OnPlatform) -> bool {
    publishing_since_ms(row) > 0 && row.destination.status != Status::Live.as_str()
}

fn present(row: &OnPlatform) -> v1::BroadcastRef {
    row.destination.broadcast.present(row.destination.id, row.run_ms)
}

/// Since when our media is acknowledged; 0 while it is not.
fn publishing_since_ms(row: &OnPlatform) -> i64 {
    let delivering = row.destination.status.parse().is_ok_and(Status::is_delivering);
    row.destination.connected_at_ms.filter(|_| delivering).unwrap_or(0)
}

fn observed(row: &OnPlatform) -> v1::Observed {
    v1::Observed {
        tenant_id: row.destination.tenant_id.clone(),
        broadcast: Some(present(row)),
        publishing_since_ms: publishing_since_ms(row),
    }
}

/// Writes what is news, and does what the platform asks for. Nothing is written of a broadcast that is not wanted any
/// more.
async fn take(ctx: &Ctx, seen: &OnPlatform, read: Read) -> Result<(), Error> {
    let news = said::news(&seen.destination, &read.said);
    if news == News::None && read.repair.is_none() {
        return Ok(());
    }
    let repaired = ctx.db.bounded(write(ctx, seen, &read)).await?;
    match repaired {
        Some(true) => ctx.wake.reconcile(seen.destination.stream()),
        Some(false) if news == News::State => ctx.wake.changed(),
        _ => {}
    }
    Ok(())
}

/// `None`: not of interest any more. Otherwise whether a repair was begun.
async fn write(ctx: &Ctx, seen: &OnPlatform, read: &Read) -> Result<Option<bool>, Error> {
    let now_ms = ctx.now_ms();
    let id = seen.destination.id();
    let mut tx = ctx.db.begin().await?;
    let Some(stream) = streams::lock_any(&mut tx, seen.destination.stream()).await? else { return Ok(None) };
    let world = World::load(&mut tx, stream).await?;
    let Some(row) = world.destinations.iter().find(|d| d.id == id.0) else { return Ok(None) };
    let is_present = row.broadcast.take == seen.destination.broadcast.take
        && world.stream.run_ms() == seen.run_ms
        && row.broadcast.is_prepared(seen.run_ms);
    if !is_present || !world.wants(row) || row.gave_up.is_some() {
        return Ok(None);
    }
    let is_news = said::news(row, &read.said) != News::None;
    if is_news {
        broadcasts::set_said(&mut tx, id, &read.said).await?;
    }
    if let Some(fault) = said::sign_in_again(row, read) {
        tell_sign_in_again(ctx, &mut tx, &world, row, fault, now_ms).await?;
    }
    let repaired = match read.repair {
        Some(repair) => {
            repair::carry_out(
                ctx,
                &mut tx,
                &world,
                row,
                repair::Asked { repair, fault: read.fault.as_ref(), at_ms: read.said.seen_ms },
                now_ms,
            )
            .await?
        }
        None => false,
    };
    if is_news || repaired {
        let world = World::load(&mut tx, world.stream).await?;
        settle(&mut tx, &world, ctx.options.errors_per_run, now_ms).await?;
    }
    tx.commit().await?;
    Ok(Some(repaired))
}

/// A show that runs is not cut when its account must be signed in to again; people hear of it all the same.
async fn tell_sign_in_again(
    ctx: &Ctx,
    tx: &mut Tx,
    world: &World,
    row: &DestinationRow,
    fault: &Fault,
    now_ms: i64,
) -> Result<(), Error> {
    let mut data = about(row, &row.status);
    data["fault"] = json!(fault);
    tell(tx, world, Some(row), EventKind::DestinationError, data, now_ms).await?;
    Ok(run_errors::add(tx, world.id(), Some(row.id()), fault, ctx.options.errors_per_run, now_ms).await?)
}
