//! What happens at Cloudflare by itself: inputs follow their media, recordings their inputs.

use serde_json::json;

use super::model::{Input, State, Video};
use crate::{
    clock::{millis, rfc3339},
    ingest::Owner,
    world::World,
};

/// Notifications kept.
const KEPT: usize = 1_000;

/// Takes the steps that are due.
pub(crate) fn tick(world: &mut World) {
    let (now, timing) = (world.now, world.options.timing);
    let World { cloudflare, ingests, ids, .. } = world;
    let State { inputs, videos, notifications, .. } = cloudflare;
    for input in inputs {
        let feed = ingests.feed(&input.owner());
        let flowing = feed.is_some_and(|feed| feed.flowing(now, timing.cloudflare_connected_after));
        let gone = feed.is_some_and(|feed| feed.since.is_none());
        match input.live_since {
            None if flowing => {
                let word = if input.status.is_some() { "reconnected" } else { "connected" };
                (input.status, input.live_since) = (Some((word, now)), Some(now));
                notifications.push(notification(input, "live_input.connected", now));
                let size = feed.map_or((0, 0), |feed| (feed.measured.width, feed.measured.height));
                record(videos, input, size, now, || ids.hex(32));
            }
            Some(_) if gone => {
                (input.status, input.live_since) = (Some(("client_disconnect", now)), None);
                notifications.push(notification(input, "live_input.disconnected", now));
            }
            _ => {}
        }
        let wait = match input.timeout_s {
            0 => millis(timing.cloudflare_default_timeout),
            seconds => i64::from(seconds) * 1_000,
        };
        let idle = input.status.filter(|_| input.live_since.is_none()).map(|(_, since)| now - since);
        for video in videos.iter_mut().filter(|video| video.input == input.uid) {
            if video.ended_at.is_none() && (idle.is_some_and(|idle| idle >= wait) || !input.enabled) {
                video.ended_at = Some(now);
            }
        }
    }
    for video in videos {
        video.ready |= video.ended_at.is_some_and(|at| now - at >= millis(timing.cloudflare_recording_ready));
    }
    let over = notifications.len().saturating_sub(KEPT);
    notifications.drain(..over);
}

/// A reconnect within the timeout goes on with the same video.
fn record(videos: &mut Vec<Video>, input: &Input, size: (u32, u32), now: i64, uid: impl FnOnce() -> String) {
    let running = videos.iter().any(|video| video.input == input.uid && video.ended_at.is_none());
    if input.records() && !running {
        videos.push(Video {
            uid: uid(),
            input: input.uid.clone(),
            person: input.person.clone(),
            created_at: now,
            ended_at: None,
            ready: false,
            size,
        });
    }
}

fn notification(input: &Input, kind: &str, now: i64) -> serde_json::Value {
    json!({
        "name": "Live Webhook", "text": "Notification type: Stream Live Input",
        "data": {"notification_name": "Stream Live Input", "input_id": input.uid, "event_type": kind, "updated_at": rfc3339(now)},
        "ts": now / 1_000,
    })
}

/// Whose stream key it is. Disabled inputs refuse.
pub(crate) fn owner_of(world: &World, key: &str) -> Result<Owner, &'static str> {
    let input = world.cloudflare.inputs.iter().find(|input| input.key == key).ok_or("unknown stream key")?;
    if !input.enabled {
        return Err("the live input is disabled");
    }
    Ok(input.owner())
}
