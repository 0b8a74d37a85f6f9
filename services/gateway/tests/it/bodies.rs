//! Bodies that can't be read.

use std::time::Duration;

use crate::harness::{ALICE, Gateway, Reply, Setup, read, token};

async fn post_bytes(gateway: &Gateway, headers: &[(&str, &str)], body: impl Into<reqwest::Body>) -> Reply {
    let mut request = gateway.request(ALICE, "POST", "/api/streams").body(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    read(request).await
}

#[tokio::test]
async fn bodies() {
    let gateway = Gateway::start().await;
    let json_type = ("content-type", "application/json");
    let deep = format!("{{\"title\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let unreadable: Vec<(&str, Vec<u8>)> = vec![
        ("truncated", br#"{"title": "x"#.to_vec()),
        ("trailing garbage", br#"{"title": "x"} x"#.to_vec()),
        ("two documents", br#"{"title": "x"}{"title": "y"}"#.to_vec()),
        ("invalid UTF-8", b"{\"title\": \"\xff\xfe\"}".to_vec()),
        ("lone surrogate", br#"{"title": "\ud800"}"#.to_vec()),
        ("repeated key", br#"{"title": "x", "title": "y"}"#.to_vec()),
        ("comment", b"{\"title\": \"x\" /* hi */}".to_vec()),
        ("single quotes", b"{'title': 'x'}".to_vec()),
        ("deep", deep.into_bytes()),
        ("byte order mark", b"\xef\xbb\xbf{\"title\": \"x\"}".to_vec()),
        ("not JSON", b"title=x".to_vec()),
        ("blank", b"   ".to_vec()),
    ];
    for (what, body) in unreadable {
        let reply = post_bytes(&gateway, &[json_type], body).await;
        assert_eq!((reply.status, reply.code()), (400, "invalid_json"), "{what}: {}", reply.text);
    }
    post_bytes(&gateway, &[json_type], "").await.refused(400, "body_missing");
    post_bytes(&gateway, &[], "").await.refused(400, "body_missing");
    let good = r#"{"title": "x"}"#;
    for headers in [
        vec![],
        vec![("content-type", "text/plain")],
        vec![("content-type", "application/x-www-form-urlencoded")],
        vec![("content-type", "application/json; charset=latin1")],
        vec![json_type, ("content-encoding", "gzip")],
        vec![json_type, ("content-encoding", "br")],
        vec![json_type, json_type],
    ] {
        let reply = post_bytes(&gateway, &headers, good).await;
        assert_eq!((reply.status, reply.code()), (415, "unsupported_media_type"), "{headers:?}");
    }
    let padded = |total: usize| format!("{good}{}", " ".repeat(total - good.len()));
    post_bytes(&gateway, &[json_type], padded(64 * 1024 + 1)).await.refused(413, "body_too_large");
    let parts = futures::stream::iter(vec![Ok::<_, std::io::Error>("x".repeat(40_000)), Ok("y".repeat(40_000))]);
    post_bytes(&gateway, &[json_type], reqwest::Body::wrap_stream(parts)).await.refused(413, "body_too_large");
    assert_eq!(gateway.fake.calls(), Vec::<&str>::new());
    post_bytes(&gateway, &[json_type], padded(64 * 1024)).await.good(201);
    post_bytes(&gateway, &[("content-type", "application/json; charset=utf-8")], good).await.good(201);
}

#[tokio::test]
async fn a_body_that_never_comes() {
    let mut setup = Setup::default();
    setup.limits.body_read_timeout = Duration::from_millis(300);
    let gateway = Gateway::with(setup).await;
    let head = format!(
        "POST /api/streams HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{{",
        token(ALICE)
    );
    let answer = gateway.raw(head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("\"request_timeout\""), "{answer}");
}
