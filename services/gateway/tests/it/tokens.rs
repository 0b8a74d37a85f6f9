//! Who is let in.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, routing::get};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use gateway::auth::{Keys, jwks, token::Policy};
use jsonwebtoken::DecodingKey;
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use serde_json::{Value, json};
use service_kit::{HttpLimits, Shutdown};
use tokio::net::TcpListener;

use crate::harness::{ALICE, Gateway, SECRET, Setup, now, part, read, signed, signed_with, token};

// A token of RS256 and the public half of a key whose private half was thrown away after signing it.
const RSA_N: &str = "qP3PNNgDNks8vTjVHXLHGk2W3IU5Z1K6hnvYktTTivodbSZfNcZ-ZApCR5UPLM4hzmJpzrjIVnmXXgw4-BfqGNWA7LVwbPdCNnAaDV2l8BWeTsKSZfTrvvacEticbwYp17HlUUBuUfN6EKuhQUmITj5Qb0vt3jn41fld5ryoR5VZgqKe5gsBo94S99Z_SMq1uMvYOlT3YDutXGbq0qc2qXWNw8gRmg0B2j931gT2UN03wLIQ2uuJTYdfSRZy4BDjaxV9DNYIiLv80A7jlRHsge2zVj9LK5JoQZ28TyB50l0YWiRNaAwjKHYYHjTC4Cjxr5wBO0Rrc5_NH2nT3zFE4Q";
const RSA_TOKEN: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6InJzYS0xIiwidHlwIjoiSldUIn0.eyJzdWIiOiJhbGljZSIsImV4cCI6NDEwMjQ0NDgwMCwiaXNzIjoiaHR0cHM6Ly9pZC5leGFtcGxlLmNvbSIsImF1ZCI6ImxpdmUifQ.nUTPovclW8ZQLWE52mT_Wo9Vf4TkQkXhN1ZHiiVLOGWZD0ua037pMcGzcFvTds69ZTo0Iw35M3AbgkzpYK3h4vmBe4R_UwytWVQice9rFsOL3gjSBkfBEYyGLpenMlBr31G5YpbdzfIo3zOE_ANOI8-piSW8EJoTXVoB_OmxaNIWQ7egraCGtn6axDS8BQLZ1D4fnlIe4IagZmq6B7hwNUgXYZhX45-PPE8VHRtS8GdGtJgcjD2fSZE_cqEbd2mVEgeQnsYVf03nKNcll5udcnt0bsAdxG81BGqWxjkrRn5vadtT0B3CAZEz7bqBH8KuHTBpHOEwZTyqYigQq5Sq5Q";

async fn ask(gateway: &Gateway, token: &str) -> crate::harness::Reply {
    read(gateway.bare("GET", "/api/streams").header("authorization", format!("Bearer {token}"))).await
}

#[tokio::test]
async fn only_a_valid_token_is_let_in() {
    let gateway = Gateway::start().await;
    assert_eq!(ask(&gateway, &token(ALICE)).await.status, 200);
    let hs256 = json!({"alg": "HS256"});
    let good = json!({"sub": "alice", "exp": now() + 600});
    let unsigned = format!("{}.{}.", part(r#"{"alg":"none"}"#), part(&good.to_string()));
    let bad = [
        ("empty", String::new()),
        ("garbage", "x".into()),
        ("three dots", "a.b.c.d".into()),
        ("alg none", unsigned),
        ("another secret", signed_with(&hs256, &good, b"another-secret-of-at-least-32-byte")),
        ("RS256 over the HMAC secret", signed_with(&json!({"alg": "RS256"}), &good, SECRET.as_bytes())),
        ("HS512 in the header", signed_with(&json!({"alg": "HS512"}), &good, SECRET.as_bytes())),
        ("critical header", signed_with(&json!({"alg": "HS256", "crit": ["x"]}), &good, SECRET.as_bytes())),
        ("expired", signed(&json!({"sub": "alice", "exp": now() - 60}))),
        ("not yet", signed(&json!({"sub": "alice", "exp": now() + 600, "nbf": now() + 300}))),
        ("no exp", signed(&json!({"sub": "alice"}))),
        ("exp as text", signed(&json!({"sub": "alice", "exp": "4102444800"}))),
        ("no sub", signed(&json!({"exp": now() + 600}))),
        ("blank sub", signed(&json!({"sub": " ", "exp": now() + 600}))),
        ("sub a number", signed(&json!({"sub": 1, "exp": now() + 600}))),
        ("64 kB", format!("{}{}", token(ALICE), "a".repeat(64 * 1024))),
    ];
    for (what, bad) in bad {
        let reply = ask(&gateway, &bad).await;
        assert_eq!(reply.status, 401, "{what}: {}", reply.text);
        let reply = reply.refused(401, "unauthorized");
        assert!(reply.header("www-authenticate").starts_with("Bearer"), "{what}");
    }
}

#[tokio::test]
async fn one_authorization_header_of_the_right_kind() {
    let gateway = Gateway::start().await;
    let good = format!("Bearer {}", token(ALICE));
    let cases: [(&str, Vec<(&str, String)>); 7] = [
        ("none", vec![]),
        ("basic", vec![("authorization", "Basic YWxpY2U6cHc=".into())]),
        ("no scheme", vec![("authorization", token(ALICE))]),
        ("two", vec![("authorization", good.clone()), ("authorization", good.clone())]),
        ("two kinds", vec![("authorization", good.clone()), ("authorization", "Basic YWxpY2U6cHc=".into())]),
        ("another header", vec![("x-authorization", good.clone()), ("x-user-id", "alice".into())]),
        ("cookie", vec![("cookie", format!("token={}", token(ALICE)))]),
    ];
    for (what, headers) in cases {
        let mut request = gateway.bare("GET", "/api/streams");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let reply = read(request).await;
        assert_eq!(reply.status, 401, "{what}");
        reply.refused(401, "unauthorized");
    }
    for query in ["access_token", "token", "authorization"] {
        read(gateway.bare("GET", &format!("/api/streams?{query}={}", token(ALICE)))).await.refused(401, "unauthorized");
    }
    let lower = gateway.bare("GET", "/api/streams").header("authorization", format!("bearer {}", token(ALICE)));
    assert_eq!(read(lower).await.status, 200, "the scheme's case doesn't matter (RFC 9110)");
}

#[tokio::test]
async fn every_route_wants_a_token_before_anything_else() {
    let gateway = Gateway::start().await;
    let id = uuid::Uuid::now_v7();
    for (method, path) in crate::describe::routes() {
        let path = path.replace("{id}", &id.to_string()).replace("{destId}", "not-a-uuid");
        let reply = read(gateway.bare(&method, &path)).await;
        assert_eq!((reply.status, reply.code()), (401, "unauthorized"), "{method} {path}");
    }
    assert_eq!(gateway.fake.calls(), Vec::<&str>::new());
}

#[tokio::test]
async fn a_scope_limits_what_a_token_may_do() {
    let gateway = Gateway::start().await;
    let id = gateway.stream(ALICE).await;
    let with = |scope: Value| signed(&json!({"sub": "alice", "exp": now() + 600, "scope": scope}));
    let send = async |scope: &Value, method: &str, path: &str| {
        read(gateway.bare(method, path).bearer_auth(with(scope.clone()))).await
    };
    let (list, key, stop) =
        ("/api/streams".to_owned(), format!("/api/streams/{id}/ingest-key"), format!("/api/simulcast/{id}/stop"));
    for (scope, read_ok, key_ok, write_ok) in [
        (json!("live"), true, true, true),
        (json!("profile live:read live"), true, true, true),
        (json!("live:read"), true, false, false),
        (json!("profile"), false, false, false),
        (json!(""), false, false, false),
    ] {
        for (method, path, allowed) in [("GET", &list, read_ok), ("GET", &key, key_ok), ("POST", &stop, write_ok)] {
            let reply = send(&scope, method, path).await;
            assert_eq!(reply.status == 200, allowed, "{scope} {method} {path}: {}", reply.text);
            if !allowed {
                let reply = reply.refused(403, "insufficient_scope");
                assert!(reply.header("www-authenticate").contains("insufficient_scope"));
            }
        }
    }
}

#[tokio::test]
async fn issuer_and_audience_are_checked_when_configured() {
    let policy = Policy { issuer: Some("https://id.example.com".into()), audience: Some("live".into()) };
    let gateway = Gateway::with(Setup { policy, ..Setup::default() }).await;
    let with = |more: Value| {
        let mut claims = json!({"sub": "alice", "exp": now() + 600});
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        signed(&claims)
    };
    let good = with(json!({"iss": "https://id.example.com", "aud": ["x", "live"]}));
    assert_eq!(ask(&gateway, &good).await.status, 200);
    for bad in [
        json!({}),
        json!({"iss": "https://id.example.com"}),
        json!({"aud": "live"}),
        json!({"iss": "https://evil.example.com", "aud": "live"}),
        json!({"iss": "https://id.example.com", "aud": "other"}),
        json!({"iss": "https://id.example.com", "aud": []}),
    ] {
        ask(&gateway, &with(bad)).await.refused(401, "unauthorized");
    }
}

/// An issuer whose key set can be changed.
struct Issuer {
    url: String,
    set: Arc<Mutex<Option<Value>>>,
    asked: Arc<AtomicUsize>,
}

impl Issuer {
    async fn start(set: Value) -> Self {
        let (set, asked) = (Arc::new(Mutex::new(Some(set))), Arc::new(AtomicUsize::new(0)));
        let (shown, count) = (set.clone(), asked.clone());
        let app = Router::new().route(
            "/keys",
            get(move || async move {
                count.fetch_add(1, Ordering::SeqCst);
                let set = shown.lock().unwrap().clone();
                set.map(axum::Json).ok_or(axum::http::StatusCode::BAD_GATEWAY)
            }),
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let shutdown = Shutdown::new(Duration::from_secs(1));
        tokio::spawn(service_kit::serve_http(listener, app, HttpLimits::default(), shutdown));
        Self { url, set, asked }
    }

    fn keys(&self, min_refresh: Duration) -> Keys {
        service_kit::install_crypto();
        let options = jwks::Options {
            url: self.url.clone(),
            max_age: Duration::from_secs(600),
            min_refresh,
            timeout: Duration::from_secs(3),
            max_stale: Duration::from_secs(3_600),
        };
        Keys::Issuer(jwks::Jwks::new(options).unwrap())
    }
}

struct EcKey(EcdsaKeyPair, &'static str);

impl EcKey {
    fn new(kid: &'static str) -> Self {
        let random = SystemRandom::new();
        let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        Self(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.as_ref(), &random).unwrap(), kid)
    }

    fn jwk(&self) -> Value {
        let point = self.0.public_key().as_ref();
        let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
        json!({"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": self.1, "x": x, "y": y})
    }

    fn sign(&self, kid: &str) -> String {
        let header = json!({"alg": "ES256", "kid": kid});
        let message =
            format!("{}.{}", part(&header.to_string()), part(&json!({"sub": "alice", "exp": now() + 600}).to_string()));
        let tag = self.0.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()))
    }
}

#[tokio::test]
async fn an_issuers_keys_are_fetched_and_cached() {
    let ec = EcKey::new("ec-1");
    let rsa = json!({"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "rsa-1", "n": RSA_N, "e": "AQAB"});
    let issuer = Issuer::start(json!({"keys": [rsa, ec.jwk()]})).await;
    let keys = issuer.keys(Duration::from_secs(600));
    let gateway = Gateway::with(Setup { keys, ..Setup::default() }).await;
    for _ in 0..5 {
        assert_eq!(ask(&gateway, &ec.sign("ec-1")).await.status, 200);
        assert_eq!(ask(&gateway, RSA_TOKEN).await.status, 200);
    }
    let tampered = RSA_TOKEN.replacen(".eyJzdWIiOiJhbGljZSI", ".eyJzdWIiOiJhbGljZCI", 1);
    ask(&gateway, &tampered).await.refused(401, "unauthorized");
    // The public keys as HMAC secrets, and keys nobody has: the issuer is not asked again for any of them.
    let header = json!({"alg": "HS256", "kid": "rsa-1"});
    let claims = json!({"sub": "alice", "exp": now() + 600});
    ask(&gateway, &signed_with(&header, &claims, RSA_N.as_bytes())).await.refused(401, "unauthorized");
    ask(&gateway, &signed(&claims)).await.refused(401, "unauthorized");
    ask(&gateway, &ec.sign("rsa-1")).await.refused(401, "unauthorized");
    for n in 0..20 {
        ask(&gateway, &ec.sign(&format!("unknown-{n}"))).await.refused(401, "unauthorized");
    }
    assert_eq!(issuer.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_rotated_key_is_found_and_an_absent_issuer_is_our_problem() {
    let (old, new) = (EcKey::new("old"), EcKey::new("new"));
    let issuer = Issuer::start(json!({"keys": [old.jwk()]})).await;
    let keys = issuer.keys(Duration::ZERO);
    let gateway = Gateway::with(Setup { keys, ..Setup::default() }).await;
    *issuer.set.lock().unwrap() = None;
    let reply = ask(&gateway, &old.sign("old")).await.refused(503, "auth_unavailable");
    assert_eq!(reply.header("retry-after"), "5");
    *issuer.set.lock().unwrap() = Some(json!({"keys": [old.jwk()]}));
    assert_eq!(ask(&gateway, &old.sign("old")).await.status, 200);
    ask(&gateway, &new.sign("new")).await.refused(401, "unauthorized");
    *issuer.set.lock().unwrap() = Some(json!({"keys": [new.jwk()]}));
    assert_eq!(ask(&gateway, &new.sign("new")).await.status, 200);
    ask(&gateway, &old.sign("old")).await.refused(401, "unauthorized");
    *issuer.set.lock().unwrap() = None;
    assert_eq!(ask(&gateway, &new.sign("new")).await.status, 200, "known keys go on serving");
}

#[tokio::test]
async fn a_secret_serves_no_other_algorithm() {
    let keys = Keys::Secret(DecodingKey::from_secret(RSA_N.as_bytes()).into());
    let gateway = Gateway::with(Setup { keys, ..Setup::default() }).await;
    ask(&gateway, RSA_TOKEN).await.refused(401, "unauthorized");
}
