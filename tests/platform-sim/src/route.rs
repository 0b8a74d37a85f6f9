//! Which platform a path belongs to.

use serde_json::json;

use crate::{
    cloudflare, facebook,
    http::{Answer, Request},
    oauth, twitch,
    world::World,
    youtube,
};

/// Lets the platform behind the path answer.
pub(crate) fn answer(world: &mut World, request: &Request) -> Answer {
    let first = request.path.split('/').nth(1).unwrap_or_default();
    match first {
        "google-oauth" => oauth::google(world, request),
        "youtube" | "upload" => youtube::answer(world, request),
        "twitch-id" => oauth::twitch(world, request),
        "helix" => twitch::answer(world, request),
        "twitch-ingest" => twitch::ingests(world, request),
        "facebook-dialog" => oauth::facebook_dialog(world, request),
        "graph" | "streaming-graph" => facebook::answer(world, request),
        "cloudflare" => cloudflare::answer(world, request),
        "cloudflare-customer" => cloudflare::customer(world, request),
        _ => Answer::json(404, &json!({"error": "no simulated platform has this path"})),
    }
}
