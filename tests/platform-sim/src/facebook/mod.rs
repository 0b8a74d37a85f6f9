//! The Graph API's live video part. The version in the path may be any, or missing.

pub(crate) mod error;
mod fields;
mod live;
mod machine;
mod model;
mod people;
mod usage;
mod video;

pub(crate) use machine::{owner_of, tick};
pub(crate) use model::State;

use crate::{
    http::{Answer, Request, find},
    oauth::{self, Access, Provider},
    options::Pairs,
    world::World,
};

/// A call and who makes it.
struct Call<'a> {
    request: &'a Request,
    /// Query and form together: Graph takes parameters in either.
    parameters: Pairs,
    access: Access,
}

type Outcome = Result<Answer, Answer>;

impl Call<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        find(&self.parameters, name).filter(|value| !value.is_empty())
    }

    fn flag(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value == "true" || value == "1")
    }

    fn need(&self, permission: &str) -> Result<(), Answer> {
        if self.access.has(permission) {
            return Ok(());
        }
        let message = format!("(#200) Requires {permission} permission to manage the object");
        Err(error::oauth(403, 200, None, &message))
    }
}

/// `/graph/…` and `/streaming-graph/…`
pub(crate) fn answer(world: &mut World, request: &Request) -> Answer {
    let prefix = if request.path.starts_with("/graph") { "/graph" } else { "/streaming-graph" };
    let mut path = request.below(prefix);
    if path.first().is_some_and(|first| is_version(first)) {
        path.remove(0);
    }
    if let Some(answer) = oauth::facebook_graph(world, request, &path) {
        return answer;
    }
    let call = match enter(world, request) {
        Ok(call) => call,
        Err(refusal) => return refusal,
    };
    let (allowed, header, value) = usage::count(world, &call);
    let answer = if allowed {
        route(world, &call, &path).unwrap_or_else(|refusal| refusal)
    } else if call.access.page.is_some() {
        error::oauth(400, 80_001, None, "(#80001) There have been too many calls to this Page account.")
    } else {
        error::oauth(403, 4, None, "(#4) Application request limit reached")
    };
    answer.with("facebook-api-version", "v26.0").with("x-fb-trace-id", error::TRACE).with(header, value)
}

fn is_version(segment: &str) -> bool {
    segment
        .strip_prefix('v')
        .is_some_and(|rest| rest.split('.').count() == 2 && rest.split('.').all(|n| n.parse::<u32>().is_ok()))
}

fn enter<'a>(world: &World, request: &'a Request) -> Result<Call<'a>, Answer> {
    let mut parameters = request.query.clone();
    parameters.extend(request.form());
    let token = find(&parameters, "access_token").or_else(|| request.authorization("Bearer"));
    let token =
        token.ok_or_else(|| error::oauth(400, 104, None, "An access token is required to request this resource."))?;
    let known = world.grants.access.get(token).filter(|access| access.provider == Provider::Facebook);
    let known =
        known.ok_or_else(|| error::oauth(401, 190, None, "Invalid OAuth access token - Cannot parse access token"))?;
    if !known.alive(world.now) {
        return Err(error::dead_token(known));
    }
    if find(&parameters, "appsecret_proof").is_some_and(|proof| proof != usage::proof(world, token)) {
        return Err(error::oauth(400, 100, None, "Invalid appsecret_proof provided in the API argument"));
    }
    Ok(Call { request, access: known.clone(), parameters })
}

fn route(world: &mut World, call: &Call<'_>, path: &[&str]) -> Outcome {
    match (call.request.method.as_str(), path) {
        ("GET", ["me"]) => people::me(world, call),
        ("GET", ["me", "accounts"]) => people::pages(world, call),
        ("GET", ["me", "permissions"]) => people::permissions(call),
        ("DELETE", ["me", "permissions"]) => Ok(people::revoke(world, call)),
        ("GET", ["me", "picture"]) => people::picture(world, call),
        ("POST", [owner, "live_videos"]) => live::create(world, call, owner),
        ("GET", [owner, "live_videos"]) => live::list(world, call, owner),
        ("GET", [id, "comments" | "live_comments"]) => video::comments(world, call, id),
        ("POST", [id, "comments"]) => video::comment(world, call, id),
        ("GET", [id, "errors"]) => video::errors(world, call, id),
        ("POST", [id, "input_streams"]) => live::input_stream(world, call, id),
        ("GET", [id, "video_insights"]) => video::insights(world, call, id),
        ("GET", [id]) if model::is_video(id) => video::get(world, call, id),
        ("GET", [id]) if people::is_page(world, id) => people::page(world, call, id),
        ("GET", [id]) => live::get(world, call, id),
        ("POST", [id]) => live::update(world, call, id),
        ("DELETE", [id]) => live::delete(world, call, id),
        _ => Err(error::no_object(path.first().unwrap_or(&""))),
    }
}
