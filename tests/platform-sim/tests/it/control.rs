//! The control API, as a process elsewhere uses it.

use serde_json::{Value, json};

use crate::{client::Client, youtube::Channel};

#[tokio::test]
async fn everything_can_be_steered_over_http() {
    let client = Client::start().await;
    let post = async |path: &str, body: Value| client.send(client.at("POST", path).json(&body)).await;
    post("/__sim/faults", json!({"path": "/helix/*", "status": 500})).await.is(200);
    let token = client.twitch("alice").await["access_token"].as_str().unwrap().to_owned();
    client.helix("GET", "/users", &token, Value::Null).await.is(500);
    assert_eq!(client.get("/__sim/faults").await.body[0]["used"], 1);
    post("/__sim/faults", json!({"path": "/x", "typo": 1})).await.is(400);

    let before = client.get("/__sim/clock").await.body["now_ms"].as_i64().unwrap();
    let after = post("/__sim/clock", json!({"advance_ms": 3_600_000})).await.is(200).body["now_ms"].as_i64().unwrap();
    assert!(after - before >= 3_600_000);
    post("/__sim/clock", json!({"advance_ms": -1})).await.is(400);

    post("/__sim/accounts", json!({"name": "carol", "consent_as": "carol"})).await.is(200);
    let flags =
        client.send(client.at("PATCH", "/__sim/accounts/carol").json(&json!({"youtube_channel": false}))).await.is(200);
    assert_eq!(flags.body["flags"]["youtube_channel"], false);
    let channel = Channel::of(&client, "carol").await;
    let refused = channel.call("GET", "/channels?part=id&mine=true", Value::Null).await;
    assert_eq!(refused.reason(), (401, "youtubeSignupRequired".to_owned()));
    post("/__sim/state", json!({"action": "revoke", "provider": "google", "account": "carol"})).await.is(200);
    assert_eq!(channel.call("GET", "/channels?part=id&mine=true", Value::Null).await.reason().1, "authError");

    let journal = client.get("/__sim/journal?path=/youtube").await.is(200);
    assert_eq!(journal.body.as_array().unwrap().len(), 2);
    post("/__sim/reset", json!({})).await.is(200);
    assert_eq!(client.get("/__sim/journal").await.body, json!([]));
    client.get("/__sim/nothing").await.is(404);
}

#[tokio::test]
async fn the_journal_holds_no_secret() {
    let client = Client::start().await;
    let channel = Channel::of(&client, "alice").await;
    channel.prepare(json!({})).await;
    client.twitch("alice").await;
    client.page(&client.facebook("alice").await).await;
    let (account, token) = client.cloudflare("alice");
    let path = format!("/cloudflare/client/v4/accounts/{account}/stream/live_inputs");
    client.bearer("POST", &path, &token, json!({})).await.is(200);
    let journal = serde_json::to_string(&client.sim.journal()).unwrap();
    let secrets = client.sim.secrets();
    assert!(secrets.len() > 15);
    for secret in secrets {
        assert!(!journal.contains(&secret), "{secret}");
    }
}
