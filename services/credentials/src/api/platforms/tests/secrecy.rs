//! No piece of a token or stream key is stored in the clear, or answered.

use sqlx::Row;

use super::world::{Destination, ON, World};
use domain::platform::Platform;

/// Shorter pieces are found by chance.
const PIECE: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_columns_and_answers_hold_none() {
    let world = World::start().await;
    let a = world.replica().await;
    let mut said = String::new();
    for on in ON {
        if on != Platform::Cloudflare {
            said += &format!("{:?}", world.link(&a, "tenant-1", on, "alice").await);
        }
        let destination = Destination::new(&world, "tenant-1", on);
        said += &format!("{:?}", a.prepare(destination.prepare()).await);
        let media = a.publish(&destination).await;
        said += &format!("{:?}", a.until(&destination, world.sim.now_ms(), "live").await);
        media.finish().await;
    }
    for sql in [
        "SELECT row_to_json(t)::text FROM credentials.broadcasts t",
        "SELECT row_to_json(t)::text FROM credentials.accounts t",
        "SELECT row_to_json(t)::text FROM credentials.authorizations t",
    ] {
        for row in sqlx::query(sql).fetch_all(a.store.pool()).await.expect("reads") {
            said += &row.get::<String, _>(0);
        }
    }
    assert!(said.len() > 2_000, "there must be something to search");
    let secrets = world.sim.secrets();
    assert!(secrets.len() > 8, "there must be something to find");
    // Keys hold ids of accounts, videos and inputs, which are everywhere.
    let inputs = world.sim.state().pointer("/cloudflare/inputs").and_then(|list| list.as_array().cloned());
    let inputs = inputs.unwrap_or_default();
    let ids: Vec<&str> = inputs.iter().filter_map(|input| input["uid"].as_str()).collect();
    for secret in secrets {
        let secret = ids.iter().fold(secret, |secret, id| secret.replace(id, ""));
        for piece in secret.as_bytes().chunks_exact(PIECE) {
            let piece = std::str::from_utf8(piece).expect("text");
            let is_id = piece.bytes().filter(u8::is_ascii_digit).count() >= PIECE - 2;
            assert!(is_id || !said.contains(piece), "{piece} of a secret is in the clear");
        }
    }
}
