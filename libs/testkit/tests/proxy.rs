//! The network that the proxy makes.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::time::{Duration, Instant};

use testkit::Proxy;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

/// Both ends of a connection through a proxy.
async fn pair() -> (Proxy, TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::start(listener.local_addr().unwrap()).await.unwrap();
    let client = TcpStream::connect(proxy.addr()).await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    client.set_nodelay(true).unwrap();
    (proxy, client, server)
}

async fn echo_of_a_byte(client: &mut TcpStream, server: &mut TcpStream) -> Duration {
    let began = Instant::now();
    client.write_all(b"x").await.unwrap();
    server.read_u8().await.unwrap();
    server.write_all(b"y").await.unwrap();
    client.read_u8().await.unwrap();
    began.elapsed()
}

#[tokio::test]
async fn latency_is_added_each_way() {
    let (proxy, mut client, mut server) = pair().await;
    assert!(echo_of_a_byte(&mut client, &mut server).await < Duration::from_millis(50));
    proxy.change(|network| network.latency = Duration::from_millis(100));
    let took = echo_of_a_byte(&mut client, &mut server).await;
    assert!((200..300).contains(&took.as_millis()), "{took:?}");
}

#[tokio::test]
async fn a_throttle_holds_back_and_a_heal_lets_go() {
    let (proxy, mut client, mut server) = pair().await;
    proxy.change(|network| network.bytes_per_second = Some(100_000));
    let began = Instant::now();
    let sent = async {
        client.write_all(&vec![7; 300_000]).await.unwrap();
    };
    let mut received = vec![0; 300_000];
    tokio::join!(sent, async { server.read_exact(&mut received[..100_000]).await.unwrap() });
    let took = began.elapsed();
    assert!((800..1_400).contains(&took.as_millis()), "{took:?}");
    proxy.heal();
    let rest = server.read_exact(&mut received[100_000..]);
    timeout(Duration::from_secs(1), rest).await.expect("fast again").unwrap();
}

#[tokio::test]
async fn undisturbed_it_is_no_bottleneck() {
    const BYTES: usize = 50 << 20;
    let (_proxy, mut client, mut server) = pair().await;
    let sent = async {
        let piece = vec![7; 1 << 16];
        for _ in 0..BYTES / piece.len() {
            client.write_all(&piece).await.unwrap();
        }
    };
    let received = async {
        let (mut total, mut buffer) = (0, vec![0; 1 << 16]);
        while total < BYTES {
            total += server.read(&mut buffer).await.unwrap();
        }
    };
    timeout(Duration::from_secs(10), async { tokio::join!(sent, received) }).await.expect("40 Mbit/s at least");
}

#[tokio::test]
async fn a_freeze_holds_everything_and_a_thaw_delivers_it() {
    let (proxy, mut client, mut server) = pair().await;
    proxy.freeze(true);
    client.write_all(b"held").await.unwrap();
    let mut buffer = [0; 4];
    assert!(timeout(Duration::from_millis(300), server.read_exact(&mut buffer)).await.is_err());
    proxy.freeze(false);
    timeout(Duration::from_secs(1), server.read_exact(&mut buffer)).await.expect("delivered").unwrap();
    assert_eq!(&buffer, b"held");
}

#[tokio::test]
async fn a_cut_resets_both_ends_and_a_close_does_not() {
    let (proxy, mut client, mut server) = pair().await;
    proxy.cut();
    for end in [&mut client, &mut server] {
        let error = end.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }
    let (_proxy, mut client, mut server) = pair().await;
    client.write_all(b"bye").await.unwrap();
    client.shutdown().await.unwrap();
    let mut all = Vec::new();
    server.read_to_end(&mut all).await.unwrap();
    server.write_all(b"bye you").await.unwrap();
    drop(server);
    client.read_to_end(&mut all).await.unwrap();
    assert_eq!(all, b"byebye you");
}

#[tokio::test]
async fn a_black_hole_accepts_and_says_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::start(listener.local_addr().unwrap()).await.unwrap();
    proxy.change(|network| network.blackhole = true);
    let mut client = TcpStream::connect(proxy.addr()).await.unwrap();
    client.write_all(b"hello?").await.unwrap();
    assert!(timeout(Duration::from_millis(300), client.read_u8()).await.is_err());
    assert!(timeout(Duration::from_millis(10), listener.accept()).await.is_err());
}
