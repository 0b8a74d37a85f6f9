//! `https://customer-<CODE>.cloudflarestream.com/<uid>/…`: what viewers and players ask, without a token.

use serde_json::json;

use crate::{
    http::{Answer, Request},
    world::World,
};

/// `/cloudflare-customer/<uid>/…`
pub(crate) fn customer(world: &World, request: &Request) -> Answer {
    let path = request.below("/cloudflare-customer");
    let (uid, rest) = path.split_first().map_or(("", &[][..]), |(uid, rest)| (*uid, rest));
    let input = world.cloudflare.inputs.iter().find(|input| input.uid == uid);
    let video = world.cloudflare.videos.iter().find(|video| video.uid == uid);
    let input_of = |id: &str| world.cloudflare.inputs.iter().find(|input| input.uid == id);
    let Some(input) = input.or_else(|| video.and_then(|video| input_of(&video.input))) else {
        return Answer::text(404, "text/plain", "Not Found");
    };
    let live = input.live_since.is_some() && input.records();
    match (request.method.as_str(), rest) {
        ("GET", ["lifecycle"]) => {
            let mut videos = world.cloudflare.videos.iter().rev();
            let running = videos.find(|video| video.input == input.uid && video.ended_at.is_none());
            let video = running.map(|video| video.uid.clone());
            Answer::ok(&json!({"isInput": video.is_none() || uid == input.uid, "videoUID": video, "live": live}))
        }
        ("GET", ["views"]) if input.hide_viewers => Answer::ok(&json!({})),
        ("GET", ["views"]) => Answer::ok(&json!({"liveViewers": input.viewers(world)})),
        ("GET", ["manifest", "video.m3u8"]) if live || video.is_some() => {
            Answer::text(200, "application/x-mpegURL", "#EXTM3U\n#EXT-X-VERSION:6\n")
        }
        ("GET", ["manifest", "video.mpd"]) if live || video.is_some() => {
            Answer::text(200, "application/dash+xml", "<?xml version=\"1.0\"?><MPD type=\"dynamic\"/>")
        }
        ("GET", ["manifest", _]) => Answer::empty(204),
        ("GET", ["watch" | "iframe"]) => {
            Answer::text(200, "text/html", "<!doctype html><title>Stream (simulated)</title>")
        }
        _ => Answer::text(404, "text/plain", "Not Found"),
    }
}
