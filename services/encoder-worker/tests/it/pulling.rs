//! An external source pulled into a relay.

use lease::RelayInfo;
use media::flv::TagKind;
use testkit::{
    LiveSource, NginxRtmp, live_source,
    sink::{End, Sink},
};
use wire::v1::{Phase, PublishTarget, SessionKind};

use crate::{
    brains::spec,
    scene::{PATIENCE, Scene},
};

#[tokio::test(flavor = "multi_thread")]
async fn an_external_source_is_pulled_into_the_relay_and_survives_its_server() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let server = NginxRtmp::start().await?;
    let options = live_source::Options { size: "640x360".into(), kbps: 600, ..Default::default() };
    let source = LiveSource::start_with(&server.stream_url("outside"), &options)?;
    let relay = Sink::start().await?;
    let info = RelayInfo {
        relay: domain::ids::RelayId("r-1".into()),
        rtmp: relay.url(),
        http: String::new(),
        sources: 0,
        readers: 0,
    };
    let directory = scene.leases.directory();
    let advert = tokio::spawn(async move {
        loop {
            let _ = directory.announce_relay(&info).await;
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
    });
    let session = uuid::Uuid::now_v7().to_string();
    let mut spec = spec(&session, 1, SessionKind::Pull, &scene.stream.to_string());
    spec.destination_id = String::new();
    spec.input_url = server.stream_url("outside");
    scene.run(spec, PublishTarget::default()).await?;
    scene.until_phase(&session, Phase::Connected).await?;
    let both = |count: usize, seen: &testkit::sink::Seen| {
        (seen.count(TagKind::Video) > count && seen.count(TagKind::Audio) > count).then_some(())
    };
    relay.wait_for("both tracks", PATIENCE, |seen| both(60, seen.last()?)).await?;
    assert!(relay.seen()[0].starts_decodable());

    source.kill();
    scene.until_phase(&session, Phase::Reconnecting).await?;
    relay.wait_for("the pulled publish ends", PATIENCE, |seen| seen.last()?.ended).await?;
    source.restart()?;
    scene.until_now(&session, Phase::Connected).await?;
    relay.wait_for("both tracks again", PATIENCE, |seen| both(30, seen.last()?)).await?;

    scene.stop(&session).await?;
    scene.until_phase(&session, Phase::Ended).await?;
    let (_, end) = relay.wait_for("goodbye", PATIENCE, |seen| seen.last()?.ended).await?;
    assert_eq!(end, End::Unpublished);
    advert.abort();
    scene.close().await
}
