//! What the service starts with and what it refuses.

use uuid::Uuid;

use crate::world::{KEY_A, KEY_B, World, stream};

#[tokio::test]
async fn bad_keys_are_refused_with_a_reason() {
    let world = World::start().await;
    let example = "your-secret-encryption-key-32-bytes";
    let refusals: [(&[(&str, &str)], &str); 5] = [
        (&[], "ENCRYPTION_KEY is not set"),
        (&[("EXPRSN_ENV", "production")], "ENCRYPTION_KEY is not set"),
        (&[("EXPRSN_ENV", "production"), ("ENCRYPTION_KEY", "short")], "shorter than 32 bytes"),
        (&[("EXPRSN_ENV", "production"), ("ENCRYPTION_KEY", example)], "example out of the documentation"),
        (&[("ENCRYPTION_KEY", KEY_A), ("ORCHESTRATOR_URL", "")], "ORCHESTRATOR_URL"),
    ];
    for (env, reason) in refusals {
        let (ok, log) = world.run(&[], env).await;
        assert!(!ok && log.contains(reason), "{env:?}: {log}");
        assert!(!log.contains(KEY_A), "{log}");
    }
    // None of them got as far as the database.
    let mut sql = world.sql().await;
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_tables WHERE schemaname = 'credentials'")
        .fetch_one(&mut sql)
        .await
        .unwrap();
    assert_eq!(tables, 0);
}

#[tokio::test]
async fn the_wrong_key_is_refused_and_the_right_one_opens_again() {
    let world = World::start().await;
    let id = Uuid::now_v7();
    let first = world.service(KEY_A).await;
    let key = first.client().create_ingest_key(stream(id)).await.expect("made").into_inner().key;
    drop(first);
    let (ok, log) = world.run(&[], &[("ENCRYPTION_KEY", KEY_B)]).await;
    assert!(!ok && log.contains("ENCRYPTION_KEY does not open this vault"), "{log}");
    assert!(!log.contains(&KEY_A[..5]) && !log.contains(&KEY_B[..5]), "{log}");
    let again = world.service(KEY_A).await;
    assert_eq!(again.client().reveal_ingest_key(stream(id)).await.expect("shown").into_inner().key, key);
}

#[tokio::test]
async fn a_development_vault_is_not_served_in_production() {
    let world = World::start().await;
    drop(world.service(KEY_A).await);
    let (ok, log) = world.run(&[], &[("ENCRYPTION_KEY", KEY_A), ("EXPRSN_ENV", "production")]).await;
    assert!(!ok && log.contains("a cost that production refuses"), "{log}");
}

#[tokio::test]
async fn production_derives_at_full_cost() {
    let world = World::start().await;
    let production = [("ENCRYPTION_KEY", KEY_A), ("EXPRSN_ENV", "production")];
    let service = world.service_with(&production).await;
    service.client().create_ingest_key(stream(Uuid::now_v7())).await.expect("serves");
    let mut sql = world.sql().await;
    let log_n: i16 = sqlx::query_scalar("SELECT log_n FROM credentials.keys").fetch_one(&mut sql).await.unwrap();
    assert_eq!(log_n, 17);
    // What it made opens again, at the same cost.
    drop(service);
    world.service_with(&production).await;
}

#[tokio::test]
async fn two_replicas_may_set_up_the_vault_at_once() {
    let world = World::start().await;
    let (one, two) = tokio::join!(world.service(KEY_A), world.service(KEY_A));
    let id = Uuid::now_v7();
    let key = one.client().create_ingest_key(stream(id)).await.expect("made").into_inner().key;
    assert_eq!(two.client().reveal_ingest_key(stream(id)).await.expect("shown").into_inner().key, key);
    let mut sql = world.sql().await;
    let keys: i64 = sqlx::query_scalar("SELECT count(*) FROM credentials.keys").fetch_one(&mut sql).await.unwrap();
    assert_eq!(keys, 1);
}
