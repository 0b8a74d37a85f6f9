//! Facebook's token calls on the Graph host. There are no refresh tokens: a live token is exchanged for a longer one.

use serde_json::{Value, json};

use super::{Provider, grants::Access};
use crate::{
    clock::millis,
    facebook::error,
    http::{Answer, Request},
    world::World,
};

/// Sixty days, as the documentation's sample answers.
const LONG_LIVED_S: i64 = 5_183_944;

/// `oauth/access_token` and `debug_token`; `None` for any other path.
pub(crate) fn graph(world: &mut World, request: &Request, path: &[&str]) -> Option<Answer> {
    match (request.method.as_str(), path) {
        ("GET" | "POST", ["oauth", "access_token"]) => Some(access_token(world, request)),
        ("GET", ["debug_token"]) => Some(debug(world, request)),
        _ => None,
    }
}

fn parameter<'a>(request: &'a Request, form: &'a [(String, String)], name: &str) -> Option<&'a str> {
    request.query(name).or_else(|| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str()))
}

fn access_token(world: &mut World, request: &Request) -> Answer {
    let form = request.form();
    let of = |name: &str| parameter(request, &form, name);
    let app = &world.options.facebook;
    if of("client_id") != Some(&app.client_id) || of("client_secret") != Some(&app.client_secret) {
        return error::oauth(400, 1, None, "Error validating client secret.");
    }
    if of("grant_type") == Some("fb_exchange_token") {
        return lengthen(world, of("fb_exchange_token").unwrap_or_default());
    }
    let now = world.now;
    let code = of("code").and_then(|code| world.grants.codes.get_mut(code));
    let Some(code) = code.filter(|code| code.provider == Provider::Facebook) else {
        return invalid_code(36_009, "Invalid verification code format.");
    };
    if code.used {
        return invalid_code(36_009, "This authorization code has been used.");
    }
    if now >= code.expires_at {
        return invalid_code(36_007, "This authorization code has expired.");
    }
    if of("redirect_uri") != Some(&code.redirect_uri) {
        return invalid_code(
            36_008,
            "Error validating verification code. Please make sure your redirect_uri is identical to the one you used in the OAuth dialog request",
        );
    }
    code.used = true;
    let code = code.clone();
    let lifetime = millis(world.options.timing.token_lifetime[2]);
    Answer::ok(&issue(world, &code.person, &code.scopes, Some(lifetime), None))
}

fn invalid_code(subcode: u32, message: &str) -> Answer {
    let challenge = format!("OAuth \"Facebook Platform\" \"invalid_code\" \"{message}\"");
    error::oauth(400, 100, Some(subcode), message).with("www-authenticate", challenge)
}

fn lengthen(world: &mut World, token: &str) -> Answer {
    let Some(known) = world.grants.access.get(token).filter(|a| a.provider == Provider::Facebook).cloned() else {
        return error::oauth(400, 190, None, "Invalid OAuth access token - Cannot parse access token");
    };
    if !known.alive(world.now) {
        return error::dead_token(&known);
    }
    *world.grants.refreshes.entry(Provider::Facebook).or_default() += 1;
    Answer::ok(&issue(world, &known.person, &known.scopes, Some(LONG_LIVED_S * 1_000), None))
}

/// A new token; with a Page it never expires.
pub(super) fn issue(
    world: &mut World,
    person: &str,
    scopes: &[String],
    lifetime_ms: Option<i64>,
    page: Option<String>,
) -> Value {
    let token = format!("EAA{}", world.ids.text(160));
    let token = world.ids.secret(token);
    let access = Access {
        provider: Provider::Facebook,
        client_id: world.options.facebook.client_id.clone(),
        person: person.to_owned(),
        scopes: scopes.to_vec(),
        issued_at: world.now,
        expires_at: lifetime_ms.map(|lifetime| world.now + lifetime),
        dead: None,
        page,
        refresh: None,
    };
    world.grants.access.insert(token.clone(), access);
    json!({"access_token": token, "token_type": "bearer", "expires_in": lifetime_ms.unwrap_or(0) / 1_000})
}

/// A token for a Page, the same one each time while it lives.
pub(crate) fn page_token(world: &mut World, user: &Access, page: &str) -> String {
    let same = |access: &Access| {
        access.page.as_deref() == Some(page) && access.person == user.person && access.alive(world.now)
    };
    if let Some((token, _)) = world.grants.access.iter().find(|(_, access)| same(access)) {
        return token.clone();
    }
    let body = issue(world, &user.person, &user.scopes, None, Some(page.to_owned()));
    body["access_token"].as_str().unwrap_or_default().to_owned()
}

fn debug(world: &World, request: &Request) -> Answer {
    let app = &world.options.facebook;
    let by_app = format!("{}|{}", app.client_id, app.client_secret);
    let by = request.query("access_token").or_else(|| request.authorization("Bearer")).unwrap_or_default();
    if by != by_app && world.grants.alive(Provider::Facebook, by, world.now).is_none() {
        return error::oauth(400, 190, None, "Invalid OAuth access token.");
    }
    let known = world.grants.access.get(request.query("input_token").unwrap_or_default());
    let Some(known) = known.filter(|access| access.provider == Provider::Facebook) else {
        let error = json!({"code": 190, "message": "Invalid OAuth access token."});
        return Answer::ok(&json!({"data": {"is_valid": false, "error": error, "scopes": []}}));
    };
    let user = world.account(&known.person).map(|account| account.facebook_id.clone());
    let data = json!({
        "app_id": known.client_id,
        "type": if known.page.is_some() { "PAGE" } else { "USER" },
        "application": "Simulcast (simulated)",
        "is_valid": known.alive(world.now),
        "issued_at": known.issued_at / 1_000,
        "expires_at": known.expires_at.unwrap_or(0) / 1_000,
        "data_access_expires_at": known.issued_at / 1_000 + 90 * 86_400,
        "user_id": user,
        "scopes": known.scopes,
    });
    Answer::ok(&json!({ "data": data }))
}
