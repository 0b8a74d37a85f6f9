//! liveBroadcasts: list, insert, update, delete.

use serde_json::Value;

use super::{
    Call, Outcome, error, fields, live_enabled,
    model::{Broadcast, Life},
    page,
};
use crate::{http::Answer, world::World};

pub(super) const PARTS: &[&str] = &["id", "snippet", "contentDetails", "status", "statistics"];

pub(super) fn list(world: &mut World, call: &Call<'_>) -> Outcome {
    let request = call.request;
    let parts = page::parts(request, PARTS)?;
    let filter = page::filter(request, &["id", "mine", "broadcastStatus"])?;
    let ids = request.list("id");
    let kind = request.query("broadcastType").unwrap_or("event");
    let wanted = |broadcast: &&Broadcast| match filter {
        "id" => ids.contains(&broadcast.id.as_str()),
        "mine" => true,
        _ => match request.query("broadcastStatus") {
            Some("active") => {
                matches!(broadcast.life, Life::Live | Life::LiveStarting | Life::Testing | Life::TestStarting)
            }
            Some("upcoming") => broadcast.life.is_early(),
            Some("completed") => broadcast.life == Life::Complete,
            _ => true,
        },
    };
    let mine = world.youtube.broadcasts.iter().filter(|broadcast| broadcast.channel == call.channel);
    let mine = mine.filter(|_| filter == "id" || kind != "persistent").filter(wanted);
    let mut found: Vec<&Broadcast> = mine.collect();
    found.sort_by_key(|broadcast| std::cmp::Reverse(broadcast.created_at));
    let items: Vec<Value> = found.iter().map(|broadcast| broadcast.resource(world, &parts)).collect();
    Ok(Answer::ok(&page::page(request, "youtube#liveBroadcastListResponse", &items)?))
}

pub(super) fn insert(world: &mut World, call: &Call<'_>) -> Outcome {
    let parts = page::parts(call.request, PARTS)?;
    let body = fields::body(call.request, &parts)?;
    live_enabled(world, call)?;
    let of = |part: &str| body.get(part).cloned().unwrap_or(Value::Null);
    let snippet = fields::broadcast_snippet(&of("snippet"), world.now)?;
    let status = fields::broadcast_status(&of("status"))?;
    let details = fields::broadcast_details(&of("contentDetails"), false)?;
    let open =
        world.youtube.broadcasts.iter().filter(|b| b.channel == call.channel && b.life != Life::Complete).count();
    if open >= world.options.limits.youtube_broadcasts {
        return Err(error::TOO_MANY);
    }
    let broadcast = Broadcast {
        id: world.ids.text(11),
        channel: call.channel.clone(),
        created_at: world.now,
        snippet,
        details,
        status,
        life: Life::Created,
        life_since: world.now,
        bound: None,
        started_at: None,
        ended_at: None,
        thumbnails: 0,
    };
    let answer = Answer::ok(&broadcast.resource(world, &parts));
    world.youtube.broadcasts.push(broadcast);
    Ok(answer)
}

pub(super) fn update(world: &mut World, call: &Call<'_>) -> Outcome {
    let parts = page::parts(call.request, PARTS)?;
    let body = fields::body(call.request, &parts)?;
    let id = body.get("id").and_then(Value::as_str).ok_or(error::bad_broadcast("idRequired", "Id is required"))?;
    let mut changed = find(world, call, id)?.clone();
    let of = |part: &str| body.get(part).cloned().unwrap_or(Value::Null);
    if parts.contains(&"snippet") {
        let begun = !changed.life.is_early();
        let same = of("snippet").get("scheduledStartTime") == changed.snippet.get("scheduledStartTime");
        changed.snippet = fields::broadcast_snippet(&of("snippet"), if begun || same { 0 } else { world.now })?;
    }
    if parts.contains(&"status") {
        changed.status = fields::broadcast_status(&of("status"))?;
    }
    if parts.contains(&"contentDetails") {
        let details = fields::broadcast_details(&of("contentDetails"), true)?;
        if !changed.life.is_early() && details != changed.details {
            return Err(modification(&changed.details, &details));
        }
        changed.details = details;
    }
    let answer = Answer::ok(&changed.resource(world, &parts));
    if let Some(broadcast) = world.youtube.broadcasts.iter_mut().find(|broadcast| broadcast.id == id) {
        *broadcast = changed;
    }
    Ok(answer)
}

/// Which setting could not be changed any more.
fn modification(old: &serde_json::Map<String, Value>, new: &serde_json::Map<String, Value>) -> error::Refusal {
    let reasons = [
        ("enableAutoStart", "enableAutoStartModificationNotAllowed"),
        ("enableAutoStop", "enableAutoStopModificationNotAllowed"),
        ("enableDvr", "enableDvrModificationNotAllowed"),
        ("recordFromStart", "recordFromStartModificationNotAllowed"),
        ("enableEmbed", "enableEmbedModificationNotAllowed"),
        ("enableContentEncryption", "enableContentEncryptionModificationNotAllowed"),
        ("monitorStream", "enableMonitorStreamModificationNotAllowed"),
    ];
    let reason = reasons.iter().find(|(name, _)| old.get(*name) != new.get(*name));
    let reason = reason.map_or("liveBroadcastModificationNotAllowed", |(_, reason)| *reason);
    error::wrong_state(reason, "The setting can only be changed while the broadcast is created or ready")
}

pub(super) fn delete(world: &mut World, call: &Call<'_>) -> Outcome {
    let id = call.request.query("id").ok_or(error::bad_broadcast("idRequired", "Id is required"))?;
    let broadcast = find(world, call, id)?;
    if matches!(broadcast.life, Life::Live | Life::LiveStarting | Life::Testing | Life::TestStarting)
        && !stuck(world, id)
    {
        return Err(error::wrong_state(
            "liveBroadcastDeletionNotAllowed",
            "The broadcast cannot be deleted in its current status",
        ));
    }
    world.youtube.broadcasts.retain(|broadcast| broadcast.id != id);
    Ok(Answer::empty(204))
}

/// A `…Starting` that takes far too long may be deleted.
fn stuck(world: &World, id: &str) -> bool {
    let broadcast = world.youtube.broadcasts.iter().find(|broadcast| broadcast.id == id);
    broadcast
        .is_some_and(|b| matches!(b.life, Life::LiveStarting | Life::TestStarting) && world.now - b.life_since > 60_000)
}

/// The caller's broadcast.
pub(super) fn find<'w>(world: &'w World, call: &Call<'_>, id: &str) -> Result<&'w Broadcast, error::Refusal> {
    let broadcast = world.youtube.broadcasts.iter().find(|broadcast| broadcast.id == id);
    match broadcast {
        None => Err(error::NO_BROADCAST),
        Some(broadcast) if broadcast.channel != call.channel => Err(error::FORBIDDEN),
        Some(broadcast) => Ok(broadcast),
    }
}
