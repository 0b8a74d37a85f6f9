//! The YouTube Data API v3, its live part.

mod bind;
mod broadcasts;
mod chat;
mod error;
mod fields;
mod health;
mod model;
mod page;
mod quota;
mod streams;
mod tick;
mod transition;
mod videos;

pub(crate) use model::State;
pub(crate) use tick::tick;

use error::Refusal;

use crate::{
    http::{Answer, Request},
    ingest::Owner,
    oauth::Provider,
    world::World,
};

/// What a handler says: the answer, or why not.
type Outcome = Result<Answer, Refusal>;

const BASE: &str = "https://www.googleapis.com/auth/";
const WRITE: &[&str] = &["youtube", "youtube.force-ssl"];
const READ: &[&str] = &["youtube", "youtube.force-ssl", "youtube.readonly"];
const UPLOAD: &[&str] = &["youtube", "youtube.force-ssl", "youtube.upload"];

/// A call, who makes it and what it costs.
struct Call<'a> {
    request: &'a Request,
    /// The person's name.
    person: String,
    channel: String,
}

/// `/youtube/v3/…` and `/upload/youtube/v3/…`
pub(crate) fn answer(world: &mut World, request: &Request) -> Answer {
    route(world, request).unwrap_or_else(Refusal::into_answer)
}

fn route(world: &mut World, request: &Request) -> Outcome {
    let path = request.path.trim_start_matches("/upload").strip_prefix("/youtube/v3").unwrap_or_default();
    let (scopes, units) = cost(&request.method, path).ok_or(error::NOT_FOUND)?;
    let call = enter(world, request, scopes)?;
    world.youtube.quota.spend(units, world.now, world.options.limits.youtube_units)?;
    match (request.method.as_str(), path) {
        ("GET", "/channels") => videos::channels(world, &call),
        ("GET", "/videos") => videos::list(world, &call),
        ("PUT", "/videos") => videos::update(world, &call),
        ("POST", "/thumbnails/set") => videos::thumbnail(world, &call),
        ("GET", "/liveStreams") => streams::list(world, &call),
        ("POST", "/liveStreams") => streams::insert(world, &call),
        ("PUT", "/liveStreams") => streams::update(world, &call),
        ("DELETE", "/liveStreams") => streams::delete(world, &call),
        ("GET", "/liveBroadcasts") => broadcasts::list(world, &call),
        ("POST", "/liveBroadcasts") => broadcasts::insert(world, &call),
        ("PUT", "/liveBroadcasts") => broadcasts::update(world, &call),
        ("DELETE", "/liveBroadcasts") => broadcasts::delete(world, &call),
        ("POST", "/liveBroadcasts/bind") => bind::bind(world, &call),
        ("POST", "/liveBroadcasts/transition") => bind::transition(world, &call),
        ("GET", "/liveChat/messages" | "/liveChat/messages/stream") => chat::list(world, &call),
        ("POST", "/liveChat/messages") => chat::insert(world, &call),
        ("DELETE", "/liveChat/messages") => chat::delete(world, &call),
        _ => Err(error::NOT_FOUND),
    }
}

/// Scopes of which one is needed, and quota units.
fn cost(method: &str, path: &str) -> Option<(&'static [&'static str], u64)> {
    let known = ["/channels", "/videos", "/thumbnails/set", "/liveStreams", "/liveBroadcasts"];
    if !(known.contains(&path) || path.starts_with("/liveBroadcasts/") || path.starts_with("/liveChat/messages")) {
        return None;
    }
    Some(match (method, path) {
        ("POST", "/thumbnails/set") => (UPLOAD, 50),
        ("GET", _) => (READ, 1),
        _ => (WRITE, 50),
    })
}

fn enter<'a>(world: &World, request: &'a Request, scopes: &[&str]) -> Result<Call<'a>, Refusal> {
    let token = request.authorization("Bearer").ok_or(error::LOGIN_REQUIRED)?;
    let access = world.grants.alive(Provider::Google, token, world.now).ok_or(error::INVALID_TOKEN)?;
    if !scopes.iter().any(|scope| access.has(&format!("{BASE}{scope}"))) {
        return Err(error::INSUFFICIENT_SCOPE);
    }
    let account = world.account(&access.person).ok_or(error::INVALID_TOKEN)?;
    if !account.flags.youtube_channel {
        return Err(error::SIGNUP_REQUIRED);
    }
    Ok(Call { request, person: account.name.clone(), channel: account.youtube_channel.clone() })
}

fn live_enabled(world: &World, call: &Call<'_>) -> Result<(), Refusal> {
    let enabled = world.account(&call.person).is_some_and(|account| account.flags.youtube_live_enabled);
    if enabled { Ok(()) } else { Err(error::LIVE_NOT_ENABLED) }
}

/// Whose stream key it is.
pub(crate) fn owner_of(world: &World, key: &str) -> Result<Owner, &'static str> {
    let stream = world.youtube.streams.iter().find(|stream| stream.key == key);
    stream.map(|stream| Owner::Youtube(stream.id.clone())).ok_or("unknown stream name")
}
