//! Destinations on the platforms, and what they ask of them.

use serde_json::{Value, json};
use tonic::Status;
use wire::v1;

use crate::harness::{ALICE, Gateway, on};

async fn ready() -> (Gateway, String) {
    let gateway = Gateway::start().await;
    gateway.fake.configure_all();
    let stream = gateway.stream(ALICE).await;
    (gateway, stream)
}

#[tokio::test]
async fn the_guides_destinations_are_made_where_they_are_set_up() {
    let gateway = Gateway::start().await;
    gateway.fake.state().world.configured = vec![v1::Platform::Youtube, v1::Platform::Cloudflare];
    let stream = gateway.stream(ALICE).await;
    let mut youtube = on("youtube", &stream);
    youtube["settings"] = json!({"bitrate": 4500, "resolution": "1920x1080", "framerate": 30, "auto_reconnect": true,
        "max_retries": 3});
    let made = gateway.post(ALICE, "/api/destinations", youtube).await.good(201);
    assert_eq!((&made["platform"], &made["status"]), (&json!("youtube"), &json!("pending")));
    gateway.post(ALICE, "/api/destinations", on("cloudflare", &stream)).await.good(201);
    for platform in ["twitch", "facebook"] {
        let reply = gateway.post(ALICE, "/api/destinations", on(platform, &stream)).await;
        assert_eq!(reply.refused(422, "platform_not_configured").fields(), ["platform"]);
    }
    let asked = gateway.fake.calls().iter().filter(|call| **call == "list_platforms").count();
    assert_eq!(asked, 1, "the answer is kept");
    assert!(gateway.fake.state().stream_keys.is_empty());
}

#[tokio::test]
async fn while_nobody_knows_what_is_set_up_only_custom_ones_are_made() {
    let (gateway, stream) = ready().await;
    gateway.fake.fail("list_platforms", Status::unavailable("x"));
    gateway.post(ALICE, "/api/destinations", on("youtube", &stream)).await.refused(503, "unavailable");
    gateway.destination(ALICE, &stream).await;
    gateway.fake.heal("list_platforms");
    gateway.on(ALICE, "youtube", &stream).await;
}

#[tokio::test]
async fn what_a_platform_gives_itself_can_t_be_set() {
    let (gateway, stream) = ready().await;
    for (field, value) in [("rtmp_url", json!("rtmp://a.example.com/live")), ("stream_key", json!("abcdefgh"))] {
        let mut body = on("youtube", &stream);
        body[field] = value;
        let reply = gateway.post(ALICE, "/api/destinations", body).await.refused(422, "validation_failed");
        assert_eq!(reply.fields(), [field]);
    }
    assert!(gateway.fake.state().stream_keys.is_empty());
}

#[tokio::test]
async fn platform_settings_are_checked_kept_and_shown() {
    let (gateway, stream) = ready().await;
    let wish = json!({"title": "Friday", "description": "a\nb", "privacy": "unlisted", "dvr": false,
        "latency": "low", "made_for_kids": false, "scheduled_start": later()});
    let mut body = on("youtube", &stream);
    body["platform_settings"] = wish.clone();
    let made = gateway.post(ALICE, "/api/destinations", body).await.good(201);
    assert_eq!(made["platform_settings"], wish);
    assert_eq!(made["platform_state"], Value::Null);
    for (platform, settings, code, fields) in [
        ("youtube", json!({"privacy": "friends"}), "validation_failed", vec!["platform_settings.privacy"]),
        ("youtube", json!({"title": "x".repeat(101)}), "validation_failed", vec!["platform_settings.title"]),
        (
            "youtube",
            json!({"dvr": "yes", "color": 1}),
            "validation_failed",
            vec!["platform_settings.dvr", "platform_settings.color"],
        ),
        ("twitch", json!({"low_latency": true}), "not_offered_by_platform", vec!["platform_settings.low_latency"]),
        ("twitch", json!({"language": "english"}), "validation_failed", vec!["platform_settings.language"]),
        ("rtmp_custom", json!({"title": "x"}), "not_offered_by_platform", vec!["platform_settings.title"]),
    ] {
        let mut body = if platform == "rtmp_custom" { crate::harness::custom(&stream) } else { on(platform, &stream) };
        body["platform_settings"] = settings.clone();
        let reply = gateway.post(ALICE, "/api/destinations", body).await.refused(422, code);
        assert_eq!(reply.fields(), fields, "{settings}");
    }
    assert_eq!(gateway.fake.state().destinations.len(), 1);
}

/// Tomorrow.
fn later() -> String {
    use time::format_description::well_known::Rfc3339;
    let time = time::OffsetDateTime::from_unix_timestamp(crate::harness::now() + 86_400).unwrap();
    time.format(&Rfc3339).unwrap()
}

#[tokio::test]
async fn a_change_reaches_the_platform_while_the_stream_runs() {
    let (gateway, stream) = ready().await;
    let id = gateway.on(ALICE, "youtube", &stream).await;
    let path = format!("/api/destinations/{id}");
    let change = async |settings: Value| {
        gateway.send(ALICE, "PATCH", &path, json!({"platform_settings": settings})).await.good(200)
    };
    // Not running: kept for the next broadcast.
    let changed = change(json!({"title": "a", "dvr": true})).await;
    assert_eq!(changed["platform_changes"], json!({"applied": [], "later": ["title", "dvr"], "error": null}));
    assert_eq!(changed["platform_settings"], json!({"title": "a", "dvr": true}));
    assert!(gateway.fake.state().world.applied.is_empty());
    gateway.post(ALICE, &format!("/api/simulcast/{stream}/start"), json!({})).await.good(200);
    // Running: only what changed is brought there; what is taken back comes with the next broadcast.
    let changed = change(json!({"title": "b", "scheduled_start": later()})).await;
    assert_eq!(
        changed["platform_changes"],
        json!({"applied": ["title"], "later": ["scheduled_start", "dvr"], "error": null})
    );
    let asked = gateway.fake.state().world.applied[0].clone();
    let (on, changes) = (asked.on.unwrap(), asked.changes.unwrap());
    assert_eq!((on.destination_id.as_str(), on.tenant_id.as_str()), (id.as_str(), ALICE));
    assert_eq!(on.settings.unwrap().title.as_deref(), Some("b"));
    assert_eq!((changes.title.as_deref(), changes.dvr), (Some("b"), None));
    // The same again changes nothing, and the other fields of the destination ask nobody.
    assert_eq!(
        change(json!({"title": "b", "scheduled_start": later()})).await["platform_changes"]["applied"],
        json!([])
    );
    let renamed = gateway.send(ALICE, "PATCH", &path, json!({"name": "y"})).await.good(200);
    assert_eq!(renamed["platform_changes"], Value::Null);
    // The platform's refusal does not undo what is stored.
    let away = service_kit::grpc::status(tonic::Code::Unavailable, "platform_unavailable", None, "YouTube is away.");
    gateway.fake.fail("apply_settings", away);
    let changed = change(json!({"title": "c"})).await;
    assert_eq!(
        changed["platform_changes"]["error"],
        json!({"code": "platform_unavailable", "message": "YouTube is away."})
    );
    assert_eq!(changed["platform_changes"]["later"], json!(["title", "scheduled_start"]));
    assert_eq!(changed["platform_settings"], json!({"title": "c"}));
}
