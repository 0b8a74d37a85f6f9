//! A Facebook life on a Page, and its refusals.

use std::time::Duration;

use platform_sim::{Limits, Options};
use serde_json::{Value, json};

use crate::{
    client::{Client, until},
    media::Live,
};

async fn status(client: &Client, token: &str, id: &str) -> String {
    client.graph("GET", &format!("/{id}"), token, &[("fields", "status")]).await.is(200).text("/status")
}

#[tokio::test]
async fn unpublished_until_media_flows_then_live_then_vod() {
    let client = Client::start().await;
    let (page, token) = client.page(&client.facebook("alice").await).await;
    let body = [("status", "UNPUBLISHED"), ("title", "Show"), ("privacy", r#"{"value":"SELF"}"#)];
    let created = client.graph("POST", &format!("/{page}/live_videos"), &token, &body).await.is(200);
    assert!(!created.header("x-business-use-case-usage").is_empty());
    let (id, url) = (created.text("/id"), created.text("/secure_stream_url"));
    let live = Live::to(&url).await.unwrap();
    let fields = "status,live_views,permalink_url,embed_html,ingest_streams{stream_health},video{id}";
    let object = async || client.graph("GET", &format!("/{id}"), &token, &[("fields", fields)]).await.is(200).body;
    let bitrate = |object: &Value| object["ingest_streams"][0]["stream_health"]["video_bitrate"].as_u64();
    let seen = until("ingest", object, |object| bitrate(object) > Some(0)).await;
    assert_eq!(seen["status"], "UNPUBLISHED");
    client.graph("POST", &format!("/{id}"), &token, &[("status", "LIVE_NOW")]).await.is(200);
    until("live", object, |object| object["status"] == "LIVE" && object["live_views"].as_u64() > Some(0)).await;
    client.graph("POST", &format!("/{id}"), &token, &[("end_live_video", "true")]).await.is(200);
    assert!(live.ended().await.is_err());
    until("vod", || status(&client, &token, &id), |status| status == "VOD").await;
    assert!(Live::to(&url).await.is_err());
}

#[tokio::test]
async fn a_lost_signal_is_reported_and_a_reconnect_goes_on() {
    let client = Client::start().await;
    let (page, token) = client.page(&client.facebook("alice").await).await;
    let created =
        client.graph("POST", &format!("/{page}/live_videos"), &token, &[("status", "LIVE_NOW")]).await.is(200);
    let (id, url) = (created.text("/id"), created.text("/secure_stream_url"));
    assert_eq!(status(&client, &token, &id).await, "LIVE_NOW");
    let live = Live::to(&url).await.unwrap();
    until("live", || status(&client, &token, &id), |status| status == "LIVE").await;
    live.finish().await.unwrap();
    let errors = async || {
        client.graph("GET", &format!("/{id}"), &token, &[("fields", "errors")]).await.body["errors"]["data"].clone()
    };
    until("the loss", errors, |data| data[0]["error_code"] == 1_969_004).await;
    let again = Live::to(&url).await.unwrap();
    client.sim.advance(Duration::from_secs(1));
    assert_eq!(status(&client, &token, &id).await, "LIVE");
    again.finish().await.unwrap();
    until("vod", || status(&client, &token, &id), |status| status == "VOD").await;
}

#[tokio::test]
async fn schedules_expire_or_are_cancelled() {
    let client = Client::start().await;
    let (page, token) = client.page(&client.facebook("alice").await).await;
    let path = format!("/{page}/live_videos");
    let at = (client.sim.now_ms() / 1_000 + 3_600).to_string();
    let create = async || {
        let body = [("status", "SCHEDULED_UNPUBLISHED"), ("event_params", at.as_str())];
        client.graph("POST", &path, &token, &body).await.is(200).text("/id")
    };
    let (expired, cancelled) = (create().await, create().await);
    let old = client.graph("POST", &path, &token, &[("planned_start_time", &at)]).await.is(400);
    assert_eq!(old.body["error"]["code"], 100);
    client.graph("POST", &format!("/{cancelled}"), &token, &[("status", "SCHEDULED_CANCELED")]).await.is(200);
    client.sim.advance(Duration::from_secs(3_600 + 601));
    assert_eq!(status(&client, &token, &expired).await, "SCHEDULED_EXPIRED");
    assert_eq!(status(&client, &token, &cancelled).await, "SCHEDULED_CANCELED");
    let list = [("broadcast_status", r#"["SCHEDULED_CANCELED"]"#), ("fields", "id,status")];
    let listed = client.graph("GET", &path, &token, &list).await.is(200);
    assert_eq!(listed.body["data"], json!([{"id": cancelled, "status": "SCHEDULED_CANCELED"}]));
}

#[tokio::test]
async fn refusals_carry_codes() {
    let client =
        Client::with(Options { limits: Limits { facebook_calls: 8, ..Limits::default() }, ..Options::default() }).await;
    let user = client.facebook("alice").await;
    let pages = client.graph("GET", "/me/accounts", &user, &[]).await.is(200);
    let (page, token) = (pages.text("/data/0/id"), pages.text("/data/0/access_token"));
    let code = |got: &crate::client::Got| got.body["error"]["code"].clone();
    let reader = client
        .graph("POST", &format!("/{}/live_videos", pages.text("/data/1/id")), &pages.text("/data/1/access_token"), &[])
        .await;
    assert_eq!(code(&reader), 200);
    let unknown = client.graph("GET", "/7000000000000000", &token, &[]).await.is(400);
    assert_eq!(unknown.body["error"]["error_subcode"], 33);
    client.sim.set_flags("alice", |flags| flags.facebook_few_followers = true);
    let few = client.graph("POST", &format!("/{page}/live_videos"), &token, &[]).await;
    assert_eq!(few.body["error"]["error_subcode"], 1_363_144);
    let mut last = few;
    for _ in 0..8 {
        last = client.graph("GET", "/me", &token, &[("fields", "name")]).await;
    }
    assert_eq!(code(&last), 80_001);
    assert!(last.header("x-business-use-case-usage").contains("estimated_time_to_regain_access"));
    for _ in 0..8 {
        last = client.graph("GET", "/me", &user, &[("fields", "name")]).await;
    }
    assert_eq!(code(&last), 4);
}
