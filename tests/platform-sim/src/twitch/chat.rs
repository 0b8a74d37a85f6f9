//! Sending a chat message.

use serde_json::{Value, json};

use super::{Call, Outcome, error};
use crate::{http::Answer, world::World};

pub(super) fn send(world: &mut World, call: &Call<'_>) -> Outcome {
    call.need("user:write:chat")?;
    let body = call.request.json().unwrap_or(Value::Null);
    let of = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    if of("broadcaster_id").is_empty() || of("message").is_empty() {
        return Err(error(400, "The broadcaster_id and message fields are required"));
    }
    if of("sender_id") != call.user {
        return Err(error(401, "The ID in sender_id must match the user ID in the user access token"));
    }
    if of("message").chars().count() > 500 {
        return Err(error(422, "The message is too large"));
    }
    world.twitch.messages += 1;
    let id = format!("{:08x}-0000-4000-8000-000000000000", world.twitch.messages);
    Ok(Answer::ok(&json!({"data": [{"message_id": id, "is_sent": true}]})))
}
