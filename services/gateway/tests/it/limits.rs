//! What one caller may take.

use std::time::{Duration, Instant};

use gateway::rate::Rate;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::harness::{ALICE, BOB, DEADLINE, Gateway, Setup, read, token};

#[tokio::test]
async fn a_tenant_that_asks_too_often_is_held_back_and_others_are_not() {
    let gateway = Gateway::with(Setup { tenant: Rate { per_second: 1, burst: 5 }, ..Setup::default() }).await;
    let mut refused = 0;
    for _ in 0..30 {
        let reply = gateway.get(ALICE, "/api/streams").await;
        if reply.status == 429 {
            let reply = reply.refused(429, "rate_limited");
            assert!(reply.header("retry-after").parse::<u64>().unwrap() >= 1);
            refused += 1;
        }
    }
    assert!(refused >= 20, "{refused}");
    assert_eq!(gateway.get(BOB, "/api/streams").await.status, 200);
    // A token that is not valid spends nobody's budget, whatever it claims.
    for _ in 0..10 {
        let forged = crate::harness::signed_with(
            &serde_json::json!({"alg": "HS256"}),
            &serde_json::json!({"sub": "bob", "exp": 4_102_444_800_u64}),
            b"another-secret-of-at-least-32-byte",
        );
        read(gateway.bare("GET", "/api/streams").bearer_auth(forged)).await.refused(401, "unauthorized");
    }
    assert_eq!(gateway.get(BOB, "/api/streams").await.status, 200);
}

#[tokio::test]
async fn an_address_that_asks_too_often_is_held_back_before_its_token_is_looked_at() {
    let gateway = Gateway::with(Setup { address: Rate { per_second: 1, burst: 5 }, ..Setup::default() }).await;
    let mut codes = Vec::new();
    for n in 0..20 {
        let request = gateway.bare("GET", "/api/streams").header("x-forwarded-for", format!("192.0.2.{n}"));
        codes.push(read(request).await.status);
    }
    assert!(codes.iter().filter(|c| **c == 429).count() >= 10, "{codes:?}");
    assert_eq!(read(gateway.bare("GET", "/healthz")).await.status, 200, "probes are not counted");
}

#[tokio::test]
async fn five_hundred_slow_sockets_do_not_keep_others_out() {
    let mut setup = Setup::default();
    setup.limits.header_read_timeout = Duration::from_secs(2);
    let gateway = Gateway::with(setup).await;
    let mut slow = Vec::new();
    for _ in 0..500 {
        let mut socket = TcpStream::connect(gateway.address).await.unwrap();
        socket.write_all(b"GET /api/streams HTTP/1.1\r\nhost: x\r\n").await.unwrap();
        slow.push(socket);
    }
    let begun = Instant::now();
    assert_eq!(gateway.get(ALICE, "/api/streams").await.status, 200);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    // Each of them dribbles on, and is cut all the same.
    for mut socket in slow {
        let _ = socket.write_all(b"x: y\r\n").await;
        let mut rest = Vec::new();
        let closed = tokio::time::timeout(DEADLINE, socket.read_to_end(&mut rest)).await;
        assert!(closed.is_ok(), "a slow socket is still open");
    }
}

#[tokio::test]
async fn a_header_beyond_the_limit_is_refused() {
    let gateway = Gateway::start().await;
    let head = format!("GET /api/streams HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "a".repeat(200 * 1024));
    let answer = gateway.raw(head.as_bytes()).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test]
async fn two_requests_in_one_are_refused() {
    let gateway = Gateway::start().await;
    let token = token(ALICE);
    let smuggled = format!(
        "POST /api/streams HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n\
         content-length: 5\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n"
    );
    let answer = gateway.raw(smuggled.as_bytes()).await;
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
}
