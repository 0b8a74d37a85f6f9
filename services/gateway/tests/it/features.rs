//! What one platform has beside going live.

use serde_json::{Value, json};
use wire::v1::{self, Platform};

use crate::harness::{ALICE, Gateway, PNG, Reply, read};

/// A gateway with all platforms, and a destination of Alice's on each.
struct Stage {
    gateway: Gateway,
    stream: String,
    youtube: String,
    twitch: String,
    facebook: String,
    cloudflare: String,
    custom: String,
}

impl Stage {
    async fn open() -> Self {
        let gateway = Gateway::start().await;
        gateway.fake.configure_all();
        let stream = gateway.stream(ALICE).await;
        let on = async |platform| gateway.on(ALICE, platform, &stream).await;
        let (youtube, twitch, facebook) = (on("youtube").await, on("twitch").await, on("facebook").await);
        let (cloudflare, custom) = (on("cloudflare").await, gateway.destination(ALICE, &stream).await);
        Self { gateway, stream, youtube, twitch, facebook, cloudflare, custom }
    }

    async fn get(&self, id: &str, rest: &str) -> Reply {
        self.gateway.get(ALICE, &format!("/api/destinations/{id}/{rest}")).await
    }

    async fn patch(&self, id: &str, rest: &str, body: Value) -> Reply {
        self.gateway.send(ALICE, "PATCH", &format!("/api/destinations/{id}/{rest}"), body).await
    }

    async fn picture(&self, id: &str, content_type: &str, bytes: Vec<u8>) -> Reply {
        let request = self.gateway.request(ALICE, "PUT", &format!("/api/destinations/{id}/youtube/thumbnail"));
        read(request.header("content-type", content_type).body(bytes)).await
    }
}

#[tokio::test]
async fn what_another_platform_has_is_refused_with_its_name() {
    let stage = Stage::open().await;
    let all = [&stage.youtube, &stage.twitch, &stage.facebook, &stage.cloudflare, &stage.custom];
    let routes: [(&str, &str, &[&String]); 13] = [
        ("GET", "facebook/pages", &[&stage.facebook]),
        ("PUT", "facebook/page", &[&stage.facebook]),
        ("PATCH", "facebook", &[&stage.facebook]),
        ("GET", "insights", &[&stage.facebook]),
        ("GET", "twitch/categories", &[&stage.twitch]),
        ("GET", "twitch/channel", &[&stage.twitch]),
        ("PATCH", "twitch/channel", &[&stage.twitch]),
        ("PATCH", "youtube", &[&stage.youtube]),
        ("PUT", "youtube/thumbnail", &[&stage.youtube]),
        ("PATCH", "cloudflare", &[&stage.cloudflare]),
        ("GET", "playback", &[&stage.cloudflare]),
        ("GET", "analytics", &[&stage.cloudflare]),
        ("GET", "embed", &[&stage.youtube, &stage.facebook]),
    ];
    for (method, rest, takers) in routes {
        for id in all.into_iter().filter(|id| !takers.contains(id)) {
            let path = format!("/api/destinations/{id}/{rest}");
            let reply = read(stage.gateway.fitting(ALICE, method, &path, &stage.stream)).await;
            let reply = reply.refused(422, "not_offered_by_platform");
            assert!(reply.text.contains("does not offer"), "{}", reply.text);
        }
    }
    assert!(stage.gateway.fake.state().world.features.is_empty(), "nobody was asked");
}

#[tokio::test]
async fn a_facebook_page_is_chosen_from_the_list() {
    let stage = Stage::open().await;
    let page =
        |id: &str, can_go_live| v1::Page { id: id.into(), name: "P".into(), category: String::new(), can_go_live };
    stage.gateway.fake.state().world.pages = vec![page("1", true), page("2", false)];
    let pages = stage.get(&stage.facebook, "facebook/pages").await.good(200);
    assert_eq!(pages[0], json!({"id": "1", "name": "P", "category": null, "can_go_live": true}));
    let path = format!("/api/destinations/{}/facebook/page", stage.facebook);
    let put = async |body: Value| stage.gateway.send(ALICE, "PUT", &path, body).await;
    stage.patch(&stage.facebook, "facebook", json!({"title": "kept"})).await.good(200);
    let chosen = put(json!({"page_id": "1"})).await.good(200);
    assert_eq!(chosen["platform_settings"], json!({"title": "kept", "page_id": "1"}));
    assert_eq!(chosen["platform_changes"]["later"], json!(["page_id"]));
    for (id, code) in [("2", "platform_permission_missing"), ("3", "invalid")] {
        let reply = put(json!({"page_id": id})).await.refused(422, "validation_failed");
        assert_eq!(reply.json["error"]["fields"][0]["code"], code);
    }
    for bad in [json!({}), json!({"page_id": 1}), json!({"page_id": ""}), json!({"page_id": "1", "x": 1})] {
        put(bad).await.refused(422, "validation_failed");
    }
    assert_eq!(stage.get(&stage.facebook, "insights").await.good(200)[0]["name"], "total_views");
    let embed = stage.get(&stage.facebook, "embed").await.good(200);
    assert_eq!(embed, json!({"html": "<iframe></iframe>", "permalink_url": "https://facebook.example.com/1"}));
}

#[tokio::test]
async fn twitch_categories_and_channel() {
    let stage = Stage::open().await;
    let found = stage.get(&stage.twitch, "twitch/categories?query=just%20chat&limit=2").await.good(200);
    assert_eq!(
        found,
        json!([{"id": "1", "name": "just chat 1", "picture_url": null},
        {"id": "2", "name": "just chat 2", "picture_url": null}])
    );
    assert_eq!(stage.get(&stage.twitch, "twitch/categories?query=x").await.good(200).as_array().unwrap().len(), 20);
    let long = format!("query={}", "x".repeat(101));
    for bad in
        ["", "query=", "query=%20", "query=x&limit=0", "query=x&limit=101", "query=x&first=1", "query=%0a", &long]
    {
        stage.get(&stage.twitch, &format!("twitch/categories?{bad}")).await.refused(422, "validation_failed");
    }
    let channel = stage.get(&stage.twitch, "twitch/channel").await.good(200);
    assert_eq!((&channel["title"], &channel["category_name"]), (&json!("Friday show"), &json!("Just Chatting")));

    let wish = json!({"title": "Live now", "category_id": "509658", "tags": ["English"], "language": "en"});
    let changed = stage.patch(&stage.twitch, "twitch/channel", wish.clone()).await.good(200);
    assert_eq!(changed["platform_settings"], wish);
    assert_eq!(changed["platform_changes"]["applied"], json!(["title"]));
    let low = stage.patch(&stage.twitch, "twitch/channel", json!({"low_latency": true})).await;
    let low = low.refused(422, "not_offered_by_platform");
    assert!(low.text.contains("dashboard"), "{}", low.text);
    assert_eq!(low.fields(), ["low_latency"]);
    let reply = stage.patch(&stage.twitch, "twitch/channel", json!({"tags": ["x".repeat(26)], "titel": "y"})).await;
    assert_eq!(reply.refused(422, "validation_failed").fields(), ["tags", "titel"]);
}

#[tokio::test]
async fn a_change_adds_to_what_is_kept_and_a_refused_one_does_not() {
    let stage = Stage::open().await;
    stage.patch(&stage.youtube, "youtube", json!({"title": "a", "dvr": true})).await.good(200);
    let changed = stage.patch(&stage.youtube, "youtube", json!({"title": "b", "privacy": "private"})).await.good(200);
    assert_eq!(changed["platform_settings"], json!({"title": "b", "privacy": "private", "dvr": true}));
    {
        let state = stage.gateway.fake.state();
        let asked = state.world.applied.last().unwrap();
        assert_eq!(asked.changes.as_ref().unwrap().dvr, None, "only what changes");
        assert_eq!(asked.on.as_ref().unwrap().settings.as_ref().unwrap().dvr, Some(true), "and what holds afterwards");
    }
    let refused = "YouTube does not take this title.";
    let status = service_kit::grpc::status(tonic::Code::FailedPrecondition, "platform_refused", None, refused);
    stage.gateway.fake.fail("apply_settings", status);
    let reply = stage.patch(&stage.youtube, "youtube", json!({"title": "<>"})).await.refused(422, "platform_refused");
    assert_eq!(reply.json["error"]["message"], refused);
    let shown = stage.gateway.get(ALICE, &format!("/api/destinations/{}", stage.youtube)).await.good(200);
    assert_eq!(shown["platform_settings"]["title"], "b");
    // Nothing given asks nobody.
    let unchanged = stage.patch(&stage.youtube, "youtube", json!({})).await.good(200);
    assert_eq!(unchanged["platform_changes"], json!({"applied": [], "later": [], "error": null}));
    stage.gateway.fake.heal("apply_settings");
    let cloudflare = json!({"recording": false, "low_latency": true, "on_stop": "disable"});
    let changed = stage.patch(&stage.cloudflare, "cloudflare", cloudflare.clone()).await.good(200);
    assert_eq!(changed["platform_settings"], cloudflare);
    let foreign = stage.patch(&stage.facebook, "facebook", json!({"dvr": true})).await;
    foreign.refused(422, "not_offered_by_platform");
}

#[tokio::test]
async fn a_thumbnail_is_a_picture_of_at_most_two_mebibytes() {
    let stage = Stage::open().await;
    const MOST: usize = 2 * 1024 * 1024;
    let png = |bytes: usize| [PNG.to_vec(), vec![0; bytes - PNG.len()]].concat();
    let jpeg = b"\xff\xd8\xff\xe0rest".to_vec();
    let reply = stage.picture(&stage.youtube, "image/png", png(MOST)).await;
    assert_eq!((reply.status, &reply.json["success"]), (200, &json!(true)), "{}", reply.text);
    assert_eq!(stage.picture(&stage.youtube, "image/jpeg", jpeg.clone()).await.status, 200);
    let pictures = stage.gateway.fake.state().world.pictures.clone();
    assert_eq!(pictures, [("image/png".to_owned(), MOST), ("image/jpeg".to_owned(), 8)]);
    let put = async |content_type: &str, bytes| stage.picture(&stage.youtube, content_type, bytes).await;
    put("image/png", png(MOST + 1)).await.refused(413, "body_too_large");
    put("image/png", Vec::new()).await.refused(400, "body_missing");
    put("image/png", jpeg.clone()).await.refused(422, "thumbnail_invalid");
    put("image/jpeg", b"<html>".to_vec()).await.refused(422, "thumbnail_invalid");
    for content_type in ["image/gif", "application/json", "text/html", "image/svg+xml"] {
        put(content_type, jpeg.clone()).await.refused(415, "unsupported_media_type");
    }
    let chunks: Vec<_> = (0..5).map(|_| Ok::<_, std::io::Error>(png(600_000))).collect();
    let request =
        stage.gateway.request(ALICE, "PUT", &format!("/api/destinations/{}/youtube/thumbnail", stage.youtube));
    let request =
        request.header("content-type", "image/png").body(reqwest::Body::wrap_stream(futures::stream::iter(chunks)));
    read(request).await.refused(413, "body_too_large");
    assert_eq!(stage.gateway.fake.state().world.pictures.len(), 2);
    // No other route takes as much.
    let large = json!({"title": "x".repeat(70_000)});
    stage.gateway.post(ALICE, "/api/streams", large).await.refused(413, "body_too_large");
}

#[tokio::test]
async fn cloudflare_playback_and_analytics() {
    let stage = Stage::open().await;
    let playback = stage.get(&stage.cloudflare, "playback").await.good(200);
    assert_eq!((&playback["available"], &playback["dash_url"]), (&json!(true), &Value::Null));
    let figures = stage.get(&stage.cloudflare, "analytics").await.good(200);
    assert_eq!(figures["minutes_viewed"], 12.5);
    let (from, to) = stage.gateway.fake.state().world.analytics[0].clone();
    assert_eq!((&figures["from"], &figures["to"]), (&json!(from), &json!(to)));
    for bad in ["from=x", "to=2020-01-01", "from=2020-01-01", "day=1"] {
        stage.get(&stage.cloudflare, &format!("analytics?{bad}")).await.refused(422, "validation_failed");
    }
    let limited = service_kit::grpc::status(tonic::Code::ResourceExhausted, "platform_rate_limited", None, "Wait.");
    stage.gateway.fake.fail("get_analytics", limited);
    let reply = stage.get(&stage.cloudflare, "analytics").await.refused(503, "platform_rate_limited");
    assert_eq!(reply.header("retry-after"), "10");
}

#[tokio::test]
async fn platforms_say_what_they_take_and_destinations_what_holds() {
    let gateway = Gateway::start().await;
    gateway.fake.state().world.configured = vec![Platform::Twitch];
    let platforms = gateway.get(ALICE, "/api/destinations/platforms").await.good(200);
    insta::assert_json_snapshot!("platforms", platforms);
    let stream = gateway.stream(ALICE).await;
    let id = gateway.on(ALICE, "twitch", &stream).await;
    let path = format!("/api/destinations/{id}");
    let shown = gateway.get(ALICE, &path).await.good(200);
    assert_eq!(shown["settings"], json!({}), "a wish left out is none");
    assert_eq!(
        shown["effective_settings"],
        json!({"bitrate": 6000, "max_bitrate": 6000, "resolution": "1920x1080",
        "framerate": 60, "preset": "veryfast", "keyframe_interval_ms": 2000, "audio_bitrate": 128, "auto_start": false,
        "auto_reconnect": true, "max_retries": 10})
    );
    let asked = json!({"settings": {"resolution": "1280x720", "framerate": 30, "preset": "fast", "max_retries": 3}});
    let effective = gateway.send(ALICE, "PATCH", &path, asked).await.good(200)["effective_settings"].clone();
    assert_eq!((&effective["bitrate"], &effective["max_bitrate"]), (&json!(3000), &json!(6000)));
    assert_eq!((&effective["preset"], &effective["max_retries"]), (&json!("fast"), &json!(3)));
    // Above the platform's limit: refused on create and on change, with the limit.
    let above = json!({"settings": {"bitrate": 6001}});
    let reply = gateway.send(ALICE, "PATCH", &path, above.clone()).await.refused(422, "validation_failed");
    assert_eq!(reply.json["error"]["fields"][0]["code"], "above_platform_limit");
    assert!(reply.text.contains("twitch takes at most 6000 kbps"), "{}", reply.text);
}
