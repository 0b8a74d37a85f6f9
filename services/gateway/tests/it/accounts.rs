//! Linked accounts, and the destinations that name them.

use serde_json::{Value, json};
use uuid::Uuid;
use wire::v1::Platform;

use crate::harness::{ALICE, BOB, Gateway, on, read};

#[tokio::test]
async fn accounts_are_listed_shown_and_unlinked() {
    let gateway = Gateway::start().await;
    let youtube = gateway.fake.link(ALICE, Platform::Youtube);
    let twitch = gateway.fake.link(ALICE, Platform::Twitch);
    let bobs = gateway.fake.link(BOB, Platform::Youtube);
    let ids = async |query: &str| -> Vec<String> {
        let data = gateway.get(ALICE, &format!("/api/accounts{query}")).await.good(200);
        data.as_array().unwrap().iter().map(|a| a["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids("").await, [youtube.clone(), twitch.clone()]);
    assert_eq!(ids("?platform=twitch").await, std::slice::from_ref(&twitch));
    assert_eq!(ids("?platform=facebook").await, Vec::<String>::new());
    gateway.get(ALICE, "/api/accounts?platform=mixer").await.refused(422, "validation_failed");
    gateway.get(ALICE, "/api/accounts?x=1").await.refused(422, "validation_failed");
    let shown = gateway.get(ALICE, &format!("/api/accounts/{youtube}")).await.good(200);
    insta::assert_json_snapshot!("account", shown, {".id" => "[id]"});
    for id in [bobs.as_str(), "1", &Uuid::now_v7().to_string()] {
        let path = format!("/api/accounts/{id}");
        gateway.get(ALICE, &path).await.refused(404, "account_not_found");
        read(gateway.request(ALICE, "DELETE", &path)).await.refused(404, "account_not_found");
    }
    let path = format!("/api/accounts/{youtube}");
    let gone = read(gateway.request(ALICE, "DELETE", &path)).await.good(200);
    assert_eq!(gone, json!({"id": youtube, "revoked": true}));
    read(gateway.request(ALICE, "DELETE", &path)).await.refused(404, "account_not_found");
    assert_eq!(gateway.fake.state().world.accounts.len(), 2);
}

#[tokio::test]
async fn a_destination_names_an_account_of_its_own_tenant_and_platform() {
    let gateway = Gateway::start().await;
    gateway.fake.configure_all();
    let stream = gateway.stream(ALICE).await;
    let youtube = gateway.fake.link(ALICE, Platform::Youtube);
    let twitch = gateway.fake.link(ALICE, Platform::Twitch);
    let bobs = gateway.fake.link(BOB, Platform::Youtube);
    let body = |platform: &str, account: &str| {
        let mut body = on(platform, &stream);
        body["account_id"] = json!(account);
        body
    };
    let post = async |body: Value| gateway.post(ALICE, "/api/destinations", body).await;
    for id in [bobs.as_str(), "1", &Uuid::now_v7().to_string()] {
        post(body("youtube", id)).await.refused(404, "account_not_found");
    }
    for (platform, account) in [("youtube", &twitch), ("cloudflare", &youtube)] {
        let reply = post(body(platform, account)).await.refused(422, "validation_failed");
        assert_eq!(reply.fields(), ["account_id"], "{platform}");
    }
    assert!(gateway.fake.state().destinations.is_empty());
    // One account serves many destinations, and none has to be named.
    for _ in 0..2 {
        assert_eq!(post(body("youtube", &youtube)).await.good(201)["account_id"], youtube);
    }
    let made = post(on("youtube", &stream)).await.good(201);
    assert_eq!(made["account_id"], Value::Null);
    let path = format!("/api/destinations/{}", made["id"].as_str().unwrap());
    let change = async |account: &str| gateway.send(ALICE, "PATCH", &path, json!({"account_id": account})).await;
    change(&bobs).await.refused(404, "account_not_found");
    assert_eq!(change(&twitch).await.refused(422, "validation_failed").fields(), ["account_id"]);
    assert_eq!(change(&youtube).await.good(200)["account_id"], youtube);
    let custom = gateway.destination(ALICE, &stream).await;
    let reply =
        gateway.send(ALICE, "PATCH", &format!("/api/destinations/{custom}"), json!({"account_id": youtube})).await;
    assert_eq!(reply.refused(422, "validation_failed").fields(), ["account_id"]);
}

#[tokio::test]
async fn a_token_is_renewed_on_request() {
    let gateway = Gateway::start().await;
    gateway.fake.configure_all();
    let stream = gateway.stream(ALICE).await;
    let (youtube, cloudflare) =
        (gateway.on(ALICE, "youtube", &stream).await, gateway.on(ALICE, "cloudflare", &stream).await);
    let custom = gateway.destination(ALICE, &stream).await;
    let refresh =
        async |id: &str| read(gateway.request(ALICE, "POST", &format!("/api/destinations/{id}/refresh-token"))).await;
    for id in [&cloudflare, &custom] {
        refresh(id).await.refused(422, "platform_without_oauth");
    }
    refresh(&youtube).await.refused(409, "account_not_linked");
    let account = gateway.fake.link(ALICE, Platform::Youtube);
    let data = refresh(&youtube).await.good(200);
    assert_eq!((&data["id"], &data["account"]["id"]), (&json!(youtube), &json!(account)));
    assert_eq!(data["token_expires_at"], "2024-01-15T12:00:00Z");
    let second = gateway.fake.link(ALICE, Platform::Youtube);
    refresh(&youtube).await.refused(409, "account_ambiguous");
    let path = format!("/api/destinations/{youtube}");
    gateway.send(ALICE, "PATCH", &path, json!({"account_id": second})).await.good(200);
    assert_eq!(refresh(&youtube).await.good(200)["account"]["id"], second);
    read(gateway.request(ALICE, "DELETE", &format!("/api/accounts/{second}"))).await.good(200);
    refresh(&youtube).await.refused(409, "account_not_linked");
    let dead = service_kit::grpc::status(tonic::Code::FailedPrecondition, "reauth_required", None, "Sign in again.");
    gateway.fake.fail("refresh_token", dead);
    refresh(&youtube).await.refused(409, "reauth_required");
}
