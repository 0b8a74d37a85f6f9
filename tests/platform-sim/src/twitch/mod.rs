//! Twitch Helix and the ingest list. Going live is publishing; there is no start or stop call.

mod channels;
mod chat;
mod eventsub;
mod games;
mod limit;
mod streams;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    http::{Answer, Request},
    ingest::Owner,
    oauth::Provider,
    world::World,
};

/// What Twitch keeps.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Person → channel information.
    channels: BTreeMap<String, channels::Channel>,
    /// Client and user → token bucket.
    buckets: BTreeMap<(String, String), limit::Bucket>,
    subscriptions: Vec<Value>,
    messages: u64,
}

/// A call and who makes it.
struct Call<'a> {
    request: &'a Request,
    person: String,
    /// Of the token's user; empty for an app token.
    user: String,
    scopes: Vec<String>,
}

type Outcome = Result<Answer, Answer>;

/// Helix' error body.
fn error(status: u16, message: &str) -> Answer {
    let name = match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        409 => "Conflict",
        422 => "Unprocessable Entity",
        429 => "Too Many Requests",
        _ => "Internal Server Error",
    };
    Answer::json(status, &json!({"error": name, "status": status, "message": message}))
}

/// `/helix/…`
pub(crate) fn answer(world: &mut World, request: &Request) -> Answer {
    let call = match enter(world, request) {
        Ok(call) => call,
        Err(refusal) => return refusal,
    };
    let key = (world.options.twitch.client_id.clone(), call.user.clone());
    let (now, points) = (world.now, world.options.limits.twitch_points);
    let bucket = world.twitch.buckets.entry(key).or_insert_with(|| limit::Bucket::full(points, now));
    let (allowed, headers) = bucket.take(points, now);
    let answer = match allowed {
        true => route(world, &call).unwrap_or_else(|refusal| refusal),
        false => error(429, "Too Many Requests"),
    };
    headers.into_iter().fold(answer, |answer, (name, value)| answer.with(name, value))
}

fn enter<'a>(world: &World, request: &'a Request) -> Result<Call<'a>, Answer> {
    let client = request.header("client-id").ok_or_else(|| error(401, "Client ID is missing"))?;
    let token = request.authorization("Bearer").ok_or_else(|| error(401, "OAuth token is missing"))?;
    let access = world.grants.alive(Provider::Twitch, token, world.now);
    let access = access.ok_or_else(|| error(401, "Invalid OAuth token"))?;
    if client != access.client_id {
        return Err(error(401, "Client ID and OAuth token do not match"));
    }
    let user = world.account(&access.person).map(|account| account.twitch_id.clone()).unwrap_or_default();
    Ok(Call { request, person: access.person.clone(), user, scopes: access.scopes.clone() })
}

fn route(world: &mut World, call: &Call<'_>) -> Outcome {
    let path = call.request.path.strip_prefix("/helix").unwrap_or_default();
    match (call.request.method.as_str(), path) {
        ("GET", "/users") => channels::users(world, call),
        ("GET", "/channels") => channels::get(world, call),
        ("PATCH", "/channels") => channels::modify(world, call),
        ("GET", "/streams") => streams::list(world, call),
        ("GET", "/streams/key") => streams::key(world, call),
        ("GET", "/search/categories") => games::search(call),
        ("GET", "/games") => games::list(call),
        ("GET", "/content_classification_labels") => Ok(Answer::ok(&channels::labels())),
        ("POST", "/chat/messages") => chat::send(world, call),
        ("GET", "/eventsub/subscriptions") => eventsub::list(world, call),
        ("POST", "/eventsub/subscriptions") => eventsub::create(world, call),
        ("DELETE", "/eventsub/subscriptions") => eventsub::delete(world, call),
        _ => Err(error(404, "")),
    }
}

impl Call<'_> {
    fn need(&self, scope: &str) -> Result<(), Answer> {
        let has = self.scopes.iter().any(|given| given == scope);
        if has { Ok(()) } else { Err(error(401, &format!("Missing scope: {scope}"))) }
    }

    /// `broadcaster_id`, which must be the token's user.
    fn own(&self) -> Result<(), Answer> {
        match self.request.query("broadcaster_id") {
            None | Some("") => Err(error(400, "Missing required parameter \"broadcaster_id\"")),
            Some(id) if id != self.user => {
                Err(error(401, "The ID in broadcaster_id must match the user ID found in the request's OAuth token."))
            }
            Some(_) => Ok(()),
        }
    }

    /// `first` and `after`: how many, from where.
    fn window(&self) -> Result<(usize, usize), Answer> {
        let first = match self.request.query("first") {
            None => 20,
            Some(text) => text.parse().ok().filter(|n| (1..=100).contains(n)).ok_or_else(|| {
                error(400, "The parameter \"first\" was malformed: the value must be between 1 and 100")
            })?,
        };
        let after = match self.request.query("after") {
            None | Some("") => 0,
            Some(cursor) => {
                cursor.strip_prefix("eyJ").and_then(|at| at.parse().ok()).ok_or_else(|| error(400, "invalid cursor"))?
            }
        };
        Ok((after, first))
    }
}

/// One page of `items` with its cursor.
fn paged(call: &Call<'_>, items: Vec<Value>) -> Outcome {
    let (after, first) = call.window()?;
    let next = after + first;
    let pagination = if next < items.len() { json!({"cursor": format!("eyJ{next}")}) } else { json!({}) };
    let page: Vec<Value> = items.into_iter().skip(after).take(first).collect();
    Ok(Answer::ok(&json!({"data": page, "pagination": pagination})))
}

/// `GET /twitch-ingest/ingests`, without any authorization.
pub(crate) fn ingests(world: &World, request: &Request) -> Answer {
    if (request.method.as_str(), request.path.as_str()) != ("GET", "/twitch-ingest/ingests") {
        return error(404, "");
    }
    let (rtmp, rtmps) = (&world.hosts.rtmp, &world.hosts.rtmps);
    let places = ["Default", "Europe: Germany, Frankfurt", "US East: Ashburn, VA", "US West: San Francisco, CA"];
    let mut ingests: Vec<Value> = places
        .iter()
        .enumerate()
        .map(|(n, name)| {
            json!({
                "_id": n + 1, "availability": 1.0, "default": n == 0, "name": name, "priority": n,
                "url_template": format!("{rtmp}/app/{{stream_key}}"),
                "url_template_secure": format!("{rtmps}/app/{{stream_key}}"),
            })
        })
        .collect();
    // One that is down, and first by priority: a client that takes it blindly does not go live.
    ingests.push(json!({
        "_id": 9, "availability": 0.0, "default": false, "name": "Asia: Singapore", "priority": -1,
        "url_template": "rtmp://127.0.0.1:1/app/{stream_key}", "url_template_secure": "rtmps://localhost:1/app/{stream_key}",
    }));
    Answer::ok(&json!({ "ingests": ingests }))
}

/// Names of the people who are shown live.
pub(crate) fn live(world: &World) -> Vec<&str> {
    let shown = world.accounts.iter().filter(|account| streams::stream(world, account).is_some());
    shown.map(|account| account.name.as_str()).collect()
}

/// Whose stream key it is.
pub(crate) fn owner_of(world: &World, key: &str) -> Result<Owner, &'static str> {
    let account = world.accounts.iter().find(|account| account.twitch_key == key);
    account.map(|account| Owner::Twitch(account.name.clone())).ok_or("unknown stream key")
}

/// A new stream key; the old one is refused and its publisher cut.
pub(crate) fn rotate_key(world: &mut World, person: &str) {
    let secret = world.ids.text(30);
    let Some(account) = world.accounts.iter_mut().find(|account| account.name == person) else { return };
    account.twitch_key = world.ids.secret(format!("live_{}_{secret}", account.twitch_id));
    world.ingests.cut(&Owner::Twitch(person.to_owned()));
}
