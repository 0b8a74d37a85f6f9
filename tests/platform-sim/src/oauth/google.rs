//! Google's token endpoint. Refresh tokens are not rotated.

use serde_json::{Value, json};

use super::{
    Death, Provider,
    grants::{Access, Refresh},
};
use crate::{
    clock::millis,
    http::{Answer, Request, find},
    options::Pairs,
    world::World,
};

/// Live refresh tokens of one account and client; one more drops the oldest without a word.
const REFRESH_TOKENS: usize = 100;

fn error(status: u16, error: &str, description: &str) -> Answer {
    Answer::json(status, &json!({"error": error, "error_description": description}))
}

pub(super) fn token(world: &mut World, request: &Request) -> Answer {
    let form = request.form();
    let app = &world.options.google;
    if find(&form, "client_id") != Some(&app.client_id) {
        return error(401, "invalid_client", "The OAuth client was not found.");
    }
    if find(&form, "client_secret") != Some(&app.client_secret) {
        return error(401, "invalid_client", "Unauthorized");
    }
    match find(&form, "grant_type") {
        Some("authorization_code") => exchange(world, &form),
        Some("refresh_token") => refresh(world, &form),
        Some(other) => error(400, "unsupported_grant_type", &format!("Invalid grant_type: {other}")),
        None => error(400, "invalid_request", "Required parameter is missing: grant_type"),
    }
}

fn exchange(world: &mut World, form: &Pairs) -> Answer {
    let now = world.now;
    let code = find(form, "code").and_then(|code| world.grants.codes.get_mut(code));
    let Some(code) = code.filter(|code| code.provider == Provider::Google) else {
        return error(400, "invalid_grant", "Malformed auth code.");
    };
    if code.used || now >= code.expires_at {
        return error(400, "invalid_grant", "Bad Request");
    }
    if find(form, "redirect_uri") != Some(&code.redirect_uri) {
        return error(400, "redirect_uri_mismatch", "Bad Request");
    }
    if !code.verified_by(find(form, "code_verifier")) {
        return error(400, "invalid_grant", "Invalid code verifier.");
    }
    code.used = true;
    let code = code.clone();
    let refresh = code.refreshable.then(|| new_refresh(world, &code.person, &code.scopes));
    let mut body = new_access(world, &code.person, &code.scopes, refresh.clone());
    if let Some(refresh) = refresh {
        body["refresh_token"] = refresh.into();
    }
    Answer::ok(&body)
}

fn refresh(world: &mut World, form: &Pairs) -> Answer {
    let token = find(form, "refresh_token").unwrap_or_default();
    let known = world.grants.refresh.get(token).filter(|known| known.provider == Provider::Google && !known.dead);
    let Some(known) = known.cloned() else {
        return error(400, "invalid_grant", "Token has been expired or revoked.");
    };
    *world.grants.refreshes.entry(Provider::Google).or_default() += 1;
    Answer::ok(&new_access(world, &known.person, &known.scopes, Some(token.to_owned())))
}

fn new_refresh(world: &mut World, person: &str, scopes: &[String]) -> String {
    let token = format!("1//0{}", world.ids.text(90));
    let token = world.ids.secret(token);
    world.grants.issued += 1;
    let refresh = Refresh {
        provider: Provider::Google,
        person: person.to_owned(),
        scopes: scopes.to_vec(),
        dead: false,
        number: world.grants.issued,
    };
    world.grants.refresh.insert(token.clone(), refresh);
    let mut live: Vec<_> = world
        .grants
        .refresh
        .values_mut()
        .filter(|r| r.provider == Provider::Google && r.person == person && !r.dead)
        .collect();
    if live.len() > REFRESH_TOKENS
        && let Some(oldest) = live.iter_mut().min_by_key(|refresh| refresh.number)
    {
        oldest.dead = true;
    }
    token
}

fn new_access(world: &mut World, person: &str, scopes: &[String], refresh: Option<String>) -> Value {
    let token = format!("ya29.a0{}", world.ids.text(120));
    let token = world.ids.secret(token);
    let lifetime = world.options.timing.token_lifetime[0];
    let access = Access {
        provider: Provider::Google,
        client_id: world.options.google.client_id.clone(),
        person: person.to_owned(),
        scopes: scopes.to_vec(),
        issued_at: world.now,
        expires_at: Some(world.now + millis(lifetime)),
        dead: None,
        page: None,
        refresh,
    };
    world.grants.access.insert(token.clone(), access);
    json!({"access_token": token, "expires_in": lifetime.as_secs(), "scope": scopes.join(" "), "token_type": "Bearer"})
}

/// Revoking either token ends everything that the person gave to the project.
pub(super) fn revoke(world: &mut World, request: &Request) -> Answer {
    let form = request.form();
    let token = find(&form, "token").or_else(|| request.query("token")).unwrap_or_default();
    let access = world.grants.alive(Provider::Google, token, world.now).map(|access| access.person.clone());
    let refresh = world.grants.refresh.get(token).filter(|r| r.provider == Provider::Google && !r.dead);
    let Some(person) = access.or_else(|| refresh.map(|refresh| refresh.person.clone())) else {
        return error(400, "invalid_token", "Token expired or revoked");
    };
    world.grants.revoke_all(Provider::Google, &person, Death { subcode: 0 });
    Answer::ok(&json!({}))
}
