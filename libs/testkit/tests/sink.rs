//! The sink against a real encoder.

use std::time::Duration;

use media::flv::TagKind;
use testkit::{
    LiveSource, Sink, ffprobe_bytes, live_source,
    sink::{self, Behaviour, Duplicate, End, Then},
    wait,
};

const SOON: Duration = Duration::from_secs(10);

fn small() -> live_source::Options {
    live_source::Options { size: "320x180".to_owned(), kbps: 400, ..live_source::Options::default() }
}

#[expect(clippy::unwrap_used, reason = "a test stops where it fails")]
fn publish(sink: &Sink, key: &str) -> LiveSource {
    LiveSource::start_with(&format!("{}/{key}", sink.url()), &small()).unwrap()
}

#[tokio::test]
async fn an_encoder_is_taken_measured_and_recorded() {
    let sink = Sink::start().await.unwrap();
    let source = publish(&sink, "one");
    let enough = |seen: &[sink::Seen]| seen.first().filter(|seen| seen.count(TagKind::Video) > 60).cloned();
    let seen = sink.wait_for("two seconds", SOON, enough).await.unwrap();
    assert!(seen.is_live() && seen.starts_decodable() && seen.backwards == 0, "{seen:?}");
    assert!(seen.max_skew_ms < 150 && seen.longest_gap() < Duration::from_millis(500), "{seen:?}");
    assert_eq!(seen.per_100ms.values().sum::<u64>(), seen.bytes);
    assert_eq!(ffprobe_bytes(&seen.flv()).await.unwrap().summary(), "h264 320x180, aac");
    source.finish();
    let (_, end) = sink.wait_for("the end", SOON, |seen| seen[0].ended).await.unwrap();
    assert_eq!(end, End::Unpublished);
}

#[tokio::test]
async fn a_script_is_played_once_per_connection() {
    let sink = Sink::start().await.unwrap();
    sink.script([Behaviour::refuse_key(), Behaviour::then(Then::Reset(50_000))]);
    let refused = publish(&sink, "one");
    wait::until_true("ffmpeg gives up", SOON, async || !refused.alive()).await.unwrap();
    let cut = publish(&sink, "one");
    wait::until_true("ffmpeg is cut", SOON, async || !cut.alive()).await.unwrap();
    let _taken = publish(&sink, "one");
    sink.wait_for("media", SOON, |seen| (seen.len() == 3).then(|| seen[2].first_media).flatten()).await.unwrap();
    let seen = sink.seen();
    assert_eq!((seen[0].published_at, seen[1].media_bytes), (None, 50_000));
    assert_eq!(sink.overlap_ms(), 0);
}

#[tokio::test]
async fn two_publishers_of_one_key_overlap_and_of_two_keys_do_not() {
    let options = sink::Options { duplicate: Duplicate::TakeBoth, ..sink::Options::default() };
    let sink = Sink::start_with(options).await.unwrap();
    let both = |seen: &[sink::Seen], from: usize| {
        let started = seen.iter().skip(from).filter(|seen| seen.count(TagKind::Video) > 30).count();
        (started == 2).then_some(())
    };
    let _sources = [publish(&sink, "one"), publish(&sink, "two")];
    sink.wait_for("two keys", SOON, |seen| both(seen, 0)).await.unwrap();
    assert_eq!(sink.overlap_ms(), 0);
    let _more = [publish(&sink, "three"), publish(&sink, "three")];
    sink.wait_for("one key twice", SOON, |seen| both(seen, 2)).await.unwrap();
    assert!(sink.overlap_ms() > 300, "{}", sink.overlap_ms());
}

#[tokio::test]
async fn it_goes_down_and_comes_back() {
    let sink = Sink::start().await.unwrap();
    let source = publish(&sink, "one");
    sink.wait_for("media", SOON, |seen| seen.first()?.first_media).await.unwrap();
    sink.go_down().await.unwrap();
    wait::until_true("ffmpeg sees it", SOON, async || !source.alive()).await.unwrap();
    sink.come_back().unwrap();
    let _source = publish(&sink, "one");
    sink.wait_for("media again", SOON, |seen| seen.get(1)?.first_media).await.unwrap();
    assert_eq!((sink.overlap_ms(), sink.seen()[0].ended.map(|ended| ended.1)), (0, Some(End::ByUs)));
}
