//! Sign-in at Google, Twitch and Facebook: what they share. Each provider's answers are in its own file.

mod consent;
mod facebook;
mod google;
mod grants;
mod twitch;

pub(crate) use consent::{Decision, decide};
pub(crate) use facebook::{graph as facebook_graph, page_token};
pub(crate) use grants::{Access, Death, Grants, Provider};

use crate::{
    http::{Answer, Request},
    options::App,
    world::World,
};

/// `/google-oauth/…`
pub(crate) fn google(world: &mut World, request: &Request) -> Answer {
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/google-oauth/o/oauth2/v2/auth") => consent::page(world, Provider::Google, request),
        ("POST", "/google-oauth/token") => google::token(world, request),
        ("POST", "/google-oauth/revoke") => google::revoke(world, request),
        _ => Answer::text(404, "text/html", "<h1>404. That's an error.</h1>"),
    }
}

/// `/twitch-id/…`
pub(crate) fn twitch(world: &mut World, request: &Request) -> Answer {
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/twitch-id/oauth2/authorize") => consent::page(world, Provider::Twitch, request),
        ("POST", "/twitch-id/oauth2/token") => twitch::token(world, request),
        ("GET", "/twitch-id/oauth2/validate") => twitch::validate(world, request),
        ("POST", "/twitch-id/oauth2/revoke") => twitch::revoke(world, request),
        _ => twitch::error(404, "Not Found"),
    }
}

/// `/facebook-dialog/…`
pub(crate) fn facebook_dialog(world: &mut World, request: &Request) -> Answer {
    match request.below("/facebook-dialog")[..] {
        [_, "dialog", "oauth"] | ["dialog", "oauth"] => consent::page(world, Provider::Facebook, request),
        _ => Answer::text(404, "text/html", "<h1>This page isn't available</h1>"),
    }
}

pub(crate) fn app(world: &World, provider: Provider) -> &App {
    match provider {
        Provider::Google => &world.options.google,
        Provider::Twitch => &world.options.twitch,
        Provider::Facebook => &world.options.facebook,
    }
}
