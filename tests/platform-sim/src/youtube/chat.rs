//! liveChatMessages. The stream variant answers with one page and ends.

use serde_json::{Value, json};

use super::{
    Call, Outcome, error, fields,
    model::{Broadcast, Life},
    page,
};
use crate::{clock::rfc3339, http::Answer, world::World};

const PARTS: &[&str] = &["id", "snippet", "authorDetails"];

fn broadcast<'w>(world: &'w World, chat: &str) -> Result<&'w Broadcast, error::Refusal> {
    world.youtube.broadcasts.iter().find(|broadcast| broadcast.chat_id() == chat).ok_or(error::NO_CHAT)
}

pub(super) fn list(world: &mut World, call: &Call<'_>) -> Outcome {
    let parts = page::parts(call.request, PARTS)?;
    let chat = call.request.query("liveChatId").ok_or(error::NO_CHAT)?;
    let ended = broadcast(world, chat)?.ended_at;
    let messages = world.youtube.chats.get(chat).cloned().unwrap_or_default();
    let invalid = error::bad_request("pageTokenInvalid", "The page token is invalid.");
    let from = match call.request.query("pageToken") {
        None => 0,
        Some(token) => token.strip_prefix("GAI").and_then(|at| at.parse::<usize>().ok()).ok_or(invalid)?,
    };
    let items: Vec<Value> = messages.iter().skip(from).map(|message| shown(message, &parts)).collect();
    let mut body = json!({
        "kind": "youtube#liveChatMessageListResponse",
        "etag": format!("etag-{}", messages.len()),
        "pollingIntervalMillis": 2_000,
        "nextPageToken": format!("GAI{}", messages.len()),
        "pageInfo": {"totalResults": messages.len(), "resultsPerPage": items.len()},
        "items": items,
    });
    if let Some(at) = ended {
        body["offlineAt"] = rfc3339(at).into();
    }
    Ok(Answer::ok(&body))
}

fn shown(message: &Value, parts: &[&str]) -> Value {
    let mut shown = json!({"kind": message["kind"], "etag": message["etag"], "id": message["id"]});
    for part in parts.iter().filter(|part| **part != "id") {
        shown[*part] = message[*part].clone();
    }
    shown
}

pub(super) fn insert(world: &mut World, call: &Call<'_>) -> Outcome {
    let parts = page::parts(call.request, PARTS)?;
    let body = fields::body(call.request, &parts)?;
    let chat = body.pointer("/snippet/liveChatId").and_then(Value::as_str).unwrap_or_default().to_owned();
    if broadcast(world, &chat)?.life == Life::Complete {
        return Err(error::CHAT_ENDED);
    }
    let text = body.pointer("/snippet/textMessageDetails/messageText").and_then(Value::as_str);
    let text = text.filter(|text| (1..=200).contains(&text.chars().count()));
    let text = text.ok_or(error::bad_request("messageTextInvalid", "The message text is not valid."))?;
    let message = json!({
        "kind": "youtube#liveChatMessage", "etag": "etag-message", "id": format!("LCC.{}", world.ids.text(20)),
        "snippet": {
            "type": "textMessageEvent", "liveChatId": chat, "authorChannelId": call.channel,
            "publishedAt": rfc3339(world.now), "hasDisplayContent": true, "displayMessage": text,
            "textMessageDetails": {"messageText": text},
        },
        "authorDetails": {
            "channelId": call.channel, "channelUrl": format!("http://www.youtube.com/channel/{}", call.channel),
            "displayName": call.person, "isVerified": false, "isChatOwner": true, "isChatSponsor": false,
            "isChatModerator": false,
        },
    });
    let answer = Answer::ok(&shown(&message, &parts));
    world.youtube.chats.entry(chat).or_default().push(message);
    Ok(answer)
}

pub(super) fn delete(world: &mut World, call: &Call<'_>) -> Outcome {
    let id = call.request.query("id").ok_or(error::bad_request("idRequired", "Id is required"))?;
    for messages in world.youtube.chats.values_mut() {
        messages.retain(|message| message["id"] != id);
    }
    Ok(Answer::empty(204))
}
