//! A server that is too old is refused, also when it turns up later.

use bus::{Bus, Error};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

use crate::support::{run, soon};

/// Says that it is nats-server 2.9.10 and answers pings.
async fn pretend(socket: TcpStream) -> std::io::Result<()> {
    let (read, mut write) = socket.into_split();
    let info =
        r#"{"server_id":"x","version":"2.9.10","proto":1,"headers":true,"jetstream":true,"max_payload":1048576}"#;
    write.write_all(format!("INFO {info}\r\n").as_bytes()).await?;
    let mut lines = BufReader::new(read).lines();
    while let Some(line) = lines.next_line().await? {
        if line.starts_with("PING") {
            write.write_all(b"PONG\r\n").await?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_server_before_2_10_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("nats://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            tokio::spawn(pretend(socket));
        }
    });
    let refused = soon("the refusal", Bus::connect(&url, "test")).await.err().unwrap();
    assert!(matches!(&refused, Error::ServerTooOld { version } if version == "2.9.10"), "{refused:?}");
    server.abort();
}

#[tokio::test]
async fn a_bad_address_is_refused_without_being_shown() {
    let refused = Bus::connect("http://ann:s3cret@x", "test").await.err().unwrap();
    assert!(matches!(refused, Error::BadUrl));
    assert!(!format!("{refused} {refused:?}").contains("s3cret"));
}

#[tokio::test]
async fn credentials_in_the_address_are_used() {
    // Nobody listens: only that it is taken, and that operations say so.
    let bus = Bus::connect("nats://ann:s3cret@127.0.0.1:9", "test").await.unwrap();
    assert!(matches!(bus.publish_run(&run(1, 1)).await, Err(Error::Disconnected)));
}
