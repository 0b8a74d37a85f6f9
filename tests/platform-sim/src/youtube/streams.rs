//! liveStreams: list, insert, update, delete.

use serde_json::Value;

use super::{
    Call, Outcome, error, fields, live_enabled,
    model::{Flow, Life, Stream},
    page,
};
use crate::{http::Answer, ingest::Owner, world::World};

const PARTS: &[&str] = &["id", "snippet", "cdn", "contentDetails", "status"];

pub(super) fn list(world: &mut World, call: &Call<'_>) -> Outcome {
    let request = call.request;
    let parts = page::parts(request, PARTS)?;
    let filter = page::filter(request, &["id", "mine"])?;
    let ids = request.list("id");
    let mine = world.youtube.streams.iter().filter(|stream| stream.channel == call.channel);
    let found = mine.filter(|stream| filter == "mine" || ids.contains(&stream.id.as_str()));
    let items: Vec<Value> = found.rev().map(|stream| stream.resource(world, &parts)).collect();
    Ok(Answer::ok(&page::page(request, "youtube#liveStreamListResponse", &items)?))
}

pub(super) fn insert(world: &mut World, call: &Call<'_>) -> Outcome {
    let parts = page::parts(call.request, PARTS)?;
    let body = fields::body(call.request, &parts)?;
    live_enabled(world, call)?;
    let reusable = body.pointer("/contentDetails/isReusable").and_then(Value::as_bool).unwrap_or(true);
    let snippet = fields::stream_snippet(body.get("snippet").unwrap_or(&Value::Null))?;
    let cdn = fields::stream_cdn(body.get("cdn"))?;
    let key: Vec<String> = (0..5).map(|_| world.ids.text(4).to_lowercase()).collect();
    let stream = Stream {
        id: format!("{}{}", &call.channel[2..], world.ids.text(12)),
        channel: call.channel.clone(),
        created_at: world.now,
        key: world.ids.secret(key.join("-")),
        snippet,
        cdn,
        reusable,
        flow: Flow::Created,
        flow_since: world.now,
    };
    let answer = Answer::ok(&stream.resource(world, &parts));
    world.youtube.streams.push(stream);
    Ok(answer)
}

pub(super) fn update(world: &mut World, call: &Call<'_>) -> Outcome {
    let parts = page::parts(call.request, PARTS)?;
    let body = fields::body(call.request, &parts)?;
    let id = body.get("id").and_then(Value::as_str).ok_or(error::bad_stream("idRequired", "Id is required"))?;
    let mut changed = find(world, call, id)?.clone();
    if parts.contains(&"cdn") && fields::stream_cdn(body.get("cdn"))? != changed.cdn {
        return Err(error::CDN_FIXED);
    }
    if body.pointer("/contentDetails/isReusable").and_then(Value::as_bool).is_some_and(|it| it != changed.reusable) {
        return Err(error::CDN_FIXED);
    }
    if parts.contains(&"snippet") {
        changed.snippet = fields::stream_snippet(body.get("snippet").unwrap_or(&Value::Null))?;
    }
    let answer = Answer::ok(&changed.resource(world, &parts));
    if let Some(stream) = world.youtube.streams.iter_mut().find(|stream| stream.id == id) {
        *stream = changed;
    }
    Ok(answer)
}

pub(super) fn delete(world: &mut World, call: &Call<'_>) -> Outcome {
    let id = call.request.query("id").ok_or(error::bad_stream("idRequired", "Id is required"))?;
    find(world, call, id)?;
    let mut broadcasts = world.youtube.broadcasts.iter();
    let in_use = broadcasts.any(|b| b.life != Life::Complete && b.bound.as_ref().is_some_and(|(bound, _)| bound == id));
    if in_use {
        return Err(error::STREAM_IN_USE);
    }
    world.youtube.streams.retain(|stream| stream.id != id);
    world.ingests.cut(&Owner::Youtube(id.to_owned()));
    Ok(Answer::empty(204))
}

fn find<'w>(world: &'w World, call: &Call<'_>, id: &str) -> Result<&'w Stream, error::Refusal> {
    match world.youtube.streams.iter().find(|stream| stream.id == id) {
        None => Err(error::NO_STREAM),
        Some(stream) if stream.channel != call.channel => Err(error::FORBIDDEN),
        Some(stream) => Ok(stream),
    }
}
