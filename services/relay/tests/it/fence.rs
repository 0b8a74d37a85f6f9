//! Tickets and epochs of readers.

use domain::ids::{Epoch, StreamId};
use media::flv::TagKind;
use reqwest::StatusCode;
use service_kit::ticket::{Ticket, Use};
use testkit::wait;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpSocket,
};
use uuid::Uuid;

use crate::{
    rig::{DEADLINE, End, KEY, Reader, Rig, now_ms},
    script,
};

#[tokio::test(flavor = "multi_thread")]
async fn the_highest_epoch_wins_and_the_older_is_cut_and_stays_out() {
    let rig = Rig::new().await;
    let mut publisher = rig.publish(KEY).await.unwrap();
    script::headers(&mut publisher).await.unwrap();
    script::frames(&mut publisher, 0..3).await.unwrap();
    let session = rig.session();
    let mut old = Reader::new(rig.get(rig.stream, &rig.ticket(session, 7, Use::Read)).await);
    old.next().await.unwrap();
    let mut sibling = rig.read().await;
    let mut new = Reader::new(rig.get(rig.stream, &rig.ticket(session, 8, Use::Read)).await);
    assert_eq!(old.until_end().await, End::Aborted);
    let refused = rig.get(rig.stream, &rig.ticket(session, 7, Use::Read)).await;
    assert_eq!((refused.status(), &refused.headers()["x-fence-epoch"]), (StatusCode::CONFLICT, &"8".parse().unwrap()));
    // Its own reconnect replaces its dead connection.
    let mut again = Reader::new(rig.get(rig.stream, &rig.ticket(session, 8, Use::Read)).await);
    assert_eq!(new.until_end().await, End::Aborted);
    script::frames(&mut publisher, 3..6).await.unwrap();
    publisher.close().await;
    assert_eq!((again.until_end().await, sibling.until_end().await), (End::Clean, End::Clean));
    assert!(rig.metric("relay_fenced_total").await >= 3.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fence_rises_even_without_a_source() {
    let rig = Rig::new().await;
    let session = rig.session();
    let none = rig.get(rig.stream, &rig.ticket(session, 8, Use::Read)).await;
    assert_eq!(none.status(), StatusCode::NOT_FOUND);
    let old = rig.get(rig.stream, &rig.ticket(session, 7, Use::Read)).await;
    assert_eq!(old.status(), StatusCode::CONFLICT);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_tickets_open_nothing() {
    let rig = Rig::new().await;
    let mut publisher = rig.publish(KEY).await.unwrap();
    script::headers(&mut publisher).await.unwrap();
    script::frames(&mut publisher, 0..3).await.unwrap();
    let url = format!("http://{}/live/{}.flv", rig.addresses.http, rig.stream);
    let bare = rig.http.get(&url).send().await.unwrap();
    assert_eq!(
        (bare.status(), &bare.headers()["www-authenticate"]),
        (StatusCode::UNAUTHORIZED, &"Bearer".parse().unwrap())
    );
    let status = async |ticket: &str| rig.get(rig.stream, ticket).await.status();
    let session = rig.session();
    let expired = Ticket { stream: rig.stream, session, epoch: Epoch(1), use_: Use::Read, expires_at_ms: now_ms() - 1 };
    let foreign = Ticket { stream: StreamId(Uuid::from_u128(5)), expires_at_ms: now_ms() + 9_999, ..expired.clone() };
    assert_eq!(status("nonsense").await, StatusCode::UNAUTHORIZED);
    assert_eq!(status(&rig.tickets.sign(&expired)).await, StatusCode::UNAUTHORIZED);
    assert_eq!(status(&rig.tickets.sign(&foreign)).await, StatusCode::FORBIDDEN);
    assert_eq!(status(&rig.ticket(session, 1, Use::Publish)).await, StatusCode::FORBIDDEN);
    let good = rig.ticket(session, 1, Use::Read);
    let head = rig.http.head(&url).bearer_auth(&good).send().await.unwrap();
    assert_eq!(head.status(), StatusCode::METHOD_NOT_ALLOWED);
    let no_id = rig.http.get(format!("http://{}/live/x.flv", rig.addresses.http)).bearer_auth(&good).send().await;
    assert_eq!(no_id.unwrap().status(), StatusCode::NOT_FOUND);
    assert_eq!(status(&good).await, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fenced_reader_that_was_not_reading_is_reset_and_finds_no_more_than_its_own_buffer() {
    let rig = Rig::new().await;
    let mut publisher = rig.publish(KEY).await.unwrap();
    script::headers(&mut publisher).await.unwrap();
    script::frames(&mut publisher, 0..3).await.unwrap();
    let session = rig.session();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(64 << 10).unwrap();
    let mut paused = socket.connect(rig.addresses.http).await.unwrap();
    let ticket = rig.ticket(session, 7, Use::Read);
    let request =
        format!("GET /live/{}.flv HTTP/1.1\r\nhost: relay\r\nauthorization: Bearer {ticket}\r\n\r\n", rig.stream);
    paused.write_all(request.as_bytes()).await.unwrap();
    wait::until_true("it reads", DEADLINE, async || rig.metric("relay_readers").await == 1.0).await.unwrap();
    let sent = rig.metric("relay_egress_bytes_total").await;
    for n in 3..203 {
        publisher.send(&script::tag(TagKind::Video, n * 40, vec![0x27; 20_000])).await.unwrap();
        publisher.flush().await.unwrap();
    }
    wait::until_true("all is received", DEADLINE, async || rig.metric("relay_ingest_bytes_total").await > 4e6)
        .await
        .unwrap();
    let queued = rig.metric("relay_egress_bytes_total").await - sent;
    assert!(queued < 2e6, "{queued} bytes are on their way to a reader that takes none");
    let new = Reader::new(rig.get(rig.stream, &rig.ticket(session, 8, Use::Read)).await);
    wait::until_true("the old one is gone", DEADLINE, async || rig.metric("relay_readers").await == 1.0).await.unwrap();
    let (mut left, mut buffer) = (0, vec![0; 64 << 10]);
    let end = loop {
        match paused.read(&mut buffer).await {
            Ok(0) => break None,
            Ok(read) => left += read,
            Err(error) => break Some(error.kind()),
        }
    };
    assert_eq!(end, Some(std::io::ErrorKind::ConnectionReset));
    assert!(left < 300_000, "{left} stale bytes");
    drop(new);
}
