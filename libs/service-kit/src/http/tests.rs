use std::time::Instant;

use axum::{
    body::Bytes,
    response::IntoResponse,
    routing::{get, post},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::Notify,
    time::timeout,
};

use super::*;

const SHORT: Duration = Duration::from_millis(200);
/// Generous: these tests run beside others on few cores.
const DEADLINE: Duration = Duration::from_secs(10);

struct Running {
    address: SocketAddr,
    shutdown: Shutdown,
    /// `/wait` answers when this is notified.
    release: Arc<Notify>,
    /// Notified when `/wait` is entered.
    entered: Arc<Notify>,
}

fn limits() -> HttpLimits {
    HttpLimits { header_read_timeout: SHORT, body_read_timeout: SHORT, max_body_bytes: 100, ..HttpLimits::default() }
}

async fn start(limits: HttpLimits) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("address");
    let shutdown = Shutdown::new(Duration::from_millis(500));
    let (release, entered) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (inner_release, inner_entered) = (Arc::clone(&release), Arc::clone(&entered));
    let wait = move || async move {
        inner_entered.notify_one();
        inner_release.notified().await;
        "waited"
    };
    let app = Router::new()
        .route("/peer", get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.to_string() }))
        .route("/echo", post(|body: Bytes| async move { body }))
        .route("/wait", get(wait))
        .route("/endless", get(|| async { endless().into_response() }));
    shutdown.tasks.spawn(serve_http(listener, app, limits, shutdown.clone()));
    Running { address, shutdown, release, entered }
}

fn endless() -> Body {
    let chunks = tokio_stream(Bytes::from(vec![0; 64 * 1024]));
    Body::from_stream(chunks)
}

fn tokio_stream(chunk: Bytes) -> impl futures::Stream<Item = Result<Bytes, Infallible>> {
    futures::stream::repeat_with(move || Ok(chunk.clone()))
}

impl Running {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("connects")
    }

    async fn say(&self, text: &str) -> TcpStream {
        let mut stream = self.connect().await;
        stream.write_all(text.as_bytes()).await.expect("writes");
        stream
    }

    async fn ask(&self, text: &str) -> String {
        let stream = self.say(text).await;
        hear(stream).await
    }
}

/// Everything until the server closes.
async fn hear(mut stream: TcpStream) -> String {
    let mut heard = Vec::new();
    // A reset counts as closed.
    let _ = timeout(DEADLINE, stream.read_to_end(&mut heard)).await.expect("the server closes");
    String::from_utf8_lossy(&heard).into_owned()
}

#[tokio::test]
async fn handlers_see_the_peer() {
    let server = start(limits()).await;
    let stream = server.say("GET /peer HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    let peer = stream.local_addr().expect("address").to_string();
    assert!(hear(stream).await.ends_with(&peer));
}

#[tokio::test]
async fn slow_headers_are_cut() {
    let server = start(limits()).await;
    for part in ["", "G", "GET /peer HTTP/1.1\r\nhost: x\r\n", "GET /peer HTTP/1.1\r\nhost: x\r\n\r\n"] {
        let begun = Instant::now();
        let heard = server.ask(part).await;
        assert!(begun.elapsed() >= SHORT, "{part:?} {heard}");
        // The last one was a whole request: its connection was cut while idle.
        assert_eq!(heard.contains("200 OK"), part.ends_with("\r\n\r\n"), "{part:?} {heard}");
    }
}

#[tokio::test]
async fn slow_and_large_bodies_are_refused() {
    let server = start(limits()).await;
    let slow = server.ask("POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 50\r\n\r\nhalf").await;
    assert!(slow.starts_with("HTTP/1.1 400"), "{slow}");
    let large = server.ask("POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 101\r\n\r\n").await;
    assert!(large.starts_with("HTTP/1.1 413"), "{large}");
    let chunk = format!("{:x}\r\n{}\r\n", 60, "a".repeat(60));
    let chunked =
        format!("POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n{chunk}{chunk}0\r\n\r\n");
    let chunked = server.ask(&chunked).await;
    assert!(chunked.starts_with("HTTP/1.1 413"), "{chunked}");
    let head = format!("GET /peer HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "a".repeat(200 * 1024));
    let head = server.ask(&head).await;
    assert!(head.starts_with("HTTP/1.1 431") || head.is_empty(), "{head}");
}

#[tokio::test]
async fn slow_sockets_beyond_the_cap_only_delay_others() {
    let server = start(HttpLimits { max_connections: 4, ..limits() }).await;
    let mut slow = Vec::new();
    for _ in 0..12 {
        slow.push(server.say("GET /peer HTTP/1.1\r\n").await);
    }
    let heard = server.ask("GET /peer HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(heard.contains("200 OK"), "{heard}");
}

#[tokio::test]
async fn a_client_that_never_reads_is_cut() {
    let server = start(HttpLimits { stalled_write_timeout: Duration::from_millis(500), ..limits() }).await;
    let stream = server.say("GET /endless HTTP/1.1\r\nhost: x\r\n\r\n").await;
    // The accept loop and this one connection.
    let cut = async {
        while server.shutdown.tasks.len() != 2 {
            tokio::task::yield_now().await;
        }
        while server.shutdown.tasks.len() != 1 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(DEADLINE, cut).await.expect("the connection is cut");
    drop(stream);
}

#[tokio::test]
async fn a_running_request_outlives_the_soft_shutdown() {
    let server = start(limits()).await;
    let stream = server.say("GET /wait HTTP/1.1\r\nhost: x\r\n\r\n").await;
    server.entered.notified().await;
    server.shutdown.trigger();
    let refused = async {
        while TcpStream::connect(server.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, refused).await.expect("the listener is closed");
    server.release.notify_one();
    assert!(hear(stream).await.ends_with("waited"));
    assert!(timeout(DEADLINE, server.shutdown.drained()).await.expect("drains"));
}

#[tokio::test]
async fn the_hard_shutdown_cuts_a_running_request() {
    let server = start(limits()).await;
    let stream = server.say("GET /wait HTTP/1.1\r\nhost: x\r\n\r\n").await;
    server.entered.notified().await;
    server.shutdown.trigger();
    assert_eq!(hear(stream).await, "");
    assert!(server.shutdown.drained().await);
}
