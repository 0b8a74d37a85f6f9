//! The crash points of the outbox: nothing committed is lost, nothing is told twice.

use std::time::Duration;

use bus::EventKind;
use futures::StreamExt;
use orchestrator::{ctx::Ctx, dispatch::events};

use crate::harness::{House, until_event};

#[tokio::test(flavor = "multi_thread")]
async fn what_was_committed_while_the_bus_was_down_is_told_in_order() -> anyhow::Result<()> {
    let house = House::start().await?;
    let stream = house.stream(1).await?;
    house.nats.kill();
    house.begin(&stream).await?;
    house.end(&stream).await?;
    house.nats.restart().await?;
    let mut events = house.events(&stream).await;
    let seen = until_event(&mut events, EventKind::StreamEnded).await?;
    let whole: Vec<_> = seen.iter().filter(|kind| kind.starts_with("stream:")).copied().collect();
    assert_eq!(whole, ["stream:starting", "stream:stopping", "stream:ended"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_after_publishing_tells_nothing_twice() -> anyhow::Result<()> {
    let house = House::with_options(1, &[], |options| options.outbox_parallel = 0).await?;
    let stream = house.stream(1).await?;
    let mut told = house.events(&stream).await;
    let ctx = &house.one().ctx;
    house.begin(&stream).await?;
    assert!(waiting(ctx).await > 0);
    assert!(publish_and_crash(ctx).await? > 0, "told, and not marked");
    assert!(waiting(ctx).await > 0);
    assert!(publish_and_crash(ctx).await? > 0, "told again");
    house.end(&stream).await?;
    house.see(&stream, "ended: ended", Duration::from_secs(5)).await?;
    // Two replicas at once.
    let (one, two) = tokio::join!(events::once(ctx), events::once(ctx));
    assert!(one.is_ok() && two.is_ok());
    testkit::wait::until_true("outbox empty", Duration::from_secs(5), async || waiting(ctx).await == 0).await?;
    let seen = until_event(&mut told, EventKind::StreamEnded).await?;
    for kind in ["stream:starting", "stream:stopping", "stream:ended"] {
        assert_eq!(seen.iter().filter(|seen| **seen == kind).count(), 1, "{seen:?}");
    }
    assert!(tokio::time::timeout(Duration::from_millis(500), told.next()).await.is_err());
    Ok(())
}

async fn publish_and_crash(ctx: &Ctx) -> anyhow::Result<usize> {
    events::publish_and_crash(ctx).await.map_err(|error| anyhow::anyhow!(error))
}

async fn waiting(ctx: &Ctx) -> i64 {
    let count = sqlx::query_scalar("SELECT count(*) FROM outbox").fetch_one(ctx.db.pool()).await;
    count.unwrap_or(-1)
}
