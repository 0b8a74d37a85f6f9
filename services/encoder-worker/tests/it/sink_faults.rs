//! What happens when the destination misbehaves.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use domain::fault::Fault;
use testkit::sink::{Answer, Behaviour, Certificate, End, Options, Sink, TestCa, Then};
use wire::v1::{Phase, SessionReport, Settings};

use crate::scene::{PATIENCE, Scene, Setup};

fn fault(report: &SessionReport) -> Fault {
    report.fault.clone().unwrap().try_into().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_sink_is_back_without_a_new_ffmpeg() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let (sink, sibling) = (Sink::start().await?, Sink::start().await?);
    let session = scene.deliver(&sink, Settings::default()).await?;
    let other = scene.deliver(&sibling, Settings::default()).await?;
    scene.until_phase(&session, Phase::Connected).await?;
    scene.until_phase(&other, Phase::Connected).await?;
    sink.wait_for("media", PATIENCE, |seen| (seen[0].tags.len() > 150).then_some(())).await?;
    let cut = Instant::now();
    sink.reset();
    let lost = scene.until_phase(&session, Phase::Reconnecting).await?;
    assert_eq!((fault(&lost).code.as_str(), lost.attempt), ("connection_lost", 1));
    let again = sink.wait_for("media again", PATIENCE, |seen| seen.get(1)?.first_media).await?;
    println!("reset to media again: {:?} (backoff: up to 1 s)", again.duration_since(cut));
    assert_eq!(scene.until_now(&session, Phase::Connected).await?.reconnects, 1);
    sink.wait_for("both tracks", PATIENCE, |seen| (seen[1].tags.len() > 150).then_some(())).await?;
    let seen = sink.seen().remove(1);
    assert!(seen.starts_decodable() && seen.backwards == 0, "{seen:?}");
    assert!(seen.tags.iter().find(|tag| tag.keyframe).unwrap().ts == 0 && seen.max_skew_ms < 300, "{seen:?}");
    assert_eq!(scene.spawns().await?, 2, "one FFmpeg per destination, none restarted");
    let sibling = sibling.seen();
    assert_eq!(sibling.len(), 1);
    assert!(sibling[0].longest_gap() <= Duration::from_millis(300), "the sibling lost something");
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_restarts_is_back_soon_after_it_accepts() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let sink = Sink::start().await?;
    let session = scene.deliver(&sink, Settings { max_retries: Some(50), ..Settings::default() }).await?;
    scene.until_phase(&session, Phase::Connected).await?;
    sink.go_down().await?;
    scene.until_phase(&session, Phase::Reconnecting).await?;
    sink.come_back()?;
    let back = Instant::now();
    let again = sink.wait_for("media again", PATIENCE, |seen| seen.get(1)?.first_media).await?;
    println!("sink accepts again to media: {:?}", again.duration_since(back));
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_key_is_final_and_tried_once() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    for (number, answer) in [Behaviour::refuse_key(), Behaviour::answer(Answer::CloseOnPublish)].into_iter().enumerate()
    {
        let sink = Sink::start().await?;
        sink.set(answer);
        let session = scene.deliver(&sink, Settings::default()).await?;
        let failed = scene.until_phase(&session, Phase::Failed).await?;
        assert_eq!(fault(&failed).code, "publish_refused", "{number}");
        assert!(!fault(&failed).is_transient());
        assert_eq!(sink.seen().len(), 1);
        scene.until_free(&session).await?;
    }
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_refuses_is_final_at_first() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let sink = Sink::start().await?;
    sink.go_down().await?;
    let session = scene.deliver(&sink, Settings::default()).await?;
    assert_eq!(fault(&scene.until_phase(&session, Phase::Failed).await?).code, "connection_refused");
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_key_is_waited_for_and_not_counted() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let sink = Sink::start().await?;
    let busy = || {
        let (code, description) = ("NetStream.Publish.BadName".to_owned(), "Already publishing".to_owned());
        Behaviour::answer(Answer::RefuseKey { code, description })
    };
    sink.script([busy(), busy(), busy()]);
    let session = scene.deliver(&sink, Settings { max_retries: Some(1), ..Settings::default() }).await?;
    scene.until_phase(&session, Phase::Connected).await?;
    let seen = scene.reports(&session);
    let conflicts = seen.iter().filter(|report| report.phase() == Phase::Reconnecting);
    assert!(conflicts.clone().count() == 3 && conflicts.clone().all(|report| fault(report).code == "publish_conflict"));
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_stops_reading_is_seen_by_acknowledged_bytes() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    // A sink that reads nothing doesn't notice our reset either: it takes the second publish beside the first.
    let duplicate = testkit::sink::Duplicate::TakeBoth;
    let sink = Sink::start_with(Options { receive_buffer: Some(64 << 10), duplicate, ..Options::default() }).await?;
    sink.script([Behaviour::then(Then::StopReading(600_000))]);
    let session = scene.deliver(&sink, Settings::default()).await?;
    scene.until_phase(&session, Phase::Connected).await?;
    let stopped = sink
        .wait_for("the freeze", PATIENCE, |seen| (seen[0].media_bytes >= 600_000).then_some(seen[0].last_media?))
        .await?;
    let lost = scene.until_phase(&session, Phase::Reconnecting).await?;
    println!("stalled sink seen after {:?}", stopped.elapsed());
    assert_eq!(fault(&lost).code, "destination_stalled");
    assert!(stopped.elapsed() < Duration::from_secs(8), "{:?}", stopped.elapsed());
    scene.until_now(&session, Phase::Connected).await?;
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn retries_run_out() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let sink = Sink::start().await?;
    let session = scene.deliver(&sink, Settings { max_retries: Some(2), ..Settings::default() }).await?;
    scene.until_phase(&session, Phase::Connected).await?;
    sink.go_down().await?;
    let failed = scene.until_phase(&session, Phase::Failed).await?;
    assert_eq!(fault(&failed).code, "connection_refused");
    let tries = scene.reports(&session).iter().filter(|report| report.phase() == Phase::Reconnecting).count();
    assert_eq!(tries, 2);
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_nobody_vouches_for_never_sees_the_key() -> anyhow::Result<()> {
    let ca = TestCa::new()?;
    let env = vec![("RTMPS_CA_FILE", ca.file().to_string_lossy().into_owned())];
    let scene = Scene::open_with(Setup { env, ..Setup::default() }).await?;
    for (certificate, expected) in [
        (Certificate::SelfSigned, Some("tls_untrusted")),
        (Certificate::WrongHost, Some("tls_wrong_host")),
        (Certificate::Valid, None),
    ] {
        let tls = Some((Arc::clone(&ca), certificate));
        let sink = Sink::start_with(Options { tls, ..Options::default() }).await?;
        let session = scene.deliver(&sink, Settings::default()).await?;
        match expected {
            Some(code) => {
                assert_eq!(fault(&scene.until_phase(&session, Phase::Failed).await?).code, code);
                assert!(sink.seen().iter().all(|seen| seen.key_sha256.is_empty() && seen.bytes == 0));
            }
            None => drop(scene.until_phase(&session, Phase::Connected).await?),
        }
    }
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_shows_at_the_sink_at_once_even_when_it_hangs() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let (sink, frozen) = (Sink::start().await?, Sink::start().await?);
    let session = scene.deliver(&sink, Settings::default()).await?;
    let stuck = scene.deliver(&frozen, Settings::default()).await?;
    scene.until_phase(&session, Phase::Connected).await?;
    scene.until_phase(&stuck, Phase::Connected).await?;
    frozen.freeze();
    let asked = Instant::now();
    scene.stop(&session).await?;
    scene.stop(&stuck).await?;
    let (at, end) = sink.wait_for("the end", PATIENCE, |seen| seen[0].ended).await?;
    println!("stop (by Redis) to the end at the sink: {:?}", at.duration_since(asked));
    assert!(at.duration_since(asked) < Duration::from_secs(2) && end == End::Unpublished);
    scene.until_phase(&session, Phase::Ended).await?;
    scene.until_phase(&stuck, Phase::Ended).await?;
    println!("both ended: {:?}", asked.elapsed());
    assert!(scene.ffmpegs().is_empty());
    scene.close().await
}
