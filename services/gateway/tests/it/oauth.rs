//! Signing in to a platform.

use serde_json::{Value, json};
use tonic::Status;
use uuid::Uuid;
use wire::v1;

use crate::{
    fake_platforms::CODE,
    harness::{ALICE, BOB, Gateway, Reply, on, read, signed},
};

fn paths(platform: &str) -> (String, String) {
    let base = format!("/api/destinations/platforms/{platform}");
    (format!("{base}/auth-url"), format!("{base}/exchange-token"))
}

/// A gateway with all platforms, and a stream of Alice's.
async fn ready() -> (Gateway, String) {
    let gateway = Gateway::start().await;
    gateway.fake.configure_all();
    let stream = gateway.stream(ALICE).await;
    (gateway, stream)
}

async fn begin(gateway: &Gateway, tenant: &str, platform: &str) -> Value {
    gateway.get(tenant, &paths(platform).0).await.good(200)
}

async fn exchange(gateway: &Gateway, tenant: &str, platform: &str, body: Value) -> Reply {
    gateway.post(tenant, &paths(platform).1, body).await
}

#[tokio::test]
async fn the_guides_three_steps() {
    for platform in ["youtube", "twitch", "facebook"] {
        let (gateway, stream) = ready().await;
        let begun = begin(&gateway, ALICE, platform).await;
        assert!(begun["authUrl"].as_str().unwrap().starts_with("https://"), "{begun}");
        assert_eq!(begun.as_object().unwrap().keys().collect::<Vec<_>>(), ["authUrl", "state"]);
        let body = json!({"code": CODE, "stream_id": stream, "name": "My Platform Stream"});
        let made = exchange(&gateway, ALICE, platform, body).await.good(201);
        assert_eq!((&made["platform"], &made["name"]), (&json!(platform), &json!("My Platform Stream")));
        assert_eq!(made["token_expires_at"], "2024-01-15T12:00:00Z");
        assert_eq!(made["account"]["name"], "Alice's channel");
        let id = made["id"].as_str().unwrap();
        let shown = gateway.get(ALICE, &format!("/api/destinations/{id}")).await.good(200);
        assert_eq!((&shown["account_id"], &shown["stream_id"]), (&made["account"]["id"], &json!(stream)));
        assert!(gateway.fake.state().stream_keys.is_empty());
    }
}

#[tokio::test]
async fn with_state_settings_and_for_a_destination_that_exists() {
    let (gateway, stream) = ready().await;
    let begun = begin(&gateway, ALICE, "youtube").await;
    begin(&gateway, ALICE, "youtube").await;
    let body = json!({"code": CODE, "state": begun["state"], "scope": "a b", "stream_id": stream, "name": "x",
        "is_enabled": false, "settings": {"bitrate": 4500}, "platform_settings": {"privacy": "unlisted"}});
    let made = exchange(&gateway, ALICE, "youtube", body).await.good(201);
    let shown = gateway.get(ALICE, &format!("/api/destinations/{}", made["id"].as_str().unwrap())).await.good(200);
    assert_eq!(shown["platform_settings"], json!({"privacy": "unlisted"}));
    assert_eq!((&shown["is_enabled"], &shown["settings"]["bitrate"]), (&json!(false), &json!(4500)));
    // One sign-in is left, and an existing destination takes its account.
    let existing = gateway.on(ALICE, "youtube", &stream).await;
    let body = json!({"code": CODE, "destination_id": existing, "stream_id": stream});
    let given = exchange(&gateway, ALICE, "youtube", body).await.good(200);
    assert_eq!((&given["id"], &given["name"]), (&json!(existing), &json!("My channel")));
    let shown = gateway.get(ALICE, &format!("/api/destinations/{existing}")).await.good(200);
    assert_eq!(shown["account_id"], given["account"]["id"]);
    assert_ne!(given["account"]["id"], made["account"]["id"]);
}

#[tokio::test]
async fn a_platform_without_sign_in_and_one_that_is_none() {
    let (gateway, stream) = ready().await;
    let calls = gateway.fake.calls();
    let body = json!({"code": CODE, "stream_id": stream, "name": "x"});
    for platform in ["cloudflare", "rtmp_custom"] {
        gateway.get(ALICE, &paths(platform).0).await.refused(422, "platform_without_oauth");
        exchange(&gateway, ALICE, platform, body.clone()).await.refused(422, "platform_without_oauth");
    }
    for platform in ["mixer", "YouTube", "%00", "..%2fyoutube"] {
        gateway.get(ALICE, &paths(platform).0).await.refused(404, "route_not_found");
        exchange(&gateway, ALICE, platform, body.clone()).await.refused(404, "route_not_found");
    }
    assert_eq!(gateway.fake.calls(), calls, "nobody was asked");
    gateway.fake.state().world.configured = vec![v1::Platform::Twitch];
    gateway.get(ALICE, &paths("youtube").0).await.refused(422, "platform_not_configured");
    exchange(&gateway, ALICE, "youtube", body).await.refused(422, "platform_not_configured");
    gateway.get(ALICE, &paths("twitch").0).await.good(200);
    assert!(!gateway.fake.calls().contains(&"finish_link"));
}

#[tokio::test]
async fn only_who_may_write_begins_a_sign_in() {
    let (gateway, _) = ready().await;
    let token = signed(&json!({"sub": ALICE, "exp": crate::harness::now() + 600, "scope": "live:read"}));
    let request = gateway.bare("GET", &paths("youtube").0).bearer_auth(token);
    read(request).await.refused(403, "insufficient_scope");
    assert!(gateway.fake.state().world.pending.is_empty());
}

#[tokio::test]
async fn sign_ins_that_are_unknown_foreign_used_or_several() {
    let (gateway, stream) = ready().await;
    let body = |state: Option<&Value>| {
        let mut body = json!({"code": CODE, "stream_id": stream, "name": "x"});
        if let Some(state) = state {
            body["state"] = state.clone();
        }
        body
    };
    exchange(&gateway, ALICE, "youtube", body(None)).await.refused(422, "authorization_invalid");
    let foreign = begin(&gateway, BOB, "youtube").await;
    exchange(&gateway, ALICE, "youtube", body(Some(&foreign["state"]))).await.refused(422, "authorization_invalid");
    exchange(&gateway, ALICE, "youtube", body(None)).await.refused(422, "authorization_invalid");
    let (first, second) = (begin(&gateway, ALICE, "youtube").await, begin(&gateway, ALICE, "youtube").await);
    assert_ne!(first["state"], second["state"]);
    exchange(&gateway, ALICE, "youtube", body(None)).await.refused(422, "authorization_ambiguous");
    exchange(&gateway, ALICE, "twitch", body(Some(&first["state"]))).await.refused(422, "authorization_invalid");
    exchange(&gateway, BOB, "youtube", body(Some(&first["state"]))).await.refused(404, "stream_not_found");
    exchange(&gateway, ALICE, "youtube", body(Some(&first["state"]))).await.good(201);
    exchange(&gateway, ALICE, "youtube", body(Some(&first["state"]))).await.refused(422, "authorization_invalid");
    assert_eq!(gateway.fake.state().destinations.len(), 1);
}

#[tokio::test]
async fn what_can_be_refused_is_refused_before_the_code_is_spent() {
    let (gateway, stream) = ready().await;
    begin(&gateway, ALICE, "youtube").await;
    let bobs = gateway.stream(BOB).await;
    let custom = gateway.destination(ALICE, &stream).await;
    let twitch = gateway.on(ALICE, "twitch", &stream).await;
    let youtube = gateway.on(ALICE, "youtube", &stream).await;
    let other = gateway.stream(ALICE).await;
    let with = |stream: &str| json!({"code": CODE, "stream_id": stream, "name": "x"});
    for unknown in [bobs.as_str(), "1", &Uuid::now_v7().to_string()] {
        exchange(&gateway, ALICE, "youtube", with(unknown)).await.refused(404, "stream_not_found");
    }
    let at = |id: &str| json!({"code": CODE, "destination_id": id});
    for unknown in [&stream, "1", &Uuid::now_v7().to_string()] {
        exchange(&gateway, ALICE, "youtube", at(unknown)).await.refused(404, "destination_not_found");
    }
    for wrong in [&custom, &twitch] {
        let reply = exchange(&gateway, ALICE, "youtube", at(wrong)).await.refused(422, "validation_failed");
        assert_eq!(reply.fields(), ["destination_id"]);
    }
    exchange(&gateway, BOB, "youtube", at(&youtube)).await.refused(404, "destination_not_found");
    let mut elsewhere = at(&youtube);
    elsewhere["stream_id"] = json!(other);
    exchange(&gateway, ALICE, "youtube", elsewhere).await.refused(404, "destination_not_found");
    let mut above = with(&stream);
    above["settings"] = json!({"bitrate": 6500});
    exchange(&gateway, ALICE, "twitch", above).await.refused(422, "validation_failed");
    let mut foreign = with(&stream);
    foreign["platform_settings"] = json!({"tags": ["x"]});
    exchange(&gateway, ALICE, "youtube", foreign).await.refused(422, "not_offered_by_platform");
    exchange(&gateway, ALICE, "youtube", json!({"code": CODE})).await.refused(422, "validation_failed");
    for bad in [json!([]), json!(null), json!("code")] {
        exchange(&gateway, ALICE, "youtube", bad).await.refused(422, "validation_failed");
    }
    assert!(gateway.fake.state().world.codes.is_empty(), "the code was not spent");
    exchange(&gateway, ALICE, "youtube", with(&stream)).await.good(201);
}

#[tokio::test]
async fn a_denial_says_what_to_do() {
    let (gateway, stream) = ready().await;
    begin(&gateway, ALICE, "facebook").await;
    let body = json!({"error": "access_denied", "error_reason": "user_denied", "error_description": "Permissions error",
        "state": "state-1"});
    let reply = exchange(&gateway, ALICE, "facebook", body).await.refused(422, "authorization_denied");
    assert!(reply.text.contains("auth-url"), "{}", reply.text);
    let both = json!({"error": "access_denied", "code": CODE, "stream_id": stream, "name": "x"});
    assert_eq!(exchange(&gateway, ALICE, "facebook", both).await.refused(422, "validation_failed").fields(), ["error"]);
    assert_eq!(gateway.fake.state().world.codes, [""], "the sign-in was used up without a code");
    // So the next one is the only one, as in the guide.
    begin(&gateway, ALICE, "facebook").await;
    let body = json!({"code": CODE, "stream_id": stream, "name": "x"});
    exchange(&gateway, ALICE, "facebook", body).await.good(201);
}

#[tokio::test]
async fn a_repeat_is_answered_without_the_code_and_the_code_is_kept_nowhere() {
    let (gateway, stream) = ready().await;
    begin(&gateway, ALICE, "youtube").await;
    let body = json!({"code": CODE, "stream_id": stream, "name": "x"});
    let send = async || {
        let request = gateway.request(ALICE, "POST", &paths("youtube").1).header("idempotency-key", "k");
        read(request.json(&body)).await
    };
    let first = send().await;
    assert_eq!(first.status, 201, "{}", first.text);
    let again = send().await;
    assert_eq!((again.status, again.header("idempotency-replayed")), (201, "true"));
    assert_eq!(again.text, first.text);
    assert_eq!(gateway.fake.state().world.codes.len(), 1);
    for kept in gateway.fake.state().kept.values() {
        let (_, body) = kept.answer.as_ref().unwrap();
        assert!(!String::from_utf8_lossy(body).contains(CODE));
    }
}

#[tokio::test]
async fn a_platforms_trouble_has_its_status() {
    let (gateway, stream) = ready().await;
    begin(&gateway, ALICE, "youtube").await;
    let body = json!({"code": CODE, "stream_id": stream, "name": "x"});
    let fail = |code: tonic::Code, word: &str| {
        let status = service_kit::grpc::status(code, word, None, "A sentence with the next step.");
        gateway.fake.fail("finish_link", status);
    };
    for (code, word, http) in [
        (tonic::Code::FailedPrecondition, "scope_missing", 422),
        (tonic::Code::InvalidArgument, "exchange_failed", 422),
        (tonic::Code::PermissionDenied, "authorization_denied", 422),
        (tonic::Code::FailedPrecondition, "account_not_eligible", 409),
        (tonic::Code::Unavailable, "platform_unavailable", 503),
        (tonic::Code::ResourceExhausted, "platform_rate_limited", 503),
    ] {
        fail(code, word);
        let reply = exchange(&gateway, ALICE, "youtube", body.clone()).await.refused(http, word);
        assert_eq!(reply.json["error"]["message"], "A sentence with the next step.");
        assert_eq!(reply.header("retry-after").is_empty(), http != 503, "{word}");
    }
    gateway.fake.fail("finish_link", Status::internal("SELECT db.internal"));
    exchange(&gateway, ALICE, "youtube", body).await.refused(500, "internal");
    assert_eq!(gateway.fake.state().destinations.len(), 0);
}

#[tokio::test]
async fn a_linked_account_without_its_destination_is_not_lost() {
    let (gateway, stream) = ready().await;
    begin(&gateway, ALICE, "youtube").await;
    gateway.fake.fail("create_destination", Status::unavailable("no database"));
    let body = json!({"code": CODE, "stream_id": stream, "name": "x"});
    let reply = exchange(&gateway, ALICE, "youtube", body).await.refused(503, "unavailable");
    let account = gateway.fake.state().world.accounts[0].id.clone();
    assert!(reply.text.contains(&account), "{}", reply.text);
    gateway.fake.heal("create_destination");
    let mut body = on("youtube", &stream);
    body["account_id"] = json!(account);
    assert_eq!(gateway.post(ALICE, "/api/destinations", body).await.good(201)["account_id"], account);
}
