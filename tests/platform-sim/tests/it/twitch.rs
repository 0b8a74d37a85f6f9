//! A Twitch life: the key, the channel, presence, limits.

use platform_sim::{Action, Limits, Options};
use serde_json::{Value, json};

use crate::{
    client::{Client, until},
    media::{Live, Shape},
};

async fn presence(client: &Client, token: &str, user: &str) -> Value {
    client.helix("GET", &format!("/streams?user_id={user}"), token, Value::Null).await.is(200).body["data"].clone()
}

#[tokio::test]
async fn publishing_is_going_live() {
    let client = Client::start().await;
    let token = client.twitch("alice").await["access_token"].as_str().unwrap().to_owned();
    let user = client.helix("GET", "/users", &token, Value::Null).await.is(200).text("/data/0/id");
    let key_path = format!("/streams/key?broadcaster_id={user}");
    let key = client.helix("GET", &key_path, &token, Value::Null).await.is(200).text("/data/0/stream_key");
    assert_eq!(client.helix("GET", &key_path, &token, Value::Null).await.text("/data/0/stream_key"), key);
    let change = json!({"title": "Hello", "game_id": "26936", "tags": ["English", "Music"]});
    client.helix("PATCH", &format!("/channels?broadcaster_id={user}"), &token, change).await.is(204);

    let ingests = client.get("/twitch-ingest/ingests").await.is(200);
    let server = ingests.text("/ingests/0/url_template_secure").replace("/{stream_key}", "");
    assert_eq!(presence(&client, &token, &user).await, json!([]));
    let live = Live::start(&server, &key, Shape::default()).await.unwrap();
    let shown =
        until("presence", || presence(&client, &token, &user), |data| data[0]["viewer_count"].as_u64() > Some(0)).await;
    assert_eq!((&shown[0]["title"], &shown[0]["game_name"]), (&json!("Hello"), &json!("Music")));
    live.finish().await.unwrap();
    until("absence", || presence(&client, &token, &user), |data| *data == json!([])).await;
}

#[tokio::test]
async fn a_bandwidth_test_is_not_shown_and_a_rotated_key_is_refused() {
    let client = Client::start().await;
    let token = client.twitch("alice").await["access_token"].as_str().unwrap().to_owned();
    let user = client.helix("GET", "/users", &token, Value::Null).await.is(200).text("/data/0/id");
    let path = format!("/streams/key?broadcaster_id={user}");
    let key = client.helix("GET", &path, &token, Value::Null).await.is(200).text("/data/0/stream_key");
    let server = format!("{}/app", client.sim.rtmp());
    let test = Live::start(&server, &format!("{key}?bandwidthtest=true"), Shape::default()).await.unwrap();
    let media = async || client.sim.publishes().first().and_then(|publish| publish.media_ms);
    until("media", media, Option::is_some).await;
    client.sim.advance(std::time::Duration::from_secs(60));
    assert_eq!(presence(&client, &token, &user).await, json!([]));
    client.sim.act(&Action::RotateTwitchKey { account: "alice".to_owned() }).unwrap();
    assert!(test.ended().await.is_err());
    assert!(Live::start(&server, &key, Shape::default()).await.is_err());
}

#[tokio::test]
async fn calls_are_checked() {
    let client = Client::start().await;
    let token = client.twitch("alice").await["access_token"].as_str().unwrap().to_owned();
    let request = client.at("GET", "/helix/users").bearer_auth(&token);
    assert_eq!(client.send(request).await.is(401).text("/message"), "Client ID is missing");
    client.helix("GET", "/streams/key?broadcaster_id=1", &token, Value::Null).await.is(401);
    let user = client.helix("GET", "/users", &token, Value::Null).await.text("/data/0/id");
    let path = format!("/channels?broadcaster_id={user}");
    client.helix("PATCH", &path, &token, json!({"title": ""})).await.is(400);
    client.helix("PATCH", &path, &token, json!({"tags": vec!["a"; 11]})).await.is(400);
    client.sim.set_flags("alice", |flags| flags.twitch_key_refused = Some("Finish two-factor setup".to_owned()));
    let refused =
        client.helix("GET", &format!("/streams/key?broadcaster_id={user}"), &token, Value::Null).await.is(403);
    assert_eq!(refused.text("/message"), "Finish two-factor setup");
}

#[tokio::test]
async fn the_bucket_empties_and_fills() {
    let limits = Limits { twitch_points: 3, ..Limits::default() };
    let client = Client::with(Options { limits, ..Options::default() }).await;
    let token = client.twitch("alice").await["access_token"].as_str().unwrap().to_owned();
    let call = async || client.helix("GET", "/users", &token, Value::Null).await;
    for left in ["2", "1", "0"] {
        assert_eq!(call().await.is(200).header("ratelimit-remaining"), left);
    }
    let refused = call().await.is(429);
    assert!(refused.header("ratelimit-reset").parse::<i64>().unwrap() > client.sim.now_ms() / 1_000);
    client.sim.advance(std::time::Duration::from_secs(60));
    call().await.is(200);
}
