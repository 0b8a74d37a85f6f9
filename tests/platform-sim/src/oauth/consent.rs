//! The page where a person agrees or refuses, and the redirect that follows.
//!
//! Headless callers add `sim_account`, `sim_scopes` (a subset, separated by spaces or commas) or `sim_deny=1` to the
//! authorization URL; with automatic consent a plain URL is answered as if the current person had agreed to all.

use super::{Provider, app, grants::Code};
use crate::{
    clock::millis,
    http::{Answer, Request, find, with_query},
    options::Pairs,
    world::World,
};

/// What the person decided.
#[derive(Clone, Debug, Default)]
pub(crate) struct Decision {
    /// Who; the current person when not set.
    pub account: Option<String>,
    /// Only these of the scopes that were asked for.
    pub scopes: Option<Vec<String>>,
    pub deny: bool,
}

impl Decision {
    fn read(query: &Pairs) -> Option<Self> {
        let account = find(query, "sim_account").map(str::to_owned);
        let scopes = find(query, "sim_scopes").map(split);
        let deny = find(query, "sim_deny").is_some();
        (account.is_some() || scopes.is_some() || deny).then_some(Self { account, scopes, deny })
    }
}

/// The authorization endpoint.
pub(crate) fn page(world: &mut World, provider: Provider, request: &Request) -> Answer {
    if let Err(why) = check(world, provider, &request.query) {
        return Answer::text(400, "text/html", format!("<h1>Error 400: {why}</h1>"));
    }
    let decision = Decision::read(&request.query).or_else(|| world.options.auto_consent.then(Decision::default));
    match decision {
        None => Answer::text(200, "text/html; charset=utf-8", form(world, provider, request)),
        Some(decision) => match decide(world, provider, &request.query, &decision) {
            Ok(to) => Answer::redirect(&to),
            Err(why) => Answer::text(400, "text/html", format!("<h1>Error 400: {why}</h1>")),
        },
    }
}

fn check(world: &World, provider: Provider, query: &Pairs) -> Result<(), &'static str> {
    let app = app(world, provider);
    if find(query, "client_id") != Some(&app.client_id) {
        return Err("invalid_client");
    }
    let redirect = find(query, "redirect_uri").ok_or("invalid_request: redirect_uri")?;
    if url::Url::parse(redirect).is_err()
        || !(app.redirect_uris.is_empty() || app.redirect_uris.iter().any(|r| r == redirect))
    {
        return Err("redirect_uri_mismatch");
    }
    if find(query, "response_type").is_some_and(|kind| kind != "code")
        || (provider != Provider::Facebook && find(query, "response_type").is_none())
    {
        return Err("unsupported_response_type");
    }
    match find(query, "scope") {
        None | Some("") if provider == Provider::Google => Err("invalid_scope"),
        _ => Ok(()),
    }
}

/// Where the browser goes after the decision.
pub(crate) fn decide(
    world: &mut World,
    provider: Provider,
    query: &Pairs,
    decision: &Decision,
) -> Result<String, &'static str> {
    check(world, provider, query)?;
    let redirect = find(query, "redirect_uri").unwrap_or_default();
    let state = find(query, "state").map(|state| ("state", state));
    if decision.deny {
        let refusal: &[(&str, &str)] = match provider {
            Provider::Google => &[("error", "access_denied")],
            Provider::Twitch => &[("error", "access_denied"), ("error_description", "The user denied you access")],
            Provider::Facebook => &[
                ("error", "access_denied"),
                ("error_code", "200"),
                ("error_description", "Permissions error"),
                ("error_reason", "user_denied"),
            ],
        };
        return Ok(with_query(redirect, &refusal.iter().copied().chain(state).collect::<Vec<_>>()));
    }
    let person = decision.account.clone().unwrap_or_else(|| world.consent_as.clone());
    if world.account(&person).is_none() {
        return Err("no such account in the simulator");
    }
    let asked = split(find(query, "scope").unwrap_or_default());
    let granted: Vec<String> = match &decision.scopes {
        Some(only) => asked.into_iter().filter(|scope| only.contains(scope)).collect(),
        None => asked,
    };
    let scope = granted.join(" ");
    let code = issue(world, provider, query, person, granted);
    let answer = [("code", code.as_str())].into_iter().chain(state);
    let scope = (provider != Provider::Facebook).then_some(("scope", scope.as_str()));
    Ok(with_query(redirect, &answer.chain(scope).collect::<Vec<_>>()))
}

fn issue(world: &mut World, provider: Provider, query: &Pairs, person: String, mut scopes: Vec<String>) -> String {
    let client_id = app(world, provider).client_id.clone();
    let consent = (client_id, person.clone());
    let first = provider != Provider::Google || world.grants.consented.insert(consent);
    let offline = find(query, "access_type") == Some("offline");
    let prompted = find(query, "prompt").is_some_and(|prompt| prompt.contains("consent"));
    if provider == Provider::Facebook && !scopes.iter().any(|scope| scope == "public_profile") {
        scopes.push("public_profile".to_owned());
    }
    let s256 = find(query, "code_challenge_method") == Some("S256");
    let code = Code {
        provider,
        redirect_uri: find(query, "redirect_uri").unwrap_or_default().to_owned(),
        person,
        scopes,
        challenge: find(query, "code_challenge").map(|challenge| (challenge.to_owned(), s256)),
        refreshable: match provider {
            Provider::Google => offline && (first || prompted),
            Provider::Twitch => true,
            Provider::Facebook => false,
        },
        expires_at: world.now + millis(world.options.timing.code_lifetime),
        used: false,
    };
    let text = match provider {
        Provider::Google => format!("4/0A{}", world.ids.text(60)),
        Provider::Twitch => world.ids.text(30).to_lowercase(),
        Provider::Facebook => format!("AQ{}", world.ids.text(80)),
    };
    let text = world.ids.secret(text);
    world.grants.codes.insert(text.clone(), code);
    text
}

/// Scopes separated by spaces or commas.
fn split(text: &str) -> Vec<String> {
    text.split([' ', ',']).filter(|scope| !scope.is_empty()).map(str::to_owned).collect()
}

fn form(world: &World, provider: Provider, request: &Request) -> String {
    let hidden: String = request
        .query
        .iter()
        .map(|(k, v)| format!("<input type=hidden name=\"{}\" value=\"{}\">", html(k), html(v)))
        .collect();
    let people: String =
        world.accounts.iter().map(|a| format!("<option value=\"{0}\">{0}</option>", html(&a.name))).collect();
    let scopes = html(&split(request.query("scope").unwrap_or_default()).join(" "));
    format!(
        "<!doctype html><title>{provider:?} (simulated)</title><h1>{provider:?}: allow access?</h1>\
         <form method=get action=\"{}\">{hidden}<p>Account <select name=sim_account>{people}</select>\
         <p>Scopes <input name=sim_scopes size=80 value=\"{scopes}\"><p><button>Allow</button> \
         <button name=sim_deny value=1>Deny</button></form>",
        html(&request.path)
    )
}

fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}
