//! What happens to live videos by itself: they follow their media, their schedule and time.

use serde_json::json;

use super::model::{Live, Status};
use crate::{
    clock::{facebook_time, millis},
    ingest::Owner,
    world::World,
};

const HOUR_MS: i64 = 3_600_000;
/// A stream URL that nobody used dies.
const UNUSED_MS: i64 = 24 * HOUR_MS;
/// Longest broadcast.
const LONGEST_MS: i64 = 8 * HOUR_MS;
/// A scheduled live without media expires so long after its time.
const LATE_MS: i64 = 600_000;

/// Takes the steps that are due.
pub(crate) fn tick(world: &mut World) {
    let mut lives = std::mem::take(&mut world.facebook.lives);
    for live in &mut lives {
        if let Some(next) = next(live, world) {
            live.enter(next, world.now);
            if next.is_over() {
                world.ingests.cut(&Owner::Facebook(live.id.clone()));
            }
        }
    }
    let now = world.now;
    lives.retain(|live| {
        live.first_media.is_some() || live.status != Status::Unpublished || now - live.created_at < UNUSED_MS
    });
    world.facebook.lives = lives;
}

fn next(live: &mut Live, world: &World) -> Option<Status> {
    let (now, timing) = (world.now, &world.options.timing);
    let feed = world.ingests.feed(&Owner::Facebook(live.id.clone()));
    let flowing = feed.is_some_and(|feed| feed.flowing(now, timing.facebook_live_after));
    if let Some(since) = feed.and_then(|feed| feed.since) {
        live.first_media.get_or_insert(since);
    }
    match live.status {
        Status::LiveNow => flowing.then_some(Status::Live),
        Status::ScheduledUnpublished | Status::ScheduledLive => {
            let late = now - live.planned_at.unwrap_or(now);
            if late >= 0 && flowing { Some(Status::Live) } else { (late > LATE_MS).then_some(Status::ScheduledExpired) }
        }
        Status::Live => {
            let gone = feed.and_then(|feed| feed.gone).map_or(0, |gone| now - gone);
            report_loss(live, gone >= millis(timing.facebook_signal_lost).max(1), now);
            let left = live.stop_on_delete && gone > 0 && feed.is_some_and(|feed| !feed.connected());
            let too_long = live.first_media.is_some_and(|since| now - since >= LONGEST_MS);
            (left || too_long || gone >= millis(timing.facebook_vod_after).max(1)).then_some(Status::LiveStopped)
        }
        Status::LiveStopped | Status::Processing if now - live.status_since >= millis(timing.facebook_processing) => {
            Some(if live.status == Status::LiveStopped { Status::Processing } else { Status::Vod })
        }
        _ => None,
    }
}

/// One error per loss of signal.
fn report_loss(live: &mut Live, lost: bool, now: i64) {
    if lost && !live.loss_reported {
        live.errors.push(json!({
            "error_code": 1_969_004, "error_type": "stream_error", "error_message": "Video signal lost",
            "creation_time": facebook_time(now),
        }));
    }
    live.loss_reported = lost;
}

/// Whose stream key it is. The query is part of the key, and an ended live's key is dead.
pub(crate) fn owner_of(world: &World, key: &str, query: &str) -> Result<Owner, &'static str> {
    let live = world.facebook.lives.iter().find(|live| live.key.0 == key).ok_or("unknown stream key")?;
    if live.key.1 != query {
        return Err("the stream key is not complete");
    }
    if live.status.is_over() {
        return Err("the live video has ended");
    }
    Ok(Owner::Facebook(live.id.clone()))
}
