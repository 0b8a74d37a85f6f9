//! Recordings, signed tokens, and the webhook of video processing.

use serde_json::{Value, json};

use super::{Call, Outcome, bad, error, inputs, model::Video, not_found, ok};
use crate::{clock::rfc3339, http::Answer, world::World};

pub(super) fn of_input(world: &mut World, call: &Call<'_>, uid: &str) -> Outcome {
    inputs::find(world, call, uid)?;
    let videos = world.cloudflare.videos.iter().rev().filter(|video| video.input == uid);
    let videos: Vec<Value> = videos.map(|video| video.to_value(world)).collect();
    Ok(ok(&videos.into()))
}

pub(super) fn list(world: &mut World, call: &Call<'_>) -> Answer {
    let videos = world.cloudflare.videos.iter().rev().filter(|video| video.person == call.person);
    let videos: Vec<Value> = videos.map(|video| video.to_value(world)).collect();
    let count = videos.len();
    let mut body = json!({"success": true, "errors": [], "messages": [], "result": videos});
    if call.request.query("include_counts") == Some("true") {
        (body["range"], body["total"]) = (count.into(), count.into());
    }
    Answer::ok(&body)
}

fn find<'w>(world: &'w World, call: &Call<'_>, id: &str) -> Result<&'w Video, Answer> {
    let mut videos = world.cloudflare.videos.iter();
    videos.find(|video| video.uid == id && video.person == call.person).ok_or_else(not_found)
}

pub(super) fn get(world: &mut World, call: &Call<'_>, id: &str) -> Outcome {
    Ok(ok(&find(world, call, id)?.to_value(world)))
}

pub(super) fn token(world: &mut World, call: &Call<'_>, id: &str) -> Outcome {
    if find(world, call, id).is_err() {
        inputs::find(world, call, id)?;
    }
    let token = format!("eyJhbGciOiJSUzI1NiJ9.{}.sim", world.ids.text(60));
    let token = world.ids.secret(token);
    Ok(ok(&json!({ "token": token })))
}

/// `GET`, `PUT`, `DELETE …/stream/webhook`.
pub(super) fn webhook(world: &mut World, call: &Call<'_>, method: &str) -> Outcome {
    match method {
        "PUT" => {
            let body = call.body()?;
            let url = body
                .get("notificationUrl")
                .and_then(Value::as_str)
                .ok_or_else(|| bad("notificationUrl is required"))?;
            world.cloudflare.webhooks.insert(call.person.clone(), url.to_owned());
        }
        "DELETE" => {
            world.cloudflare.webhooks.remove(&call.person);
            return Ok(ok(&json!("ok")));
        }
        "GET" => {}
        _ => return Err(error(405, 10_405, "Method not allowed")),
    }
    let url = world.cloudflare.webhooks.get(&call.person).ok_or_else(not_found)?;
    Ok(ok(&json!({"notificationUrl": url, "modified": rfc3339(world.now), "secret": "sim-webhook-secret"})))
}
