//! Cloudflare Stream Live: inputs, outputs, recordings, and the customer host where viewers are.

mod customer;
mod graphql;
mod inputs;
mod limit;
mod machine;
mod model;
mod outputs;
mod videos;

pub(crate) use customer::customer;
pub(crate) use machine::{owner_of, tick};
pub(crate) use model::State;

use serde_json::{Value, json};

use crate::{
    http::{Answer, Request},
    world::World,
};

const BASE: &str = "/cloudflare/client/v4";

/// A call and who makes it.
struct Call<'a> {
    request: &'a Request,
    person: String,
}

type Outcome = Result<Answer, Answer>;

/// The envelope of a success.
fn ok(result: &Value) -> Answer {
    Answer::ok(&json!({"success": true, "errors": [], "messages": [], "result": result}))
}

/// The envelope of a failure.
fn error(status: u16, code: u32, message: &str) -> Answer {
    let body =
        json!({"success": false, "errors": [{"code": code, "message": message}], "messages": [], "result": null});
    Answer::json(status, &body)
}

fn not_found() -> Answer {
    error(404, 10_003, "Not Found: the requested resource was not found")
}

fn bad(message: &str) -> Answer {
    error(400, 10_005, &format!("Bad Request: {message}"))
}

/// `/cloudflare/client/v4/…`
pub(crate) fn answer(world: &mut World, request: &Request) -> Answer {
    let Some(token) = request.authorization("Bearer") else {
        return error(400, 6003, "Invalid request headers");
    };
    let (allowed, headers) = limit::take(world, token);
    let answer = match allowed {
        true => route(world, request, token).unwrap_or_else(|refusal| refusal),
        false => error(
            429,
            10_429,
            "More than 1200 requests per 300 seconds reached. Please wait and consider throttling your request speed",
        ),
    };
    headers.into_iter().fold(answer, |answer, (name, value)| answer.with(name, value))
}

fn route(world: &mut World, request: &Request, token: &str) -> Outcome {
    let account = world.accounts.iter().find(|account| account.cloudflare_token == token);
    let account = account.ok_or_else(|| error(401, 10_000, "Authentication error"))?;
    let (mine, read_only) = (account.cloudflare_account.clone(), account.flags.cloudflare_read_only);
    let call = Call { request, person: account.name.clone() };
    let path = request.below(BASE);
    match path[..] {
        ["user", "tokens", "verify"] => {
            let id = world.account(&call.person).map(|account| account.cloudflare_token[6..38].to_owned());
            let mut answer = json!({"success": true, "errors": [], "result": {"id": id, "status": "active"}});
            answer["messages"] = json!([{"code": 10_000, "message": "This API Token is valid and active"}]);
            return Ok(Answer::ok(&answer));
        }
        ["graphql"] => return graphql::answer(world, &call),
        ["accounts", id, "stream", ..] if id != mine => return Err(error(403, 10_000, "Authentication error")),
        _ => {}
    }
    if read_only && request.method != "GET" {
        return Err(error(403, 10_000, "Authentication error"));
    }
    match (request.method.as_str(), &path[..]) {
        ("GET", ["accounts", _, "stream", "live_inputs"]) => Ok(inputs::list(world, &call)),
        ("POST", ["accounts", _, "stream", "live_inputs"]) => inputs::create(world, &call),
        ("GET", ["accounts", _, "stream", "live_inputs", uid]) => inputs::get(world, &call, uid),
        ("PUT", ["accounts", _, "stream", "live_inputs", uid]) => inputs::update(world, &call, uid),
        ("DELETE", ["accounts", _, "stream", "live_inputs", uid]) => inputs::delete(world, &call, uid),
        ("POST", ["accounts", _, "stream", "live_inputs", uid, "rotate_keys"]) => inputs::rotate(world, &call, uid),
        ("GET", ["accounts", _, "stream", "live_inputs", uid, "videos"]) => videos::of_input(world, &call, uid),
        ("GET", ["accounts", _, "stream", "live_inputs", uid, "outputs"]) => outputs::list(world, &call, uid),
        ("POST", ["accounts", _, "stream", "live_inputs", uid, "outputs"]) => outputs::create(world, &call, uid),
        ("PUT", ["accounts", _, "stream", "live_inputs", uid, "outputs", output]) => {
            outputs::update(world, &call, uid, output)
        }
        ("DELETE", ["accounts", _, "stream", "live_inputs", uid, "outputs", output]) => {
            outputs::delete(world, &call, uid, output)
        }
        ("GET", ["accounts", _, "stream"]) => Ok(videos::list(world, &call)),
        (method, ["accounts", _, "stream", "webhook"]) => videos::webhook(world, &call, method),
        ("GET", ["accounts", _, "stream", id]) => videos::get(world, &call, id),
        ("POST", ["accounts", _, "stream", id, "token"]) => videos::token(world, &call, id),
        _ => Err(error(404, 7003, "Could not route to the requested path, perhaps your object identifier is invalid?")),
    }
}

impl Call<'_> {
    /// The body as an object; an empty one counts as `{}`.
    fn body(&self) -> Result<Value, Answer> {
        if self.request.body.is_empty() {
            return Ok(json!({}));
        }
        self.request.json().filter(Value::is_object).ok_or_else(|| bad("the body is not a JSON object"))
    }
}
