//! Drives every operation of the OpenAPI files and holds the journal to them.

use platform_sim::{Fault, contract::Contract, errors};
use serde_json::{Value, json};

use crate::{
    client::{Client, broadcast},
    cloudflare::Account,
    youtube::Channel,
};

#[tokio::test]
async fn every_operation_keeps_the_contract() {
    let Some(contract) = Contract::find().unwrap() else { return };
    let client = Client::start().await;
    youtube(&client).await;
    twitch(&client).await;
    facebook(&client).await;
    cloudflare(&client).await;
    let journal = client.sim.journal();
    let violations = contract.violations(&journal);
    assert!(violations.is_empty(), "{}", violations.join("\n"));
    let covered = contract.covered(&journal);
    let missing: Vec<String> = contract.operations().difference(&covered).cloned().collect();
    assert!(missing.is_empty(), "never called with success: {missing:?}");
}

#[tokio::test]
async fn what_breaks_the_contract_is_found() {
    let Some(contract) = Contract::find().unwrap() else { return };
    let client = Client::start().await;
    let channel = Channel::of(&client, "alice").await;
    let mut body = broadcast(&client, json!({"enableDvrr": true}));
    body["status"]["privacyStatus"] = "unlisted".into();
    channel.call("POST", "/liveBroadcasts?part=id,snippet,contentDetails,status&misspelled=1", body).await.is(200);
    channel.call("GET", "/liveBroadcasts?part=id&mine=true&maxResults=few", Value::Null).await.is(400);
    let journal = client.sim.calls("POST", "/youtube/v3/liveBroadcasts");
    let mut places: Vec<String> = contract.check(&journal[0]).unwrap_err().into_iter().map(|v| v.place).collect();
    places.sort();
    assert_eq!(places, ["query misspelled", "request /contentDetails/enableDvrr"]);
    let list = client.sim.calls("GET", "/youtube/v3/liveBroadcasts");
    assert_eq!(contract.check(&list[0]).unwrap_err().len(), 1);
    let mut answer = journal[0].clone();
    answer.response_body["status"]["lifeCycleStatus"] = "sleeping".into();
    assert_eq!(contract.check(&answer).unwrap_err().len(), 3);
}

#[tokio::test]
async fn error_bodies_keep_the_contract() {
    let Some(contract) = Contract::find().unwrap() else { return };
    let client = Client::start().await;
    let quota = errors::youtube(403, "youtube.quota", "quotaExceeded", "Quota");
    for (path, status, body) in [
        ("/youtube/v3/liveBroadcasts?part=id&mine=true", 403, quota),
        ("/helix/users", 429, errors::twitch(429, "Too Many Requests")),
        ("/graph/v26.0/me/accounts", 400, errors::facebook(4, None, "(#4) Application request limit reached")),
        (
            "/cloudflare/client/v4/accounts/a/stream/live_inputs",
            403,
            errors::cloudflare(10_000, "Authentication error"),
        ),
    ] {
        client
            .sim
            .fault(Fault { path: path.split('?').next().unwrap().to_owned(), ..Fault::default() }.answer(status, body));
        let request = client.at("GET", path).bearer_auth("x").header("Client-Id", "y");
        client.send(request).await.is(status);
    }
    let mut journal = client.sim.journal();
    assert!(journal.iter().all(|entry| !entry.applied && entry.fault.is_some()));
    journal.iter_mut().for_each(|entry| entry.fault = None); // so that the answer is looked at, too
    assert_eq!(contract.violations(&journal), Vec::<String>::new());
}

async fn youtube(client: &Client) {
    let channel = Channel::of(client, "alice").await;
    let ok = async |method: &str, path: &str, body: Value| {
        let got = channel.call(method, path, body).await;
        assert!(got.status < 300, "{method} {path}: {}", got.body);
        got
    };
    ok("GET", "/channels?part=id,snippet,statistics&mine=true", Value::Null).await;
    let (id, stream, ..) =
        channel.prepare(json!({"enableAutoStart": true, "monitorStream": {"enableMonitorStream": false}})).await;
    let update = json!({"id": stream, "snippet": {"title": "renamed"}});
    ok("PUT", "/liveStreams?part=snippet", update).await;
    ok("GET", "/liveStreams?part=id,snippet,cdn,contentDetails,status&mine=true", Value::Null).await;
    let mut update = broadcast(
        client,
        json!({"monitorStream": {"enableMonitorStream": false}, "enableDvr": false, "enableAutoStart": true}),
    );
    update["id"] = id.clone().into();
    ok("PUT", "/liveBroadcasts?part=id,snippet,contentDetails,status", update).await;
    ok("GET", &format!("/liveBroadcasts?part=id,snippet,contentDetails,status,statistics&id={id}"), Value::Null).await;
    ok("GET", "/liveBroadcasts?part=status&broadcastStatus=upcoming&maxResults=50", Value::Null).await;
    ok("GET", &format!("/videos?part=snippet,status,statistics,liveStreamingDetails&id={id}"), Value::Null).await;
    ok(
        "PUT",
        "/videos?part=snippet,status",
        json!({"id": id, "snippet": {"title": "t", "categoryId": "22"}, "status": {"privacyStatus": "private"}}),
    )
    .await;
    let chat = ok("GET", &format!("/liveBroadcasts?part=snippet&id={id}"), Value::Null)
        .await
        .text("/items/0/snippet/liveChatId");
    let message = json!({"snippet": {"liveChatId": chat, "type": "textMessageEvent", "textMessageDetails": {"messageText": "hi"}}});
    let message = ok("POST", "/liveChat/messages?part=snippet", message).await.text("/id");
    ok("GET", &format!("/liveChat/messages?liveChatId={chat}&part=id,snippet,authorDetails"), Value::Null).await;
    ok("GET", &format!("/liveChat/messages/stream?liveChatId={chat}&part=snippet"), Value::Null).await;
    ok("DELETE", &format!("/liveChat/messages?id={message}"), Value::Null).await;
    let png = [&b"\x89PNG\r\n\x1a\n"[..], &[0; 100]].concat();
    let upload = format!("/upload/youtube/v3/thumbnails/set?videoId={id}&uploadType=media");
    let request = client.at("POST", &upload).bearer_auth(&channel.token).header("content-type", "image/png").body(png);
    client.send(request).await.is(200);
    let (server, key) = youtube_key(&channel, &stream).await;
    let live = crate::media::Live::start(&server, &key, crate::media::Shape::default()).await.unwrap();
    channel.until_life(&id, "live").await;
    ok("GET", &format!("/liveStreams?part=status&id={stream}"), Value::Null).await;
    channel.transition(&id, "complete").await.is(200);
    live.finish().await.unwrap();
    ok("DELETE", &format!("/liveBroadcasts?id={id}"), Value::Null).await;
    ok("DELETE", &format!("/liveStreams?id={stream}"), Value::Null).await;
    channel.transition("nothing", "live").await.is(404);
}

async fn youtube_key(channel: &Channel<'_>, stream: &str) -> (String, String) {
    let got = channel.call("GET", &format!("/liveStreams?part=cdn&id={stream}"), Value::Null).await.is(200);
    let info = "/items/0/cdn/ingestionInfo";
    (got.text(&format!("{info}/ingestionAddress")), got.text(&format!("{info}/streamName")))
}

async fn twitch(client: &Client) {
    let token = client.twitch("alice").await["access_token"].as_str().unwrap().to_owned();
    let ok = async |method: &str, path: &str, body: Value| {
        let got = client.helix(method, path, &token, body).await;
        assert!(got.status < 300, "{method} {path}: {}", got.body);
        got
    };
    let user = ok("GET", "/users", Value::Null).await.text("/data/0/id");
    let by = format!("broadcaster_id={user}");
    ok("PATCH", &format!("/channels?{by}"), json!({"title": "T", "tags": ["One"], "content_classification_labels": [{"id": "Gambling", "is_enabled": true}]})).await;
    ok("GET", &format!("/channels?{by}"), Value::Null).await;
    let key = ok("GET", &format!("/streams/key?{by}"), Value::Null).await.text("/data/0/stream_key");
    let live = crate::media::Live::start(&format!("{}/app", client.sim.rtmp()), &key, crate::media::Shape::default())
        .await
        .unwrap();
    let streams =
        async || ok("GET", &format!("/streams?user_id={user}&type=live"), Value::Null).await.body["data"].clone();
    crate::client::until("presence", streams, |data| data[0]["type"] == "live").await;
    live.finish().await.unwrap();
    ok("GET", "/search/categories?query=music&first=5", Value::Null).await;
    ok("GET", "/games?name=Music", Value::Null).await;
    ok("GET", "/content_classification_labels", Value::Null).await;
    ok("POST", "/chat/messages", json!({"broadcaster_id": user, "sender_id": user, "message": "hi"})).await;
    let subscription = json!({"type": "stream.online", "version": "1", "condition": {"broadcaster_user_id": user}, "transport": {"method": "websocket", "session_id": "s"}});
    let id = ok("POST", "/eventsub/subscriptions", subscription).await.text("/data/0/id");
    ok("GET", "/eventsub/subscriptions", Value::Null).await;
    ok("DELETE", &format!("/eventsub/subscriptions?id={id}"), Value::Null).await;
    client.helix("PATCH", &format!("/channels?{by}"), &token, json!({"title": ""})).await.is(400);
}

async fn facebook(client: &Client) {
    let user = client.facebook("alice").await;
    let (page, token) = client.page(&user).await;
    let ok = async |method: &str, path: &str, token: &str, parameters: &[(&str, &str)]| {
        let got = client.graph(method, path, token, parameters).await;
        assert!(got.status < 300, "{method} {path}: {}", got.body);
        got
    };
    ok("GET", "/me/permissions", &user, &[]).await;
    let me = ok("GET", "/me", &user, &[("fields", "id,name,picture")]).await.text("/id");
    let create = [
        ("status", "UNPUBLISHED"),
        ("title", "t"),
        ("description", "d"),
        ("privacy", r#"{"value":"SELF"}"#),
        ("enable_backup_ingest", "true"),
    ];
    ok("POST", &format!("/{me}/live_videos"), &user, &create).await;
    ok("GET", &format!("/{me}/live_videos"), &user, &[("fields", "id,status")]).await;
    let created = ok("POST", &format!("/{page}/live_videos"), &token, &create).await;
    let id = created.text("/id");
    ok("GET", &format!("/{page}/live_videos"), &token, &[("fields", "id,status,ingest_streams"), ("limit", "5")]).await;
    let live = crate::media::Live::to(&created.text("/stream_url")).await.unwrap();
    ok("POST", &format!("/{id}"), &token, &[("status", "LIVE_NOW")]).await;
    let fields = "status,title,embed_html,permalink_url,live_views,total_views,seconds_left,creation_time,broadcast_start_time,ingest_streams,recommended_encoder_settings,errors,video{id},dash_preview_url";
    let object = async || ok("GET", &format!("/{id}"), &token, &[("fields", fields)]).await.body;
    let object = crate::client::until("live", object, |object| object["status"] == "LIVE").await;
    let video = object["video"]["id"].as_str().unwrap().to_owned();
    ok("POST", &format!("/{id}/input_streams"), &token, &[]).await;
    ok("POST", &format!("/{video}/comments"), &token, &[("message", "hello")]).await;
    ok("GET", &format!("/{id}/comments"), &token, &[("filter", "stream"), ("order", "chronological")]).await;
    ok("GET", &format!("/{id}/errors"), &token, &[]).await;
    ok("GET", &format!("/{video}"), &token, &[("fields", "live_status,views")]).await;
    ok("GET", &format!("/{video}/video_insights"), &token, &[("metric", "total_video_views")]).await;
    ok("POST", &format!("/{id}"), &token, &[("end_live_video", "true")]).await;
    let _ = live.ended().await;
    ok("DELETE", &format!("/{id}"), &token, &[]).await;
    client.graph("GET", &format!("/{id}"), &token, &[]).await.is(400);
    let inspect = [("input_token", token.as_str())];
    ok("GET", "/debug_token", &user, &inspect).await;
    ok("DELETE", "/me/permissions", &user, &[]).await;
    client.graph("GET", "/me/permissions", &user, &[]).await.is(400);
}

async fn cloudflare(client: &Client) {
    let account = Account::of(client, "alice");
    let ok = async |method: &str, path: &str, body: Value| {
        let got = account.call(method, path, body).await;
        assert!(got.status < 300, "{method} {path}: {}", got.body);
        got
    };
    let (_, token) = client.cloudflare("alice");
    client.bearer("GET", "/cloudflare/client/v4/user/tokens/verify", &token, Value::Null).await.is(200);
    let body = json!({"meta": {"name": "show"}, "recording": {"mode": "automatic"}, "deleteRecordingAfterDays": 45, "preferLowLatency": true});
    let input = ok("POST", "/live_inputs", body).await;
    let at = format!("/live_inputs/{}", input.text("/result/uid"));
    let live = crate::media::Live::start(
        &input.text("/result/rtmps/url"),
        &input.text("/result/rtmps/streamKey"),
        crate::media::Shape::default(),
    )
    .await
    .unwrap();
    let videos = async || ok("GET", &format!("{at}/videos"), Value::Null).await.body["result"].clone();
    let videos = crate::client::until("a video", videos, |videos| videos[0]["uid"].is_string()).await;
    let video = videos[0]["uid"].as_str().unwrap().to_owned();
    ok("GET", &at, Value::Null).await;
    client.sim.set_flags("alice", |flags| flags.cloudflare_status_as_object = true);
    ok("GET", &at, Value::Null).await;
    ok("GET", "/live_inputs?include_counts=true", Value::Null).await;
    ok("GET", "?include_counts=true", Value::Null).await;
    ok("GET", &format!("/{video}"), Value::Null).await;
    ok("POST", &format!("/{video}/token"), json!({})).await;
    let output =
        ok("POST", &format!("{at}/outputs"), json!({"url": "rtmp://example.com/live", "streamKey": "k"})).await;
    let output = format!("{at}/outputs/{}", output.text("/result/uid"));
    ok("GET", &format!("{at}/outputs"), Value::Null).await;
    ok("PUT", &output, json!({"enabled": false})).await;
    ok("DELETE", &output, Value::Null).await;
    ok("PUT", "/webhook", json!({"notificationUrl": "https://example.com/hook"})).await;
    ok("GET", "/webhook", Value::Null).await;
    ok("DELETE", "/webhook", Value::Null).await;
    ok("POST", &format!("{at}/rotate_keys"), Value::Null).await;
    let _ = live.ended().await;
    ok("PUT", &at, json!({"enabled": false})).await;
    ok("DELETE", &at, Value::Null).await;
    account.call("GET", &at, Value::Null).await.is(404);
}
