//! URLs that must not get in.

use serde_json::json;

use crate::{
    bad_inputs::with,
    harness::{ALICE, Gateway, Setup},
};

/// URLs that must not be published to nor pulled from.
const EVIL_URLS: &[&str] = &[
    "",
    "x",
    "example.com/live",
    "http://example.com/live",
    "https://example.com/live",
    "srt://example.com:9000",
    "tcp://example.com:1935",
    "file:///etc/passwd",
    "data:text/plain,x",
    "concat:rtmp://a.example/b|/etc/passwd",
    "tee:rtmp://a.example/b",
    "javascript:alert(1)",
    "rtmp://user:pw@example.com/live",
    "rtmp://user@example.com/live",
    "rtmp://example.com/live#fragment",
    "rtmp://example.com/../live",
    "rtmp://example.com/live/%2e%2e/x",
    "rtmp://example.com:22/live",
    "rtmp://example.com:6379/live",
    "rtmp://example.com:0/live",
    "rtmp://example.com:65536/live",
    "rtmp://",
    "rtmp:///live",
    "rtmp://example.com",
    "rtmp://exa mple.com/live",
    "rtmp://example.com/li ve",
    "rtmp://example.com/live\n",
    "rtmp://127.0.0.1/live",
    "rtmp://127.1/live",
    "rtmp://2130706433/live",
    "rtmp://0x7f.1/live",
    "rtmp://0x7f000001/live",
    "rtmp://0177.0.0.1/live",
    "rtmp://0/live",
    "rtmp://[::1]/live",
    "rtmp://[::ffff:127.0.0.1]/live",
    "rtmp://[::ffff:7f00:1]/live",
    "rtmp://[64:ff9b::7f00:1]/live",
    "rtmp://[fd00::1]/live",
    "rtmp://[fe80::1]/live",
    "rtmp://10.0.0.1/live",
    "rtmp://172.16.0.1/live",
    "rtmp://192.168.1.1/live",
    "rtmp://100.64.0.1/live",
    "rtmp://169.254.169.254/live",
    "rtmp://224.0.0.1/live",
    "rtmp://255.255.255.255/live",
    "rtmp://localhost/live",
    "rtmp://LOCALHOST./live",
    "rtmp://foo.localhost/live",
    "rtmp://127.0.0.1./live",
    "rtmps://127.0.0.1/live",
    "RTMP://127.0.0.1/live",
];

#[tokio::test]
async fn urls() {
    let gateway = Gateway::start().await;
    let stream = gateway.stream(ALICE).await;
    let destination = gateway.destination(ALICE, &stream).await;
    let calls = gateway.fake.calls();
    for url in EVIL_URLS {
        let create = gateway.post(ALICE, "/api/destinations", with(&stream, "rtmp_url", Some(json!(url)))).await;
        assert_eq!(create.status, 422, "{url}: {}", create.text);
        assert_eq!(create.fields(), ["rtmp_url"], "{url}");
        let change = json!({"rtmp_url": url});
        let change = gateway.send(ALICE, "PATCH", &format!("/api/destinations/{destination}"), change).await;
        assert_eq!((change.status, change.fields()), (422, vec!["rtmp_url"]), "{url}");
        let start = json!({"inputSource": url});
        let start = gateway.post(ALICE, &format!("/api/simulcast/{stream}/start"), start).await;
        assert_eq!((start.status, start.fields()), (422, vec!["inputSource"]), "{url}");
    }
    let listen = with(&stream, "rtmp_url", Some(json!("rtmp://example.com/live?listen=1")));
    gateway.post(ALICE, "/api/destinations", listen).await.refused(422, "validation_failed");
    assert_eq!(gateway.fake.calls(), calls, "a bad URL reached somebody");
}

#[tokio::test]
async fn a_lab_may_use_private_hosts() {
    let mut setup = Setup::default();
    setup.options.target_policy.allow_private = true;
    let gateway = Gateway::with(setup).await;
    let stream = gateway.stream(ALICE).await;
    let body = with(&stream, "rtmp_url", Some(json!("rtmp://127.0.0.1:40123/live")));
    assert_eq!(
        gateway.post(ALICE, "/api/destinations", body).await.good(201)["rtmp_url"],
        "rtmp://127.0.0.1:40123/live"
    );
    for still_bad in ["file:///etc/passwd", "rtmp://user:pw@127.0.0.1/live"] {
        let body = with(&stream, "rtmp_url", Some(json!(still_bad)));
        gateway.post(ALICE, "/api/destinations", body).await.refused(422, "validation_failed");
    }
}
