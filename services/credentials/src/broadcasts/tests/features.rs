//! What people do beside going live.

use domain::{ids::TenantId, platform::Platform, platform_settings::PlatformSettings};
use uuid::Uuid;

use super::world::{RUN, World, reference, tenant};
use crate::broadcasts::{Error, On};

fn on(destination: Uuid) -> On {
    let settings = PlatformSettings { title: Some("old".into()), ..PlatformSettings::default() };
    On { tenant: tenant(), destination: destination.into(), platform: Platform::Twitch, account: None, settings }
}

#[tokio::test]
async fn they_act_on_the_present_broadcast_and_only_the_owners() {
    let world = World::start().await;
    let a = world.replica().await;
    let wanted = reference(Uuid::now_v7());
    let channel = async |on: On| {
        a.broadcasts.ask(on, |features, run| Box::pin(async move { features.channel(&run).await })).await
    };
    let before = channel(on(wanted.destination.0)).await.expect("answers");
    assert_eq!((before.id.as_str(), before.title.as_str()), ("0", "null"));
    a.prepare_ready(wanted).await;
    let during = channel(on(wanted.destination.0)).await.expect("answers");
    assert_eq!((during.id, during.title), (RUN.to_string(), RUN.to_string()));
    let stranger = On { tenant: TenantId("tenant-2".into()), ..on(wanted.destination.0) };
    assert!(matches!(channel(stranger).await, Err(Error::NotFound)));
    let unset = On { platform: Platform::Youtube, ..on(wanted.destination.0) };
    assert!(channel(unset).await.expect_err("not set up").to_string().contains("platform_not_configured"));
    let pages =
        a.broadcasts.ask(on(wanted.destination.0), |features, run| Box::pin(async move { features.pages(&run).await }));
    assert!(pages.await.expect_err("Twitch has none").to_string().contains("not_offered_by_platform"));
}

#[tokio::test]
async fn changes_are_known_at_the_end() {
    let world = World::start().await;
    let a = world.replica().await;
    let wanted = reference(Uuid::now_v7());
    a.prepare_ready(wanted).await;
    let changes = PlatformSettings { title: Some("new".into()), ..PlatformSettings::default() };
    let applied = a.broadcasts.apply(on(wanted.destination.0), changes).await.expect("applies");
    assert_eq!(applied.applied, ["title"]);
    assert_eq!(world.script.count(r#"apply Some("new") Some("new")"#), 1);
    let sql = "SELECT settings->>'title' FROM credentials.broadcasts";
    let title: String = sqlx::query_scalar(sql).fetch_one(a.store.pool()).await.expect("reads");
    assert_eq!(title, "new");
}
