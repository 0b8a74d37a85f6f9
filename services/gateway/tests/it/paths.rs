//! Ids, paths, methods and headers.

use uuid::Uuid;

use crate::harness::{ALICE, Gateway, Setup, custom, read};

#[tokio::test]
async fn ids_that_are_no_ids() {
    let gateway = Gateway::start().await;
    let stream = gateway.stream(ALICE).await;
    let unknown = Uuid::now_v7().to_string();
    let braced = format!("{{{stream}}}");
    let urn = format!("urn:uuid:{stream}");
    let plain = stream.replace('-', "");
    let ids = [
        unknown.as_str(),
        "1",
        "undefined",
        "%00",
        "..%2f..",
        "%ff",
        "null",
        "00000000-0000-0000-0000-000000000000",
        braced.as_str(),
        urn.as_str(),
        plain.as_str(),
        "*",
        "';--",
    ];
    for (method, path) in crate::describe::routes() {
        if !path.contains("{id}") {
            continue;
        }
        for id in ids {
            let path = path.replace("{id}", id).replace("{destId}", &unknown);
            let reply = read(gateway.fitting(ALICE, &method, &path, &stream)).await;
            let expected = crate::describe::missing(&path);
            let attach = path.starts_with("/api/simulcast") && path.ends_with("/destinations");
            // A body that names another stream than the path is at fault itself.
            assert!(
                (reply.status, reply.code()) == (404, expected) || (attach && reply.status == 422),
                "{method} {path}: {}",
                reply.text
            );
        }
    }
    for id in ids {
        let reply = gateway.post(ALICE, "/api/destinations", custom(id)).await;
        assert_eq!((reply.status, reply.code()), (404, "stream_not_found"), "{id}");
        let filtered = gateway.get(ALICE, &format!("/api/destinations?stream_id={id}")).await;
        assert_eq!((filtered.status, filtered.code()), (404, "stream_not_found"), "{id}");
    }
    assert!(gateway.fake.state().stream_keys.is_empty(), "no key was stored");
}

#[tokio::test]
async fn paths_and_methods() {
    let gateway = Gateway::start().await;
    for path in [
        "/",
        "/api",
        "/api/",
        "/api/streams/",
        "/api/nothing",
        "/api/../etc/passwd",
        "/admin",
        "/API/streams",
        "/api/destinations/platforms/youtube/nothing",
    ] {
        for request in [gateway.bare("GET", path), gateway.request(ALICE, "GET", path)] {
            read(request).await.refused(404, "route_not_found");
        }
    }
    let id = Uuid::now_v7();
    for (method, path, allowed) in [
        ("DELETE", "/api/streams".to_owned(), "GET,HEAD,POST"),
        ("PUT", format!("/api/streams/{id}"), "GET,HEAD,PATCH,DELETE"),
        ("GET", format!("/api/simulcast/{id}/start"), "POST"),
        ("POST", format!("/api/simulcast/{id}/status"), "GET,HEAD"),
        ("TRACE", "/api/streams".to_owned(), "GET,HEAD,POST"),
        ("BREW", "/api/streams".to_owned(), "GET,HEAD,POST"),
        ("OPTIONS", "/api/streams".to_owned(), "GET,HEAD,POST"),
    ] {
        let reply = read(gateway.request(ALICE, method, &path)).await.refused(405, "method_not_allowed");
        let sorted = |list: &str| {
            let mut names: Vec<_> = list.split(',').map(|m| m.trim().to_owned()).collect();
            names.sort();
            names
        };
        assert_eq!(sorted(reply.header("allow")), sorted(allowed), "{method} {path}");
    }
    // Nothing overrides the method, and nothing else than the token says who asks.
    let stream = gateway.stream(ALICE).await;
    let sly = gateway
        .request(ALICE, "GET", &format!("/api/streams/{stream}?_method=DELETE"))
        .header("x-http-method-override", "DELETE")
        .header("x-method-override", "DELETE")
        .header("x-user-id", "bob")
        .header("x-forwarded-for", "127.0.0.1");
    assert_eq!(read(sly).await.good(200)["id"], stream);
    assert_eq!(gateway.get(ALICE, &format!("/api/streams/{stream}")).await.status, 200);
}

#[tokio::test]
async fn answers_carry_safe_headers() {
    let gateway = Gateway::with(Setup { origins: vec!["https://studio.example.com"], ..Setup::default() }).await;
    let reply = read(gateway.request(ALICE, "GET", "/api/streams").header("x-request-id", "my-id.1")).await;
    assert_eq!(reply.header("x-request-id"), "my-id.1");
    assert_eq!(reply.header("x-content-type-options"), "nosniff");
    assert_eq!(reply.header("cache-control"), "no-store");
    assert!(reply.header("content-security-policy").contains("default-src 'none'"));
    assert_eq!(reply.header("access-control-allow-origin"), "");
    let odd = read(gateway.bare("GET", "/api/x").header("x-request-id", "<script>alert(1)</script>")).await;
    assert!(!odd.text.contains("script") && !odd.header("x-request-id").contains("script"));

    let from = |origin: &'static str| gateway.request(ALICE, "GET", "/api/streams").header("origin", origin);
    let known = read(from("https://studio.example.com")).await;
    assert_eq!(known.header("access-control-allow-origin"), "https://studio.example.com");
    assert_eq!(known.header("access-control-allow-credentials"), "");
    for foreign in ["https://evil.example", "null", "https://studio.example.com.evil.example"] {
        assert_eq!(read(from(foreign)).await.header("access-control-allow-origin"), "", "{foreign}");
    }
    let preflight = gateway
        .bare("OPTIONS", "/api/destinations")
        .header("origin", "https://studio.example.com")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,content-type");
    let preflight = read(preflight).await;
    assert_eq!(preflight.status, 200);
    assert!(preflight.header("access-control-allow-headers").contains("authorization"));
}
