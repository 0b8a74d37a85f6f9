//! No piece of a secret is in a log at any level, in metrics, in arguments, in an answer that needs none, or in a
//! plain column.

use std::fs;

use uuid::Uuid;
use wire::v1::{GetPublishTargetRequest, Platform};

use crate::world::{KEY_A, World, put, stream};

/// No five of its characters occur elsewhere by chance.
const STREAM_KEY: &str = "live_QZ~XJ|VK^WY{FB}PM@GH";
/// Longer than by chance (they are of a small alphabet), shorter than what a person could use.
const PIECE_OF_INGEST_KEY: usize = 8;

fn assert_absent(what: &str, text: &str, secret: &str, piece: usize) {
    for window in secret.as_bytes().windows(piece) {
        let window = std::str::from_utf8(window).expect("ascii");
        assert!(!text.contains(window), "{what} holds {window:?} of a secret");
    }
}

#[tokio::test]
async fn secrets_are_nowhere_but_in_the_answer() {
    let world = World::start().await;
    let env = [("ENCRYPTION_KEY", KEY_A), ("RUST_LOG", "trace"), ("LOG_FORMAT", "json")];
    let service = world.service_with(&env).await;
    let mut vault = service.client();
    let (destination, id) = (Uuid::now_v7(), Uuid::now_v7());
    vault.put_stream_key(put(destination, STREAM_KEY)).await.expect("stored");
    let ingest_key = vault.create_ingest_key(stream(id)).await.expect("made").into_inner().key;
    vault.reveal_ingest_key(stream(id)).await.expect("shown");
    let claim = world.own(destination, Platform::RtmpCustom);
    let target = vault.get_publish_target(claim.clone()).await.expect("released").into_inner();
    assert_eq!(target.stream_key, STREAM_KEY);
    vault.get_publish_target(GetPublishTargetRequest { epoch: 1, ..claim }).await.expect_err("refused");
    let refused = vault.put_stream_key(put(destination, &format!("{STREAM_KEY}\n"))).await.expect_err("refused");
    assert_absent("a refusal", &format!("{refused:?}"), STREAM_KEY, 5);

    let metrics = testkit::http::get(service.http_addr(), "/metrics").await.expect("metrics");
    let pid = service.proc.pid();
    let arguments = fs::read(format!("/proc/{pid}/cmdline")).expect("reads");
    let environment = fs::read(format!("/proc/{pid}/environ")).expect("reads");
    // Ends politely: its log is complete.
    service.proc.end();
    let log = service.log();
    assert!(log.contains("publish target released") && log.contains("TRACE"), "the log is the one that is meant");
    let rows = dump(&world).await;
    assert!(rows.contains(&destination.to_string()), "{rows}");
    for (what, text) in [
        ("the log", log.as_str()),
        ("metrics", metrics.as_str()),
        ("arguments", &String::from_utf8_lossy(&arguments)),
        ("a plain column", &rows),
    ] {
        assert_absent(what, text, STREAM_KEY, 5);
        assert_absent(what, text, &ingest_key, PIECE_OF_INGEST_KEY);
        assert_absent(what, text, KEY_A, 5);
        assert!(!text.contains("internal-token"), "{what} holds the internal token");
    }
    assert_absent("the environment", &String::from_utf8_lossy(&environment), STREAM_KEY, 5);
}

/// Every row of every table of the vault, bytes as text where they are text.
async fn dump(world: &World) -> String {
    let mut sql = world.sql().await;
    let rows: Vec<String> = sqlx::query_scalar(
        "SELECT row_to_json(s)::text || encode(sealed, 'escape') FROM credentials.secrets s \
         UNION ALL SELECT row_to_json(k)::text || encode(key_check, 'escape') FROM credentials.keys k",
    )
    .fetch_all(&mut sql)
    .await
    .expect("rows");
    rows.join("\n")
}
