//! A YouTube life, its guards, its quota.

use std::time::Duration;

use platform_sim::{Action, Limits, Options};
use serde_json::{Value, json};

use crate::{
    client::{Client, Got, broadcast, until},
    media::{Live, Shape},
};

const PARTS: &str = "part=id,snippet,contentDetails,status";

pub(crate) struct Channel<'a> {
    pub client: &'a Client,
    pub token: String,
}

impl<'a> Channel<'a> {
    pub async fn of(client: &'a Client, person: &str) -> Self {
        Self { client, token: client.google(person).await["access_token"].as_str().unwrap().to_owned() }
    }

    pub async fn call(&self, method: &str, path: &str, body: Value) -> Got {
        self.client.bearer(method, &format!("/youtube/v3{path}"), &self.token, body).await
    }

    /// A broadcast with a bound stream: its id, the stream's id, server and key.
    pub async fn prepare(&self, details: Value) -> (String, String, String, String) {
        let body = broadcast(self.client, details);
        let id = self.call("POST", &format!("/liveBroadcasts?{PARTS}"), body).await.is(200).text("/id");
        let body = json!({"snippet": {"title": "s"}, "cdn": {"ingestionType": "rtmp", "resolution": "variable", "frameRate": "variable"}});
        let stream = self.call("POST", "/liveStreams?part=id,snippet,cdn,contentDetails,status", body).await.is(200);
        let path = format!("/liveBroadcasts/bind?id={id}&streamId={}&{PARTS}", stream.text("/id"));
        let bound = self.call("POST", &path, Value::Null).await.is(200);
        assert_eq!(bound.text("/status/lifeCycleStatus"), "ready");
        let info = "/cdn/ingestionInfo";
        (
            id,
            stream.text("/id"),
            stream.text(&format!("{info}/rtmpsIngestionAddress")),
            stream.text(&format!("{info}/streamName")),
        )
    }

    pub async fn transition(&self, id: &str, to: &str) -> Got {
        let path = format!("/liveBroadcasts/transition?id={id}&broadcastStatus={to}&{PARTS}");
        self.call("POST", &path, Value::Null).await
    }

    pub async fn life(&self, id: &str) -> String {
        let found = self.call("GET", &format!("/liveBroadcasts?part=status&id={id}"), Value::Null).await.is(200);
        found.text("/items/0/status/lifeCycleStatus")
    }

    pub async fn until_life(&self, id: &str, life: &str) {
        until("the broadcast", || self.life(id), |now| now == life).await;
    }

    pub async fn stream(&self, id: &str) -> Value {
        let found = self.call("GET", &format!("/liveStreams?part=status&id={id}"), Value::Null).await.is(200);
        found.body["items"][0]["status"].clone()
    }

    pub async fn until_flow(&self, id: &str, flow: &str) {
        until("the stream", || self.stream(id), |status| status["streamStatus"] == flow).await;
    }
}

#[tokio::test]
async fn a_broadcast_lives_because_media_arrives() {
    let client = Client::start().await;
    let channel = Channel::of(&client, "alice").await;
    let (id, stream, server, key) = channel.prepare(json!({"monitorStream": {"enableMonitorStream": true}})).await;
    assert_eq!(channel.stream(&stream).await, json!({"streamStatus": "ready", "healthStatus": {"status": "noData"}}));
    assert_eq!(channel.transition(&id, "testing").await.reason(), (403, "errorStreamInactive".to_owned()));

    let live = Live::start(&server, &key, Shape::default()).await.unwrap();
    channel.until_flow(&stream, "active").await;
    assert_eq!(channel.transition(&id, "live").await.reason(), (403, "invalidTransition".to_owned()));
    assert_eq!(channel.transition(&id, "testing").await.is(200).text("/status/lifeCycleStatus"), "testStarting");
    channel.until_life(&id, "testing").await;
    assert_eq!(channel.transition(&id, "live").await.is(200).text("/status/lifeCycleStatus"), "liveStarting");
    channel.until_life(&id, "live").await;
    assert_eq!(channel.transition(&id, "live").await.reason(), (403, "redundantTransition".to_owned()));

    let details = async || {
        let path = format!("/videos?part=liveStreamingDetails&id={id}");
        channel.call("GET", &path, Value::Null).await.is(200).body["items"][0]["liveStreamingDetails"].clone()
    };
    let shown = until("viewers", details, |details| details.get("concurrentViewers").is_some()).await;
    assert!(shown["concurrentViewers"].as_str().unwrap().parse::<u32>().unwrap() > 0);
    let health = async || channel.stream(&stream).await["healthStatus"]["status"].clone();
    until("health", health, |health| health == "good").await;

    assert_eq!(channel.transition(&id, "complete").await.is(200).text("/status/recordingStatus"), "recorded");
    live.finish().await.unwrap();
    channel.until_flow(&stream, "inactive").await;
    let publishes = client.sim.publishes();
    assert_eq!((publishes.len(), publishes[0].clean, publishes[0].began_with_keyframe), (1, true, Some(true)));
}

#[tokio::test]
async fn auto_start_and_auto_stop_need_no_transition() {
    let client = Client::start().await;
    let channel = Channel::of(&client, "bob").await;
    let details =
        json!({"enableAutoStart": true, "enableAutoStop": true, "monitorStream": {"enableMonitorStream": false}});
    let (id, stream, server, key) = channel.prepare(details).await;
    let live = Live::start(&server, &key, Shape { gop_frames: 200, audio: false }).await.unwrap();
    channel.until_life(&id, "live").await;
    let issues = async || channel.stream(&stream).await["healthStatus"].clone();
    let bad =
        until("health", issues, |health| health["configurationIssues"].as_array().is_some_and(|all| all.len() > 1))
            .await;
    assert_eq!((&bad["status"], &bad["configurationIssues"][0]["type"]), (&json!("bad"), &json!("noAudioStream")));
    live.finish().await.unwrap();
    channel.until_life(&id, "complete").await;
}

#[tokio::test]
async fn writes_are_checked() {
    let client = Client::start().await;
    let channel = Channel::of(&client, "alice").await;
    let check = async |method: &str, path: &str, body: Value, status: u16, reason: &str| {
        let got = channel.call(method, path, body).await;
        assert_eq!(got.reason(), (status, reason.to_owned()), "{method} {path}: {}", got.body);
    };
    let good = broadcast(&client, json!({}));
    check("POST", "/liveBroadcasts", good.clone(), 400, "missingRequiredParameter").await;
    check("POST", "/liveBroadcasts?part=snippet,status", good.clone(), 400, "unexpectedPart").await;
    let mut untitled = good.clone();
    untitled["snippet"]["title"] = Value::Null;
    check("POST", &format!("/liveBroadcasts?{PARTS}"), untitled, 400, "titleRequired").await;
    check("GET", "/liveBroadcasts?part=id&mine=true&id=x", Value::Null, 400, "incompatibleParameters").await;
    check("POST", &format!("/liveBroadcasts/bind?id=x&{PARTS}"), Value::Null, 404, "liveBroadcastNotFound").await;
    check("POST", "/liveStreams?part=snippet", json!({"snippet": {"title": "t"}}), 400, "cdnRequired").await;

    let (id, stream, ..) = channel.prepare(json!({"enableDvr": false})).await;
    check(
        "POST",
        &format!("/liveBroadcasts/transition?id={id}&broadcastStatus=complete&{PARTS}"),
        Value::Null,
        403,
        "invalidTransition",
    )
    .await;
    check("DELETE", &format!("/liveStreams?id={stream}"), Value::Null, 403, "liveStreamDeletionNotAllowed").await;
    let cdn = json!({"id": stream, "cdn": {"ingestionType": "rtmp", "resolution": "720p", "frameRate": "variable"}});
    check("PUT", "/liveStreams?part=cdn", cdn, 403, "liveStreamModificationNotAllowed").await;
    let other = Channel::of(&client, "bob").await;
    let path = format!("/liveBroadcasts/transition?id={id}&broadcastStatus=live&{PARTS}");
    assert_eq!(other.call("POST", &path, Value::Null).await.status, 403);

    // An update replaces every field of the parts it names: what is left out falls back to its default.
    let update = json!({"id": id, "contentDetails": {"monitorStream": {"enableMonitorStream": false}}});
    let updated = channel.call("PUT", "/liveBroadcasts?part=contentDetails", update).await.is(200);
    assert_eq!(updated.body["contentDetails"]["enableDvr"], true);
    client.sim.set_flags("alice", |flags| flags.youtube_live_enabled = false);
    check("POST", &format!("/liveBroadcasts?{PARTS}"), good, 403, "liveStreamingNotEnabled").await;
    channel.call("DELETE", &format!("/liveBroadcasts?id={id}"), Value::Null).await.is(204);
}

#[tokio::test]
async fn lists_come_in_pages() {
    let client = Client::start().await;
    let channel = Channel::of(&client, "alice").await;
    for _ in 0..7 {
        channel.call("POST", &format!("/liveBroadcasts?{PARTS}"), broadcast(&client, json!({}))).await.is(200);
    }
    let first = channel.call("GET", "/liveBroadcasts?part=id&broadcastStatus=upcoming", Value::Null).await.is(200);
    assert_eq!(first.body["items"].as_array().unwrap().len(), 5);
    let path = format!("/liveBroadcasts?part=id&broadcastStatus=upcoming&pageToken={}", first.text("/nextPageToken"));
    let second = channel.call("GET", &path, Value::Null).await.is(200);
    assert_eq!((second.body["items"].as_array().unwrap().len(), second.body.get("nextPageToken")), (2, None));
}

#[tokio::test]
async fn quota_ends_and_comes_back_at_pacific_midnight() {
    let limits = Limits { youtube_units: 101, ..Limits::default() };
    let client = Client::with(Options { limits, ..Options::default() }).await;
    let channel = Channel::of(&client, "alice").await;
    let list = async || channel.call("GET", "/liveBroadcasts?part=id&mine=true", Value::Null).await;
    client.sim.act(&Action::SetYoutubeQuota { used: 100 }).unwrap();
    list().await.is(200);
    let refused = list().await;
    assert_eq!(refused.reason(), (403, "quotaExceeded".to_owned()));
    assert_eq!(refused.text("/error/errors/0/domain"), "youtube.quota");
    client.sim.advance(Duration::from_secs(86_400));
    let again = Channel::of(&client, "alice").await;
    again.call("GET", "/liveBroadcasts?part=id&mine=true", Value::Null).await.is(200);
    assert_eq!(client.sim.state()["youtube"]["quota"]["refused"], 1);
}

#[tokio::test]
async fn a_stuck_transition_ends_only_by_deletion() {
    let client = Client::start().await;
    let channel = Channel::of(&client, "alice").await;
    client.sim.set_flags("alice", |flags| flags.youtube_stuck_transitions = true);
    let (id, stream, server, key) = channel.prepare(json!({"monitorStream": {"enableMonitorStream": false}})).await;
    let live = Live::start(&server, &key, Shape::default()).await.unwrap();
    channel.until_flow(&stream, "active").await;
    channel.transition(&id, "live").await.is(200);
    let delete = async || channel.call("DELETE", &format!("/liveBroadcasts?id={id}"), Value::Null).await;
    assert_eq!(delete().await.reason().1, "liveBroadcastDeletionNotAllowed");
    client.sim.advance(Duration::from_secs(61));
    assert_eq!(channel.life(&id).await, "liveStarting");
    delete().await.is(204);
    live.finish().await.unwrap();
}
