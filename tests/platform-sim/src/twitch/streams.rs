//! The stream key, and who is live: a stream is there because media arrives.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Call, Outcome, error, games, paged};
use crate::{
    accounts::Account,
    clock::{millis, rfc3339},
    http::Answer,
    ingest::Owner,
    viewers,
    world::World,
};

pub(super) fn key(world: &mut World, call: &Call<'_>) -> Outcome {
    call.need("channel:read:stream_key")?;
    call.own()?;
    let account = world.account(&call.person).ok_or_else(|| error(401, "Invalid OAuth token"))?;
    match &account.flags.twitch_key_refused {
        Some(message) => Err(error(403, message)),
        None => Ok(Answer::ok(&json!({"data": [{"stream_key": account.twitch_key}]}))),
    }
}

pub(super) fn list(world: &mut World, call: &Call<'_>) -> Outcome {
    let request = call.request;
    let (ids, logins, games) = (request.list("user_id"), request.list("user_login"), request.list("game_id"));
    if ids.len() > 100 || logins.len() > 100 {
        return Err(error(400, "The maximum number of user IDs and logins is 100"));
    }
    let asked = |account: &&Account| {
        (ids.is_empty() && logins.is_empty())
            || ids.contains(&account.twitch_id.as_str())
            || logins.contains(&account.name.as_str())
    };
    let live = world.accounts.iter().filter(asked).filter_map(|account| stream(world, account));
    let live = live.filter(|stream| games.is_empty() || games.iter().any(|game| stream["game_id"] == *game));
    paged(call, live.collect())
}

/// The stream of a person who is live.
pub(super) fn stream(world: &World, account: &Account) -> Option<Value> {
    let feed = world.ingests.feed(&Owner::Twitch(account.name.clone()))?;
    let timing = &world.options.timing;
    if feed.query.contains("bandwidthtest=true") {
        return None;
    }
    let lingers = feed.gone.is_some_and(|gone| world.now - gone < millis(timing.twitch_offline_after));
    if !feed.flowing(world.now, timing.twitch_live_after) && !lingers {
        return None;
    }
    let started = feed.since.or(feed.gone)?;
    let channel = world.twitch.channels.get(&account.name).cloned().unwrap_or_default();
    let lag = timing.twitch_live_after + timing.viewers_after;
    let thumbnail =
        format!("https://static-cdn.jtvnw.net/previews-ttv/live_user_{}-{{width}}x{{height}}.jpg", account.name);
    Some(json!({
        "id": format!("4{}", started % 10_000_000_000), "user_id": account.twitch_id, "user_login": account.name,
        "user_name": account.display, "game_id": channel.game_id,
        "game_name": games::name_of(&channel.game_id).unwrap_or_default(), "type": "live", "title": channel.title,
        "viewer_count": viewers::count(&account.twitch_id, world.now - started, lag.max(Duration::ZERO)),
        "started_at": rfc3339(started), "language": channel.language, "thumbnail_url": thumbnail,
        "tag_ids": [], "tags": channel.tags, "is_mature": !channel.labels.is_empty(),
    }))
}
