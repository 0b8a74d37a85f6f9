//! A Cloudflare life, its envelope and limits.

use std::time::Duration;

use platform_sim::{Limits, Options};
use serde_json::{Value, json};

use crate::{
    client::{Client, Got, until},
    media::{Live, Shape},
};

pub(crate) struct Account<'a> {
    pub client: &'a Client,
    id: String,
    token: String,
}

impl<'a> Account<'a> {
    pub fn of(client: &'a Client, person: &str) -> Self {
        let (id, token) = client.cloudflare(person);
        Self { client, id, token }
    }

    pub async fn call(&self, method: &str, path: &str, body: Value) -> Got {
        let path = format!("/cloudflare/client/v4/accounts/{}/stream{path}", self.id);
        self.client.bearer(method, &path, &self.token, body).await
    }

    async fn lifecycle(&self, uid: &str) -> Value {
        self.client.get(&format!("/cloudflare-customer/{uid}/lifecycle")).await.is(200).body
    }
}

#[tokio::test]
async fn an_input_is_live_and_recorded_while_media_flows() {
    let client = Client::start().await;
    let account = Account::of(&client, "alice");
    let body = json!({"meta": {"name": "show"}, "recording": {"mode": "automatic", "timeoutSeconds": 1}});
    let input = account.call("POST", "/live_inputs", body).await.is(200);
    assert_eq!((&input.body["success"], &input.body["result"]["status"]), (&json!(true), &Value::Null));
    let uid = input.text("/result/uid");
    let (server, key) = (input.text("/result/rtmps/url"), input.text("/result/rtmps/streamKey"));
    let listed = account.call("GET", "/live_inputs", Value::Null).await.is(200);
    assert!(listed.body["result"]["liveInputs"][0].get("rtmps").is_none());

    let live = Live::start(&server, &key, Shape::default()).await.unwrap();
    until("live", || account.lifecycle(&uid), |cycle| cycle["live"] == true && cycle["videoUID"].is_string()).await;
    let views =
        async || client.get(&format!("/cloudflare-customer/{uid}/views")).await.is(200).body["liveViewers"].as_u64();
    until("viewers", views, |views| *views > Some(0)).await;
    let input = account.call("GET", &format!("/live_inputs/{uid}"), Value::Null).await.is(200);
    assert_eq!(input.text("/result/status"), "connected");
    let videos = async || {
        account.call("GET", &format!("/live_inputs/{uid}/videos"), Value::Null).await.is(200).body["result"].clone()
    };
    assert_eq!(videos().await[0]["status"]["state"], "live-inprogress");

    live.finish().await.unwrap();
    until("offline", || account.lifecycle(&uid), |cycle| cycle["live"] == false).await;
    let again = Live::start(&server, &key, Shape::default()).await.unwrap();
    until("live again", || account.lifecycle(&uid), |cycle| cycle["live"] == true).await;
    assert_eq!(videos().await.as_array().unwrap().len(), 1);
    account.call("PUT", &format!("/live_inputs/{uid}"), json!({"enabled": false})).await.is(200);
    assert!(again.ended().await.is_err());
    assert!(Live::start(&server, &key, Shape::default()).await.is_err());
    until("the recording", videos, |videos| videos[0]["status"]["state"] == "ready").await;
    let deleted = account.call("DELETE", &format!("/live_inputs/{uid}"), Value::Null).await.is(200);
    assert_eq!(deleted.body, Value::Null);
    account.call("GET", &format!("/live_inputs/{uid}"), Value::Null).await.is(404);
}

#[tokio::test]
async fn tokens_accounts_and_keys() {
    let client = Client::start().await;
    let (alice, bob) = (Account::of(&client, "alice"), Account::of(&client, "bob"));
    let stranger = Account { client: &client, id: alice.id.clone(), token: bob.token.clone() };
    let refused = stranger.call("GET", "/live_inputs", Value::Null).await.is(403);
    assert_eq!(refused.body["errors"][0], json!({"code": 10_000, "message": "Authentication error"}));
    let nobody = Account { client: &client, id: alice.id.clone(), token: "x".to_owned() };
    nobody.call("GET", "/live_inputs", Value::Null).await.is(401);
    client.bearer("GET", "/cloudflare/client/v4/user/tokens/verify", &alice.token, Value::Null).await.is(200);

    let input = alice.call("POST", "/live_inputs", json!({})).await.is(200);
    let uid = input.text("/result/uid");
    let rotated = alice.call("POST", &format!("/live_inputs/{uid}/rotate_keys"), Value::Null).await.is(200);
    assert_ne!(input.text("/result/rtmps/streamKey"), rotated.text("/result/rtmps/streamKey"));
    let old =
        Live::start(&input.text("/result/rtmps/url"), &input.text("/result/rtmps/streamKey"), Shape::default()).await;
    assert!(old.is_err());
    client.sim.set_flags("alice", |flags| flags.cloudflare_read_only = true);
    alice.call("POST", "/live_inputs", json!({})).await.is(403);
    alice.call("GET", "/live_inputs", Value::Null).await.is(200);
}

#[tokio::test]
async fn too_many_calls_block_for_five_minutes() {
    let limits = Limits { cloudflare_calls: 2, cloudflare_outputs: 1, ..Limits::default() };
    let client = Client::with(Options { limits, ..Options::default() }).await;
    let account = Account::of(&client, "alice");
    let list = async || account.call("GET", "/live_inputs", Value::Null).await;
    list().await.is(200);
    list().await.is(200);
    let blocked = list().await.is(429);
    assert_eq!((blocked.header("retry-after"), &blocked.body["success"]), ("300", &json!(false)));
    client.sim.advance(Duration::from_secs(299));
    list().await.is(429);
    client.sim.advance(Duration::from_secs(2));
    list().await.is(200);
}
