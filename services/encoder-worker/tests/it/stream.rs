//! What arrives when nothing fails, and what happens when the source comes and goes.

use std::time::{Duration, Instant};

use media::flv::TagKind;
use testkit::{
    ffprobe::ffprobe_bytes,
    live_source,
    sink::{End, Sink},
    wait,
};
use wire::v1::{Phase, PublishTarget, SessionKind, Settings};

use crate::{
    brains::spec,
    scene::{KEY, PATIENCE, Scene, Setup},
};

const FED: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_arrives_whole_and_is_counted_by_what_the_sink_got() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let sink = Sink::start().await?;
    let began = Instant::now();
    let session = scene.deliver(&sink, Settings::default()).await?;
    let first = sink.wait_for("media", PATIENCE, |seen| seen.first()?.first_media).await?;
    println!("command to first media byte: {:?}", first.duration_since(began));
    scene.until_phase(&session, Phase::Connected).await?;
    let enough = |seen: &[testkit::sink::Seen]| (seen[0].tags.last()?.at.duration_since(first) > FED).then_some(());
    sink.wait_for("five seconds", PATIENCE, enough).await?;
    assert_eq!(scene.phases(&session), [Phase::Connecting, Phase::Connected]);
    let seen = sink.seen().remove(0);
    assert!(seen.starts_decodable() && seen.backwards == 0 && seen.max_skew_ms < 300, "{seen:?}");
    assert!(seen.longest_gap() <= Duration::from_millis(300), "{:?}", seen.longest_gap());
    let probe = ffprobe_bytes(&seen.flv()).await?;
    assert_eq!(
        (probe.video().unwrap().codec_name.as_str(), probe.audio().unwrap().codec_name.as_str()),
        ("h264", "aac")
    );

    let sample = scene.samples(&session).pop().unwrap();
    println!("{sample:?}");
    assert!((28.0..32.0).contains(&sample.fps), "{sample:?}");
    assert!((2_300.0..3_200.0).contains(&sample.bitrate), "{sample:?}");
    assert!((0.9..1.2).contains(&sample.speed), "{sample:?}");

    scene.stop(&session).await?;
    scene.until_phase(&session, Phase::Ended).await?;
    let seen = sink.seen().remove(0);
    assert_eq!(seen.ended.map(|(_, end)| end), Some(End::Unpublished));
    let told = scene.samples(&session);
    assert!(
        told.windows(2).all(|pair| pair[0].bytes_sent <= pair[1].bytes_sent && pair[0].sequence < pair[1].sequence)
    );
    let mode = scene.reports(&session)[1].mode.clone();
    assert_eq!(mode, "copy");
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_sent_are_the_sinks() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let sink = Sink::start().await?;
    let session = scene.deliver(&sink, Settings::default()).await?;
    scene.until_phase(&session, Phase::Connected).await?;
    // A sample and a look at the sink at the same moment.
    let (told, counted) = wait::until("six samples", PATIENCE, async || {
        let samples = scene.samples(&session);
        (samples.len() >= 6).then(|| (samples.last().unwrap().bytes_sent, sink.seen()[0].media_bytes))
    })
    .await?;
    let off = (told as f64 / counted as f64 - 1.0).abs();
    println!("bytesSent {told}, the sink counted {counted}: {:.2} % apart", off * 100.0);
    assert!(told <= counted && off < 0.10, "told {told}, counted {counted}");
    // At the end there is no moment to choose: all of it.
    scene.stop(&session).await?;
    scene.until_phase(&session, Phase::Ended).await?;
    let counted = sink.seen()[0].media_bytes;
    wait::until_true("the last sample says what the sink counted", PATIENCE, async || {
        let told = scene.samples(&session).last().unwrap().bytes_sent;
        (told as f64 / counted as f64 - 1.0).abs() < 0.005
    })
    .await?;
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encode_fits_the_settings() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let sink = Sink::start().await?;
    let settings = Settings {
        bitrate_kbps: Some(600),
        width: Some(640),
        height: Some(360),
        framerate: Some(15),
        preset: Some("ultrafast".into()),
        ..Settings::default()
    };
    let session = scene.deliver(&sink, settings).await?;
    assert_eq!(scene.until_phase(&session, Phase::Connected).await?.mode, "encode");
    let keys = |seen: &[testkit::sink::Seen]| {
        let keys: Vec<u32> = seen.first()?.tags.iter().filter(|tag| tag.keyframe).map(|tag| tag.ts).collect();
        (keys.len() >= 4).then_some(keys)
    };
    let keys = sink.wait_for("four keyframes", PATIENCE, keys).await?;
    assert!(keys.windows(2).all(|pair| (1_900..2_100).contains(&(pair[1] - pair[0]))), "{keys:?}");
    let seen = sink.seen().remove(0);
    let probe = ffprobe_bytes(&seen.flv()).await?;
    let video = probe.video().unwrap();
    assert_eq!((video.codec_name.as_str(), video.width, video.height), ("h264", 640, 360));
    assert!((14.5..15.5).contains(&video.fps()), "{video:?}");
    let span = f64::from(seen.tags.last().unwrap().ts) / 1000.0;
    let bytes: usize = seen.tags.iter().filter(|tag| tag.kind == TagKind::Video).map(|tag| tag.bytes).sum();
    let kbps = bytes as f64 * 8.0 / 1000.0 / span;
    assert!((300.0..750.0).contains(&kbps), "{kbps}");
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_without_sound_gets_silence() -> anyhow::Result<()> {
    let source = live_source::Options { no_audio: true, size: "640x360".into(), kbps: 600, ..Default::default() };
    let scene = Scene::open_with(Setup { source, ..Setup::default() }).await?;
    let sink = Sink::start().await?;
    let session = scene.deliver(&sink, Settings::default()).await?;
    scene.until_phase(&session, Phase::Connected).await?;
    sink.wait_for("sound", PATIENCE, |seen| (seen[0].count(TagKind::Audio) > 60).then_some(())).await?;
    let probe = ffprobe_bytes(&sink.seen()[0].flv()).await?;
    let audio = probe.audio().unwrap();
    assert_eq!((audio.codec_name.as_str(), audio.sample_rate.as_str(), audio.channels), ("aac", "48000", 2));
    assert_eq!(probe.video().unwrap().codec_name, "h264");
    scene.relay.end();
    scene.until_now(&session, Phase::WaitingSource).await?;
    wait::until_true("FFmpeg ends although silence never does", FED, async || scene.ffmpegs().is_empty()).await?;
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_ends_is_waited_for_and_costs_one_ffmpeg() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let sink = Sink::start().await?;
    let session = scene.deliver(&sink, Settings { max_retries: Some(0), ..Settings::default() }).await?;
    scene.until_phase(&session, Phase::Connected).await?;
    scene.relay.end();
    scene.until_now(&session, Phase::WaitingSource).await?;
    let ended = sink.wait_for("goodbye", FED, |seen| seen[0].ended).await?;
    assert_eq!(ended.1, End::Unpublished);
    let back = Instant::now();
    scene.relay.go_live();
    let again = sink.wait_for("media again", PATIENCE, |seen| seen.get(1)?.first_media).await?;
    println!("source back to media again: {:?}", again.duration_since(back));
    scene.until_now(&session, Phase::Connected).await?;
    assert_eq!(scene.spawns().await?, 2);
    assert!(sink.seen()[1].starts_decodable() && sink.seen()[1].tags.iter().any(|tag| tag.ts == 0));
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_relay_connection_keeps_the_publish() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let sink = Sink::start().await?;
    let session = scene.deliver(&sink, Settings::default()).await?;
    scene.until_phase(&session, Phase::Connected).await?;
    let before =
        sink.wait_for("media", PATIENCE, |seen| (seen[0].tags.len() > 100).then_some(seen[0].tags.len())).await?;
    scene.relay.break_readers();
    sink.wait_for("more media", PATIENCE, |seen| (seen[0].tags.len() > before + 200).then_some(())).await?;
    let seen = sink.seen();
    assert_eq!((seen.len(), seen[0].backwards), (1, 0), "{seen:?}");
    assert!(seen[0].max_skew_ms < 400, "{}", seen[0].max_skew_ms);
    assert_eq!((scene.relay.reads(), scene.spawns().await?), (2, 2));
    assert_eq!(scene.phases(&session), [Phase::Connecting, Phase::Connected]);
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_settings_and_a_changed_key_take_effect_while_live() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let sink = Sink::start().await?;
    let session = scene.deliver(&sink, Settings::default()).await?;
    assert_eq!(scene.until_phase(&session, Phase::Connected).await?.mode, "copy");
    let small =
        Settings { width: Some(320), height: Some(180), preset: Some("ultrafast".into()), ..Settings::default() };
    scene.brains.known().specs.get_mut(&session).unwrap().settings = Some(small);
    let (id, epoch) = (session.parse()?, domain::ids::Epoch(1));
    let refresh = |generation| lease::Desired::Refresh(domain::ids::Generation(generation));
    scene.leases.set_desired(id, epoch, refresh(2)).await?;
    let second = |seen: &[testkit::sink::Seen]| (seen.get(1)?.count(TagKind::Video) > 60).then_some(());
    sink.wait_for("a publish of the new size", PATIENCE, second).await?;
    let probe = ffprobe_bytes(&sink.seen()[1].flv()).await?;
    assert_eq!((probe.video().unwrap().width, probe.video().unwrap().height), (320, 180));
    assert!(sink.seen()[1].starts_decodable());

    scene.brains.known().targets.get_mut(&session).unwrap().stream_key = "another_key_0123".into();
    scene.leases.set_desired(id, epoch, refresh(3)).await?;
    let third = |seen: &[testkit::sink::Seen]| (seen.get(2)?.count(TagKind::Video) > 10).then_some(());
    sink.wait_for("a publish with the new key", PATIENCE, third).await?;
    let seen = sink.seen();
    assert_ne!(seen[1].key_sha256, seen[2].key_sha256);
    assert_eq!(scene.spawns().await?, 2, "a new key needs no new FFmpeg");
    assert!(!scene.phases(&session).contains(&Phase::Reconnecting));
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_without_a_source_waits() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let sink = Sink::start().await?;
    scene.relay.end();
    let session = scene.deliver(&sink, Settings::default()).await?;
    scene.until_phase(&session, Phase::WaitingSource).await?;
    assert!(sink.seen().is_empty(), "nothing to publish, nothing connected");
    scene.relay.go_live();
    scene.until_phase(&session, Phase::Connected).await?;
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_says_which_step_failed_and_sends_no_media() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let sink = Sink::start().await?;
    let target = PublishTarget { rtmp_url: sink.url(), stream_key: KEY.into(), backup_urls: vec![] };
    let stream = scene.stream.to_string();
    for (number, skip) in [(1, false), (2, true), (3, false)] {
        if number == 3 {
            sink.set(testkit::sink::Behaviour::refuse_key());
        }
        let id = uuid::Uuid::now_v7().to_string();
        let mut spec = spec(&id, 1, SessionKind::Test, &stream);
        spec.skip_publish = skip;
        scene.run(spec, target.clone()).await?;
        wait::until_true("a result", PATIENCE, async || scene.brains.known().tests.len() == number).await?;
        let result = scene.brains.known().tests[number - 1].result.clone().unwrap();
        let names: Vec<_> = result.steps.iter().map(|step| (step.name.as_str(), step.ok)).collect();
        let handshake = [("resolve", true), ("connect", true), ("rtmp_connect", true)];
        assert_eq!(names[..3], handshake);
        match number {
            1 => assert_eq!(names[3..], [("publish", true)]),
            2 => assert_eq!(names.len(), 3),
            _ => assert_eq!(names[3..], [("publish", false)]),
        }
        assert_eq!(result.ok, number != 3);
    }
    assert!(sink.seen()[1].published_at.is_none(), "a live destination is not published to a second time");
    assert!(sink.seen().iter().all(|seen| seen.tags.is_empty()));
    scene.close().await
}
