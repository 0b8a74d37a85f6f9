//! Status, health and metrics of a stream: what is stored, with what this replica's board knows.

use std::collections::HashMap;

use domain::{
    destination_state::Status,
    health::{Health, overall},
    ids::DestinationId,
};
use wire::v1;

use super::{respond::View, stream_id, tenant};
use crate::{
    board::Reading,
    ctx::Ctx,
    error::Error,
    rows::DestinationRow,
    store::{
        run_errors,
        totals::{self, TotalsRow},
    },
};

pub(super) async fn status(ctx: &Ctx, r: v1::StreamRef) -> Result<v1::StatusResponse, Error> {
    let (tenant, id) = (tenant(&r.tenant_id)?, stream_id(&r.stream_id)?);
    let view = ctx.db.bounded(async { View::load(&mut *ctx.db.pool().acquire().await?, &tenant, id).await }).await?;
    Ok(v1::StatusResponse {
        stream: Some(view.stream()),
        destinations: view.destinations(),
        uptime_ms: view.stream.uptime_ms(ctx.now_ms()),
    })
}

pub(super) async fn health(ctx: &Ctx, r: v1::StreamRef) -> Result<v1::HealthResponse, Error> {
    let known = Known::load(ctx, &r).await?;
    let of_run = known.view.destinations.iter().filter(|d| d.attached || !known.view.stream.is_running());
    let destinations: Vec<_> = of_run.map(|d| known.metrics(d)).collect();
    let words = destinations.iter().map(|d| word(&d.health));
    Ok(v1::HealthResponse {
        stream_id: known.view.stream.id.to_string(),
        overall: overall(words).as_str().to_owned(),
        uptime_ms: known.view.stream.uptime_ms(ctx.now_ms()),
        destinations,
    })
}

pub(super) async fn metrics(ctx: &Ctx, r: v1::StreamRef) -> Result<v1::MetricsResponse, Error> {
    let known = Known::load(ctx, &r).await?;
    let destinations = known.view.destinations.iter().map(|d| known.metrics(d)).collect();
    let (bytes_sent, frames_sent) = known.sums();
    Ok(v1::MetricsResponse {
        start_time_ms: known.run_ms,
        bytes_sent,
        frames_sent,
        errors: known.errors.into_iter().map(Into::into).collect(),
        destinations,
    })
}

fn word(text: &str) -> Health {
    [Health::Healthy, Health::Degraded, Health::Stale, Health::Error]
        .into_iter()
        .find(|h| h.as_str() == text)
        .unwrap_or(Health::Unknown)
}

/// A stream with the counters of its (last) run.
struct Known {
    view: View,
    run_ms: i64,
    saved: HashMap<DestinationId, TotalsRow>,
    board: HashMap<DestinationId, Reading>,
    errors: Vec<run_errors::RunError>,
}

impl Known {
    async fn load(ctx: &Ctx, r: &v1::StreamRef) -> Result<Self, Error> {
        let (tenant, id) = (tenant(&r.tenant_id)?, stream_id(&r.stream_id)?);
        ctx.db
            .bounded(async {
                let mut conn = ctx.db.pool().acquire().await?;
                let view = View::load(&mut conn, &tenant, id).await?;
                let run_ms = view.stream.started_at_ms.unwrap_or(0);
                let saved = totals::of_run(&mut conn, id, run_ms).await?;
                let saved = saved.into_iter().map(|row| (DestinationId(row.destination_id), row)).collect();
                let errors = run_errors::of_stream(&mut conn, id).await?;
                Ok(Self { board: ctx.board.of_stream(id, run_ms), view, run_ms, saved, errors })
            })
            .await
    }

    /// Bytes, frames and dropped frames of one destination: the larger of what is saved and what the board has.
    fn counters(&self, id: DestinationId) -> (u64, u64, u64) {
        let sum = |base: i64, last: i64| u64::try_from(base.saturating_add(last)).unwrap_or(0);
        let saved = self.saved.get(&id).map_or((0, 0, 0), |t| {
            (sum(t.base_bytes, t.last_bytes), sum(t.base_frames, t.last_frames), sum(t.base_dropped, t.last_dropped))
        });
        let board = self.board.get(&id).map_or((0, 0, 0), |r| (r.bytes, r.frames, r.dropped));
        (saved.0.max(board.0), saved.1.max(board.1), saved.2.max(board.2))
    }

    /// Over all destinations of the run, also those that left it.
    fn sums(&self) -> (u64, u64) {
        let mut ids: Vec<DestinationId> = self.saved.keys().chain(self.board.keys()).copied().collect();
        ids.sort_unstable();
        ids.dedup();
        let all = ids.into_iter().map(|id| self.counters(id));
        all.fold((0, 0), |(bytes, frames), c| (bytes + c.0, frames + c.1))
    }

    fn metrics(&self, row: &DestinationRow) -> v1::DestinationMetrics {
        let reading = self.board.get(&row.id());
        let sample = reading.and_then(|r| r.sample.as_ref());
        // Rates of a connection that is gone would lie.
        let status = row.status.parse().unwrap_or(Status::Pending);
        let present = sample.filter(|_| status.is_delivering());
        let (bytes_sent, frames_sent, dropped_frames) = self.counters(row.id());
        let (health, issues) = judged(row, reading, status);
        v1::DestinationMetrics {
            destination_id: row.id.to_string(),
            platform: v1::Platform::from(row.platform()).into(),
            fps: present.map_or(0.0, |s| s.fps),
            bitrate_kbps: present.map_or(0.0, |s| s.bitrate),
            frames_sent,
            bytes_sent,
            dropped_frames,
            speed: present.map_or(0.0, |s| s.speed),
            reconnects: u32::try_from(row.reconnects).unwrap_or(0),
            last_update_ms: sample
                .map(|s| s.at_ms)
                .or_else(|| self.saved.get(&row.id()).map(|t| t.last_at_ms))
                .unwrap_or(0),
            health,
            issues,
        }
    }
}

/// This replica's own judgement while the destination delivers (it is fresher), else what is stored.
fn judged(row: &DestinationRow, reading: Option<&Reading>, status: Status) -> (String, Vec<String>) {
    match reading {
        Some(reading) if status.is_delivering() && reading.verdict.health != Health::Unknown => {
            (reading.verdict.health.as_str().to_owned(), reading.verdict.issues.clone())
        }
        _ if status == Status::Error => {
            let issues = row.fault.as_ref().map(|f| f.message.clone()).into_iter().collect();
            (Health::Error.as_str().to_owned(), issues)
        }
        _ => (row.health.clone(), row.issues.0.clone()),
    }
}
