//! Twitch's token endpoints. A refresh rotates the refresh token, or keeps it, as the account's flag says.

use serde_json::json;

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

pub(super) fn error(status: u16, message: &str) -> Answer {
    Answer::json(status, &json!({"status": status, "message": message}))
}

pub(super) fn token(world: &mut World, request: &Request) -> Answer {
    let mut form = request.form();
    form.extend(request.query.clone());
    let app = &world.options.twitch;
    if find(&form, "client_id") != Some(&app.client_id) {
        return error(400, "invalid client");
    }
    if find(&form, "client_secret") != Some(&app.client_secret) {
        return error(403, "invalid client secret");
    }
    match find(&form, "grant_type") {
        Some("authorization_code") => exchange(world, &form),
        Some("refresh_token") => refresh(world, &form),
        Some("client_credentials") => issue(world, "", &[], None, false),
        Some(_) => error(400, "invalid grant type"),
        None => error(400, "missing grant type"),
    }
}

fn exchange(world: &mut World, form: &Pairs) -> Answer {
    let now = world.now;
    let code = find(form, "code").and_then(|code| world.grants.codes.get_mut(code));
    let Some(code) = code.filter(|c| c.provider == Provider::Twitch && !c.used && now < c.expires_at) else {
        return error(400, "Invalid authorization code");
    };
    if find(form, "redirect_uri") != Some(&code.redirect_uri) {
        return error(400, "Parameter redirect_uri does not match registered URI");
    }
    code.used = true;
    let code = code.clone();
    issue(world, &code.person, &code.scopes, None, true)
}

fn refresh(world: &mut World, form: &Pairs) -> Answer {
    let token = find(form, "refresh_token").unwrap_or_default().to_owned();
    let known = world.grants.refresh.get(&token).filter(|known| known.provider == Provider::Twitch && !known.dead);
    let Some(known) = known.cloned() else { return error(400, "Invalid refresh token") };
    *world.grants.refreshes.entry(Provider::Twitch).or_default() += 1;
    let rotates = world.account(&known.person).is_some_and(|account| account.flags.twitch_rotates_refresh_tokens);
    if rotates && let Some(old) = world.grants.refresh.get_mut(&token) {
        old.dead = true;
    }
    issue(world, &known.person, &known.scopes, (!rotates).then_some(token), true)
}

fn issue(world: &mut World, person: &str, scopes: &[String], keep: Option<String>, refreshable: bool) -> Answer {
    let client_id = world.options.twitch.client_id.clone();
    let lifetime = world.options.timing.token_lifetime[1];
    let token = world.ids.text(30).to_lowercase();
    let token = world.ids.secret(token);
    let refresh = refreshable.then(|| keep.unwrap_or_else(|| new_refresh(world, person, scopes)));
    let access = Access {
        provider: Provider::Twitch,
        client_id,
        person: person.to_owned(),
        scopes: scopes.to_vec(),
        issued_at: world.now,
        expires_at: Some(world.now + millis(lifetime)),
        dead: None,
        page: None,
        refresh: refresh.clone(),
    };
    world.grants.access.insert(token.clone(), access);
    let mut body = json!({"access_token": token, "expires_in": lifetime.as_secs(), "token_type": "bearer"});
    if let Some(refresh) = refresh {
        body["refresh_token"] = refresh.into();
        body["scope"] = json!(scopes);
    }
    Answer::ok(&body)
}

fn new_refresh(world: &mut World, person: &str, scopes: &[String]) -> String {
    let token = world.ids.text(50).to_lowercase();
    let token = world.ids.secret(token);
    world.grants.issued += 1;
    let refresh = Refresh {
        provider: Provider::Twitch,
        person: person.to_owned(),
        scopes: scopes.to_vec(),
        dead: false,
        number: world.grants.issued,
    };
    world.grants.refresh.insert(token.clone(), refresh);
    token
}

pub(super) fn validate(world: &World, request: &Request) -> Answer {
    let token = request.authorization("OAuth").or_else(|| request.authorization("Bearer")).unwrap_or_default();
    let Some(access) = world.grants.alive(Provider::Twitch, token, world.now) else {
        return error(401, "invalid access token");
    };
    let left = access.expires_at.map_or(0, |at| (at - world.now) / 1_000);
    let mut body = json!({"client_id": access.client_id, "scopes": access.scopes, "expires_in": left});
    if let Some(account) = world.account(&access.person) {
        body["login"] = account.name.clone().into();
        body["user_id"] = account.twitch_id.clone().into();
    }
    Answer::ok(&body)
}

pub(super) fn revoke(world: &mut World, request: &Request) -> Answer {
    let form = request.form();
    if find(&form, "client_id") != Some(&world.options.twitch.client_id) {
        return error(404, "client does not exist");
    }
    let token = find(&form, "token").unwrap_or_default();
    if world.grants.alive(Provider::Twitch, token, world.now).is_none() {
        return error(400, "Invalid token");
    }
    if let Some(access) = world.grants.access.get_mut(token) {
        access.dead = Some(Death { subcode: 0 });
        let refresh = access.refresh.clone();
        if let Some(refresh) = refresh.and_then(|refresh| world.grants.refresh.get_mut(&refresh)) {
            refresh.dead = true;
        }
    }
    Answer::empty(200)
}
