//! channels.list, videos.list and .update, thumbnails.set. A broadcast is a video of the same id.

use serde_json::{Value, json};

use super::{
    Call, Outcome, broadcasts, error, fields,
    model::{Broadcast, Life},
    page,
};
use crate::{clock::rfc3339, http::Answer, world::World};

/// The discovery document's limit.
const THUMBNAIL: usize = 2_097_152;
const PARTS: &[&str] = &["id", "snippet", "contentDetails", "status", "statistics", "liveStreamingDetails", "player"];

pub(super) fn channels(world: &mut World, call: &Call<'_>) -> Outcome {
    let parts = page::parts(call.request, &["id", "snippet", "contentDetails", "statistics", "status"])?;
    page::filter(call.request, &["mine", "id"])?;
    let display = world.account(&call.person).map(|account| account.display.clone()).unwrap_or_default();
    let mut channel = json!({"kind": "youtube#channel", "etag": "etag-channel", "id": call.channel});
    if parts.contains(&"snippet") {
        let picture = format!("https://yt3.ggpht.com/{}/photo.jpg", call.channel);
        let thumbnail = |size: u32| json!({"url": picture, "width": size, "height": size});
        channel["snippet"] = json!({
            "title": format!("{display} on YouTube"), "description": "", "customUrl": format!("@{}", call.person),
            "publishedAt": "2020-01-01T00:00:00Z",
            "thumbnails": {"default": thumbnail(88), "medium": thumbnail(240), "high": thumbnail(800)},
        });
    }
    if parts.contains(&"statistics") {
        channel["statistics"] = json!({"viewCount": "1000", "subscriberCount": "100", "videoCount": "10"});
    }
    Ok(Answer::ok(&page::page(call.request, "youtube#channelListResponse", &[channel])?))
}

pub(super) fn list(world: &mut World, call: &Call<'_>) -> Outcome {
    let parts = page::parts(call.request, PARTS)?;
    page::filter(call.request, &["id", "chart", "myRating"])?;
    let ids = call.request.list("id");
    if ids.len() > 50 {
        return Err(error::bad_request("invalidFilters", "The request specifies an invalid filter parameter."));
    }
    let hidden = |b: &&Broadcast| {
        b.channel == call.channel || b.status.get("privacyStatus").and_then(Value::as_str) != Some("private")
    };
    let found = world.youtube.broadcasts.iter().filter(|b| ids.contains(&b.id.as_str())).filter(hidden);
    let items: Vec<Value> = found.map(|broadcast| video(broadcast, world, &parts)).collect();
    let mut page = page::page(call.request, "youtube#videoListResponse", &items)?;
    page["items"] = items.into(); // by id, everything comes at once
    if let Some(members) = page.as_object_mut() {
        members.remove("nextPageToken");
    }
    Ok(Answer::ok(&page))
}

fn video(broadcast: &Broadcast, world: &World, parts: &[&str]) -> Value {
    let full = broadcast.resource(world, &["snippet", "status"]);
    let mut video = json!({"kind": "youtube#video", "etag": full["etag"], "id": broadcast.id});
    if parts.contains(&"snippet") {
        let of = |name: &str| full["snippet"][name].clone();
        let state = match broadcast.life {
            Life::Live => "live",
            Life::Complete => "none",
            _ => "upcoming",
        };
        video["snippet"] = json!({
            "publishedAt": of("publishedAt"), "channelId": of("channelId"), "title": of("title"),
            "description": of("description"), "thumbnails": of("thumbnails"), "liveBroadcastContent": state,
            "categoryId": "22",
        });
    }
    if parts.contains(&"status") {
        let of = |name: &str| full["status"][name].clone();
        let upload = if broadcast.life == Life::Complete { "processed" } else { "uploaded" };
        video["status"] = json!({
            "uploadStatus": upload, "privacyStatus": of("privacyStatus"), "embeddable": broadcast.flag("enableEmbed"),
            "madeForKids": of("madeForKids"), "selfDeclaredMadeForKids": of("selfDeclaredMadeForKids"),
        });
    }
    if parts.contains(&"statistics") {
        video["statistics"] = json!({"viewCount": (broadcast.viewers(world) * 3).to_string(), "likeCount": "3"});
    }
    if parts.contains(&"liveStreamingDetails") {
        video["liveStreamingDetails"] = live(broadcast, world);
    }
    video
}

fn live(broadcast: &Broadcast, world: &World) -> Value {
    let mut live = json!({});
    for name in ["scheduledStartTime", "scheduledEndTime"] {
        if let Some(at) = broadcast.snippet.get(name) {
            live[name] = at.clone();
        }
    }
    for (name, at) in [("actualStartTime", broadcast.started_at), ("actualEndTime", broadcast.ended_at)] {
        if let Some(at) = at {
            live[name] = rfc3339(at).into();
        }
    }
    if broadcast.life != Life::Complete {
        live["activeLiveChatId"] = broadcast.chat_id().into();
    }
    let viewers = broadcast.viewers(world);
    if viewers > 0 {
        live["concurrentViewers"] = viewers.to_string().into();
    }
    live
}

pub(super) fn update(world: &mut World, call: &Call<'_>) -> Outcome {
    let parts = page::parts(call.request, PARTS)?;
    let body = fields::body(call.request, &parts)?;
    let id = body.get("id").and_then(Value::as_str).ok_or(error::bad_request("idRequired", "Id is required"))?;
    let mut changed = broadcasts::find(world, call, id).map_err(|_| error::NO_VIDEO)?.clone();
    for name in ["title", "description"] {
        if let Some(text) = body.pointer(&format!("/snippet/{name}")) {
            changed.snippet.insert(name.to_owned(), text.clone());
        }
    }
    for name in ["privacyStatus", "selfDeclaredMadeForKids"] {
        if let Some(value) = body.pointer(&format!("/status/{name}")) {
            changed.status.insert(name.to_owned(), value.clone());
        }
    }
    let answer = Answer::ok(&video(&changed, world, &parts));
    if let Some(broadcast) = world.youtube.broadcasts.iter_mut().find(|broadcast| broadcast.id == id) {
        *broadcast = changed;
    }
    Ok(answer)
}

pub(super) fn thumbnail(world: &mut World, call: &Call<'_>) -> Outcome {
    let id = call.request.query("videoId").ok_or(error::bad_request("missingRequiredParameter", "videoId"))?;
    let found = broadcasts::find(world, call, id);
    found.map_err(|refusal| if refusal == error::FORBIDDEN { refusal } else { error::NO_VIDEO })?;
    let image = &call.request.body;
    if image.is_empty() {
        return Err(error::NO_MEDIA_BODY);
    }
    if image.len() > THUMBNAIL {
        return Err(error::IMAGE_TOO_LARGE);
    }
    if !(image.starts_with(b"\xff\xd8\xff") || image.starts_with(b"\x89PNG\r\n\x1a\n")) {
        return Err(error::BAD_IMAGE);
    }
    if let Some(broadcast) = world.youtube.broadcasts.iter_mut().find(|broadcast| broadcast.id == id) {
        broadcast.thumbnails += 1;
    }
    let resource = broadcasts::find(world, call, id)?.resource(world, &["snippet"]);
    let items = [resource["snippet"]["thumbnails"].clone()];
    Ok(Answer::ok(&json!({"kind": "youtube#thumbnailSetResponse", "etag": resource["etag"], "items": items})))
}
