//! EventSub subscriptions are kept; nothing is ever delivered (the product polls).

use serde_json::{Value, json};

use super::{Call, Outcome, error};
use crate::{clock::rfc3339, http::Answer, world::World};

fn totals(shown: &[Value], all: &[Value]) -> Value {
    let cost: u64 = all.iter().filter_map(|one| one["cost"].as_u64()).sum();
    json!({"data": shown, "total": all.len(), "total_cost": cost, "max_total_cost": 10_000})
}

pub(super) fn list(world: &mut World, call: &Call<'_>) -> Outcome {
    let fits = |one: &&Value| {
        ["status", "type"].iter().all(|name| call.request.query(name).is_none_or(|asked| one[*name] == asked))
            && call.request.query("subscription_id").is_none_or(|asked| one["id"] == asked)
    };
    let shown: Vec<Value> = world.twitch.subscriptions.iter().filter(fits).cloned().collect();
    let mut body = totals(&shown, &world.twitch.subscriptions);
    body["pagination"] = json!({});
    Ok(Answer::ok(&body))
}

pub(super) fn create(world: &mut World, call: &Call<'_>) -> Outcome {
    let body = call.request.json().unwrap_or(Value::Null);
    let method = body.pointer("/transport/method").and_then(Value::as_str).unwrap_or_default();
    if body["type"].is_null() || body["version"].is_null() || !body["condition"].is_object() {
        return Err(error(400, "The type, version and condition fields are required"));
    }
    if method == "websocket" && body.pointer("/transport/session_id").is_none() {
        return Err(error(400, "The session_id field is required if transport.method is websocket"));
    }
    if method == "webhook" && !call.user.is_empty() {
        return Err(error(401, "A webhook subscription needs an app access token"));
    }
    let same = |one: &Value| one["type"] == body["type"] && one["condition"] == body["condition"];
    if world.twitch.subscriptions.iter().any(same) {
        return Err(error(409, "subscription already exists"));
    }
    let mut transport = body["transport"].clone();
    if let Some(transport) = transport.as_object_mut() {
        transport.remove("secret");
    }
    let status = if method == "webhook" { "webhook_callback_verification_pending" } else { "enabled" };
    let one = json!({
        "id": format!("{}-0000-4000-8000-{}", world.ids.hex(8), world.ids.hex(12)), "status": status, "type": body["type"],
        "version": body["version"], "condition": body["condition"], "created_at": rfc3339(world.now),
        "transport": transport, "cost": 0,
    });
    world.twitch.subscriptions.push(one.clone());
    Ok(Answer::json(202, &totals(&[one], &world.twitch.subscriptions)))
}

pub(super) fn delete(world: &mut World, call: &Call<'_>) -> Outcome {
    let id = call.request.query("id").ok_or_else(|| error(400, "Missing required parameter \"id\""))?;
    let before = world.twitch.subscriptions.len();
    world.twitch.subscriptions.retain(|one| one["id"] != id);
    if before == world.twitch.subscriptions.len() {
        return Err(error(404, "The subscription was not found"));
    }
    Ok(Answer::empty(204))
}
