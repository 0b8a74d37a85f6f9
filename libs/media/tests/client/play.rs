//! Pulling a source.

use std::time::Duration;

use media::{
    flv::TagKind,
    rtmp::{
        player::{self, Options, PlayError, Player, Source},
        tls::Trust,
    },
};
use secret::SecretString;
use testkit::{LiveSource, NginxRtmp, Proxy, Sink, live_source, sink::Answer, sink::Behaviour};

use crate::support::{KEY, url};

fn options() -> Options {
    Options { idle_timeout: Duration::from_secs(3), ..Options::new(Trust::system(None).unwrap()) }
}

async fn play(text: &str, addr: std::net::SocketAddr) -> Result<Player, PlayError> {
    let source = Source { url: url(text), play_path: SecretString::from(KEY), addr };
    player::connect(source, options(), |_, _| {}).await
}

fn small() -> live_source::Options {
    live_source::Options { size: "320x180".to_owned(), kbps: 400, ..live_source::Options::default() }
}

#[tokio::test]
async fn nginx_plays_to_us_until_the_source_ends() {
    let nginx = NginxRtmp::start().await.unwrap();
    let source = LiveSource::start_with(&nginx.stream_url(KEY), &small()).unwrap();
    let mut player = play(&nginx.url(), nginx.addr()).await.unwrap();
    let (mut counts, mut last, mut keyframes) = ([0, 0], [0, 0], 0);
    while counts.iter().any(|count| *count < 100) {
        let tag = player.next().await.unwrap().expect("still live");
        let kind = match tag.kind {
            TagKind::Audio => 0,
            TagKind::Video => 1,
            TagKind::Script => continue,
        };
        counts[kind] += 1;
        keyframes += usize::from(tag.is_keyframe());
        assert!(tag.ts >= last[kind], "{kind}: {} after {}", tag.ts, last[kind]);
        last[kind] = tag.ts;
    }
    assert!(keyframes > 0);
    source.finish();
    loop {
        match player.next().await {
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(error) => panic!("nginx says when a stream ends: {error}"),
        }
    }
}

#[tokio::test]
async fn silence_is_bounded_and_a_cut_is_no_end() {
    let nginx = NginxRtmp::start().await.unwrap();
    let mut player = play(&nginx.url(), nginx.addr()).await.unwrap();
    let nothing = player.next().await;
    assert!(matches!(nothing, Err(PlayError::Idle(_))), "nobody publishes: {nothing:?}");

    let _source = LiveSource::start_with(&nginx.stream_url(KEY), &small()).unwrap();
    let proxy = Proxy::start(nginx.addr()).await.unwrap();
    let mut player = play(&nginx.url(), proxy.addr()).await.unwrap();
    assert!(player.next().await.unwrap().is_some());
    proxy.cut();
    let error = loop {
        match player.next().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("a cut is no end"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, PlayError::Closed(_)), "{error:?}");
}

#[tokio::test]
async fn a_silent_server_is_left() {
    let sink = Sink::start().await.unwrap();
    sink.set(Behaviour::answer(Answer::SilentHandshake));
    let source = Source { url: url(&sink.url()), play_path: SecretString::from(KEY), addr: sink.addr() };
    let options = Options { step_timeout: Duration::from_millis(500), ..options() };
    let error = player::connect(source, options, |_, _| {}).await.unwrap_err();
    assert!(matches!(error, PlayError::Timeout(player::Step::Handshake)), "{error:?}");
}
