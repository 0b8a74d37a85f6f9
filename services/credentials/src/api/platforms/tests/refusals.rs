//! What can't be done, and how it is said.

use domain::platform::Platform;
use service_kit::grpc;
use tonic::{Code, Status};
use wire::v1;

use super::world::{Destination, World};

fn check<T: std::fmt::Debug>(refused: Result<T, Status>, code: Code, error_code: &str) {
    let status = refused.expect_err("refused");
    assert_eq!((status.code(), grpc::error_code(&status)), (code, Some(error_code)), "{status:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_refusal_has_its_code() {
    let world = World::start().await;
    let a = world.replica().await;
    let on = |on| Destination::new(&world, "tenant-1", on);
    for platform in [Platform::Youtube, Platform::Twitch, Platform::Facebook] {
        let fault = a.prepare(on(platform).prepare()).await.fault.expect("nobody is signed in");
        assert_eq!(fault.code, "account_not_linked");
    }
    world.link(&a, "tenant-1", Platform::Twitch, "alice").await;
    let twitch = on(Platform::Twitch);
    check(a.client().list_pages(twitch.feature()).await, Code::FailedPrecondition, "not_offered_by_platform");
    let thumbnail = |content_type: &str, image: &[u8]| v1::SetThumbnailRequest {
        on: Some(twitch.feature()),
        content_type: content_type.to_owned(),
        image: image.to_vec(),
    };
    let gif = a.client().set_thumbnail(thumbnail("image/gif", b"GIF89a")).await;
    check(gif, Code::InvalidArgument, "thumbnail_invalid");
    let png = a.client().set_thumbnail(thumbnail("image/png", b"\x89PNG\r\n\x1a\n0")).await;
    check(png, Code::FailedPrecondition, "not_offered_by_platform");
    let dvr = v1::PlatformSettings { dvr: Some(true), ..Default::default() };
    let changes = v1::ApplySettingsRequest { on: Some(twitch.feature()), changes: Some(dvr) };
    check(a.client().apply_settings(changes).await, Code::InvalidArgument, "invalid_settings");
    let mut custom = twitch.prepare();
    custom.platform = v1::Platform::RtmpCustom.into();
    assert_eq!(a.prepare(custom).await.fault.expect("no API").code, "platform_not_configured");
    check(a.client().finish(v1::FinishRequest::default()).await, Code::InvalidArgument, "invalid");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn features_act_on_the_tenants_own_account() {
    let world = World::start().await;
    let a = world.replica().await;
    let twitch = Destination::new(&world, "tenant-1", Platform::Twitch);
    let strangers = Destination { tenant: "tenant-2", ..twitch.clone() };
    world.link(&a, "tenant-1", Platform::Twitch, "alice").await;
    let channel = a.client().get_channel(twitch.feature()).await.expect("answers").into_inner();
    assert!(!channel.login.is_empty(), "{channel:?}");
    check(a.client().get_channel(strangers.feature()).await, Code::FailedPrecondition, "account_not_linked");
    let title = v1::PlatformSettings { title: Some("Another title".into()), ..Default::default() };
    let changes = v1::ApplySettingsRequest { on: Some(twitch.feature()), changes: Some(title) };
    a.client().apply_settings(changes).await.expect("applies");
    let channel = a.client().get_channel(twitch.feature()).await.expect("answers").into_inner();
    assert_eq!(channel.title, "Another title");
    let query = v1::SearchCategoriesRequest { on: Some(twitch.feature()), query: "a".into(), limit: 0 };
    let found = a.client().search_categories(query).await.expect("answers").into_inner().categories;
    assert!(!found.is_empty());
    a.ready(&twitch).await;
    world.link(&a, "tenant-2", Platform::Twitch, "bob").await;
    check(a.client().get_channel(strangers.feature()).await, Code::NotFound, "not_found");
}
