//! Sign-in at all providers, and how grants die.

use std::time::Duration;

use platform_sim::{Action, Consent};
use serde_json::{Value, json};

use crate::client::{Client, GOOGLE, REDIRECT, TWITCH, YOUTUBE_SCOPE};

const GOOGLE_PAGE: &str = "/google-oauth/o/oauth2/v2/auth";

async fn google_refresh(client: &Client, token: &str) -> crate::client::Got {
    let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
    client.form("/google-oauth/token", &[&form[..], GOOGLE].concat()).await
}

#[tokio::test]
async fn google_gives_a_refresh_token_once_and_does_not_rotate_it() {
    let client = Client::start().await;
    let pairs = [("client_id", "sim-google-client"), ("scope", YOUTUBE_SCOPE), ("access_type", "offline")];
    let code = client.code(GOOGLE_PAGE, &pairs, &Consent::default());
    let first = client.google_exchange(&code, &[]).await.is(200);
    assert_eq!(client.google_exchange(&code, &[]).await.is(400).text("/error"), "invalid_grant");
    let refresh = first.text("/refresh_token");
    assert!(!refresh.is_empty());

    let code = client.code(GOOGLE_PAGE, &pairs, &Consent::default());
    assert_eq!(client.google_exchange(&code, &[]).await.is(200).body.get("refresh_token"), None);
    let refreshed = google_refresh(&client, &refresh).await.is(200);
    assert_eq!(refreshed.body.get("refresh_token"), None);

    client.form("/google-oauth/revoke", &[("token", &refreshed.text("/access_token"))]).await.is(200);
    let dead = google_refresh(&client, &refresh).await.is(400);
    assert_eq!(dead.body, json!({"error": "invalid_grant", "error_description": "Token has been expired or revoked."}));
}

#[tokio::test]
async fn google_checks_the_redirect_the_secret_and_the_verifier() {
    let client = Client::start().await;
    let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let pairs = [
        ("client_id", "sim-google-client"),
        ("scope", YOUTUBE_SCOPE),
        ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        ("code_challenge_method", "S256"),
    ];
    let code = client.code(GOOGLE_PAGE, &pairs, &Consent::default());
    let form = [("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", "https://app.example/other")];
    let got = client.form("/google-oauth/token", &[&form[..], GOOGLE].concat()).await.is(400);
    assert_eq!(got.text("/error"), "redirect_uri_mismatch");
    let wrong = [("client_id", "sim-google-client"), ("client_secret", "no")];
    assert_eq!(
        client.form("/google-oauth/token", &[&form[..], &wrong].concat()).await.is(401).text("/error"),
        "invalid_client"
    );
    client.google_exchange(&code, &[("code_verifier", "wrong")]).await.is(400);
    client.google_exchange(&code, &[("code_verifier", verifier)]).await.is(200);
}

#[tokio::test]
async fn consent_pages_redirect_refuse_and_reduce() {
    let client = Client::start().await;
    let page = format!(
        "{GOOGLE_PAGE}?client_id=sim-google-client&response_type=code&redirect_uri={REDIRECT}&state=xyz&scope=a%20b"
    );
    let location = |got: crate::client::Got| url::Url::parse(got.is(302).header("location")).unwrap();
    let pairs = |url: url::Url| url.query_pairs().into_owned().collect::<Vec<_>>();
    let agreed = pairs(location(client.get(&page).await));
    assert!(agreed.contains(&("state".into(), "xyz".into())) && agreed.contains(&("scope".into(), "a b".into())));
    let reduced = pairs(location(client.get(&format!("{page}&sim_account=bob&sim_scopes=b")).await));
    assert!(reduced.contains(&("scope".into(), "b".into())));
    let denied = pairs(location(client.get(&format!("{page}&sim_deny=1")).await));
    assert_eq!(denied, [("error".into(), "access_denied".into()), ("state".to_string(), "xyz".to_string())]);
    client.get(&page.replace("sim-google-client", "other")).await.is(400);
}

#[tokio::test]
async fn twitch_rotates_refresh_tokens_or_keeps_them() {
    let client = Client::start().await;
    let refresh = async |token: &str| {
        let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
        client.form("/twitch-id/oauth2/token", &[&form[..], TWITCH].concat()).await
    };
    let pair = client.twitch("alice").await;
    assert!(pair["scope"].is_array());
    let old = pair["refresh_token"].as_str().unwrap().to_owned();
    let new = refresh(&old).await.is(200).text("/refresh_token");
    assert_ne!(old, new);
    let dead = refresh(&old).await.is(400);
    assert_eq!(dead.body, json!({"status": 400, "message": "Invalid refresh token"}));
    client.sim.set_flags("alice", |flags| flags.twitch_rotates_refresh_tokens = false);
    let kept = refresh(&new).await.is(200);
    assert_eq!(kept.text("/refresh_token"), new);

    let validate = async |token: &str| {
        client
            .send(client.at("GET", "/twitch-id/oauth2/validate").header("authorization", format!("OAuth {token}")))
            .await
    };
    let token = kept.text("/access_token");
    assert_eq!(validate(&token).await.is(200).text("/login"), "alice");
    client.form("/twitch-id/oauth2/revoke", &[("client_id", "sim-twitch-client"), ("token", &token)]).await.is(200);
    validate(&token).await.is(401);
    refresh(&new).await.is(400);
}

#[tokio::test]
async fn facebook_exchanges_and_expires() {
    let client = Client::start().await;
    let pairs = [("client_id", "sim-facebook-client"), ("scope", "pages_show_list,publish_video")];
    let code = client.code("/facebook-dialog/v26.0/dialog/oauth", &pairs, &Consent::of("bob"));
    let short = client.facebook_token(&[("code", &code), ("redirect_uri", REDIRECT)]).await.is(200);
    let used = client.facebook_token(&[("code", &code), ("redirect_uri", REDIRECT)]).await.is(400);
    assert_eq!(used.body["error"]["error_subcode"], 36_009);
    assert!(used.header("www-authenticate").contains("invalid_code"));
    let short = short.text("/access_token");
    let exchange = [("grant_type", "fb_exchange_token"), ("fb_exchange_token", short.as_str())];
    let long = client.facebook_token(&exchange).await.is(200);
    assert_eq!(long.body["expires_in"], 5_183_944);
    let (_, page) = client.page(&long.text("/access_token")).await;

    client.sim.advance(Duration::from_secs(6 * 3_600));
    let expired = client.facebook_token(&exchange).await.is(400);
    assert_eq!((&expired.body["error"]["code"], &expired.body["error"]["error_subcode"]), (&json!(190), &json!(463)));
    let inspect = [("input_token", page.as_str()), ("access_token", "sim-facebook-client|sim-facebook-secret-4fQz81")];
    let inspected = client.send(client.at("GET", "/graph/v26.0/debug_token").query(&inspect)).await.is(200);
    assert_eq!(inspected.body["data"]["expires_at"], 0);
    assert_eq!(inspected.body["data"]["is_valid"], true);

    let action = Action::Revoke { provider: "facebook".to_owned(), account: "bob".to_owned(), subcode: Some(460) };
    client.sim.act(&action).unwrap();
    let dead = client.graph("GET", "/me", &page, &[]).await.is(400);
    assert_eq!(dead.body["error"]["error_subcode"], 460);
}

#[tokio::test]
async fn tokens_expire_on_the_simulators_clock() {
    let client = Client::start().await;
    let google = client.google("alice").await;
    let token = google["access_token"].as_str().unwrap();
    let channels = "/youtube/v3/channels?part=snippet&mine=true";
    assert_eq!(
        client.bearer("GET", channels, token, Value::Null).await.is(200).text("/items/0/snippet/title"),
        "Alice on YouTube"
    );
    client.sim.advance(Duration::from_secs(3_600));
    let expired = client.bearer("GET", channels, token, Value::Null).await;
    assert_eq!(expired.reason(), (401, "authError".to_owned()));
    assert!(expired.header("www-authenticate").contains("invalid_token"));
    let fresh = google_refresh(&client, google["refresh_token"].as_str().unwrap()).await.is(200);
    client.bearer("GET", channels, &fresh.text("/access_token"), Value::Null).await.is(200);
}
