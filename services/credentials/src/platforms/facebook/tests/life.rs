//! The whole life, on a Page and on a profile.

use std::time::Duration;

use domain::platform_settings::Privacy;
use platform_sim::{JournalEntry, contract::Contract};

use super::{bench::Bench, media::Live};
use crate::platforms::{Features, Judgement, Lifecycle, Repair, State};

/// One line per call, without what differs from run to run; repeated lines once.
fn told(bench: &Bench) -> String {
    let account = bench.sim.account("alice")["facebook"].clone();
    let mut names = vec![
        (account["id"].as_str().unwrap().to_owned(), "{user}"),
        (bench.page(0), "{page}"),
        (bench.page(1), "{other page}"),
    ];
    names.extend(bench.lives().into_iter().map(|(id, _)| (id, "{live}")));
    names.extend(bench.progress()["live_video_id"].as_str().map(|id| (id.to_owned(), "{live}")));
    let mut lines: Vec<String> = bench.journal().iter().map(line).collect();
    for line in &mut lines {
        for (id, name) in &names {
            *line = line.replace(id, name);
        }
    }
    lines.dedup();
    lines.join("\n")
}

fn line(entry: &JournalEntry) -> String {
    let mut body = entry.body.clone();
    if body["event_params"].is_string() {
        body["event_params"] = "{time}".into();
    }
    let body = if body.is_null() { String::new() } else { format!(" {body}") };
    let line = entry.line();
    let video = line.split('/').find(|part| part.len() == 16 && part.starts_with('8')).unwrap_or("no video");
    format!("{}{body}", line.replace(video, "{video}"))
}

fn keeps_the_contract(bench: &Bench) {
    if let Some(contract) = Contract::find().unwrap() {
        let violations = contract.violations(&bench.journal());
        assert!(violations.is_empty(), "{}", violations.join("\n"));
    }
}

async fn live_and_over(mut bench: Bench) -> Bench {
    let ready = bench.prepare(&bench.run).await.unwrap();
    assert!(ready.rtmp_url.ends_with("/rtmp"), "{ready:?}");
    let key = bench.key().await;
    assert!(key.expose().contains("?s_bl=1&"));
    assert_eq!(bench.lives()[0].1, "UNPUBLISHED");
    assert_eq!(bench.look().await.unwrap().state, State::Waiting);

    let live = Live::start(&ready.rtmp_url, &key).await.unwrap();
    bench.run.publishing_ms = bench.sim.now_ms();
    let truth = bench.until_state(State::Live).await;
    assert!(truth.playback_url.unwrap().starts_with("https://www.facebook.com/"));
    let truth = bench.until("viewers", |truth| truth.viewers > 0 && truth.health == Judgement::Good).await;
    assert_eq!(truth.repair, None);
    assert_eq!(truth.again, Some(Duration::from_secs(10)));
    assert!(bench.facebook.embed(&bench.run).await.unwrap().html.starts_with("<iframe"));
    assert!(bench.facebook.insights(&bench.run).await.unwrap().len() > 2);
    // Said again, nothing is made twice.
    let again = bench.prepare(&bench.run).await.unwrap();
    assert_eq!((again.rtmp_url, bench.key().await.expose()), (ready.rtmp_url, key.expose()));

    bench.finish().await.unwrap();
    assert!(live.ended().await);
    assert_eq!(bench.open(), []);
    assert_eq!(bench.lives().len(), 1);
    bench.finish().await.unwrap();
    keeps_the_contract(&bench);
    bench
}

#[tokio::test]
async fn on_a_page() {
    let mut bench = Bench::start().await.on_page();
    bench.run.settings.title = Some("Late show".to_owned());
    bench.run.settings.description = Some("With guests".to_owned());
    bench.run.settings.privacy = Some(Privacy::Public);
    insta::assert_snapshot!("page", told(&live_and_over(bench).await));
}

#[tokio::test]
async fn on_a_profile() {
    let mut bench = Bench::start().await;
    bench.sim.set_flags("alice", |flags| flags.facebook_ingest_as_object = true);
    bench.run.settings.privacy = Some(Privacy::Private);
    insta::assert_snapshot!("profile", told(&live_and_over(bench).await));
}

#[tokio::test]
async fn never_live_is_deleted() {
    let bench = Bench::start().await.on_page();
    bench.prepare(&bench.run).await.unwrap();
    bench.finish().await.unwrap();
    assert_eq!(bench.lives(), []);
    assert_eq!(bench.facebook.finish(&bench.run).await, Ok(()));
    insta::assert_snapshot!("never_live", told(&bench));
}

#[tokio::test]
async fn nothing_prepared_nothing_to_end() {
    let bench = Bench::start().await;
    bench.finish().await.unwrap();
    assert_eq!(bench.journal().len(), 0);
}

#[tokio::test]
async fn announced_and_live_at_its_time() {
    let mut bench = Bench::start().await.on_page();
    bench.run.settings.scheduled_start_s = Some(bench.sim.now_ms() / 1_000 + 90);
    let ready = bench.prepare(&bench.run).await.unwrap();
    assert_eq!(ready.notes.len(), 1);
    assert_eq!(bench.lives()[0].1, "SCHEDULED_UNPUBLISHED");
    let _live = Live::start(&ready.rtmp_url, &bench.key().await).await.unwrap();
    bench.run.publishing_ms = bench.sim.now_ms();
    let truth = bench.until("health", |truth| truth.health == Judgement::Good).await;
    assert_eq!(truth.state, State::Waiting);
    bench.sim.advance(Duration::from_secs(95));
    bench.until_state(State::Live).await;
    bench.finish().await.unwrap();
    assert!(bench.journal().iter().all(|entry| entry.body["planned_start_time"].is_null()));
    keeps_the_contract(&bench);
}

#[tokio::test]
async fn an_earlier_one_is_ended_first() {
    let mut bench = Bench::start().await.on_page();
    bench.prepare(&bench.run).await.unwrap();
    let first = bench.lives();
    // Never live: it disappears. A new take of the same run.
    bench.run.take += 1;
    let ready = bench.prepare(&bench.run).await.unwrap();
    assert_eq!(bench.lives().len(), 1);
    assert_ne!(bench.lives(), first);
    // Live: it is ended. A new run, on the profile now.
    let live = Live::start(&ready.rtmp_url, &bench.key().await).await.unwrap();
    bench.run.publishing_ms = bench.sim.now_ms();
    bench.until_state(State::Live).await;
    (bench.run.run_ms, bench.run.take, bench.run.publishing_ms) = (bench.run.run_ms + 60_000, 0, 0);
    bench.run.settings.page_id = None;
    bench.prepare(&bench.run).await.unwrap();
    assert!(live.ended().await);
    assert_eq!(bench.lives().len(), 2);
    assert_eq!(bench.open().len(), 1);
    // A late word about the earlier run ends nothing of the new one.
    let mut earlier = bench.run.clone();
    earlier.run_ms -= 60_000;
    bench.facebook.finish(&earlier).await.unwrap();
    assert_eq!(bench.open().len(), 1);
    keeps_the_contract(&bench);
}

#[tokio::test]
async fn ended_by_facebook_wants_a_new_one() {
    let mut bench = Bench::start().await.on_page();
    let ready = bench.prepare(&bench.run).await.unwrap();
    let live = Live::start(&ready.rtmp_url, &bench.key().await).await.unwrap();
    bench.run.publishing_ms = bench.sim.now_ms();
    bench.until_state(State::Live).await;
    drop(live);
    let truth = bench.until_state(State::Ended).await;
    assert_eq!(truth.repair, Some(Repair::Renew));
    assert_eq!(truth.fault.unwrap().code, "broadcast_ended");
    bench.run.take += 1;
    bench.run.publishing_ms = 0;
    let ready = bench.prepare(&bench.run).await.unwrap();
    let _live = Live::start(&ready.rtmp_url, &bench.key().await).await.unwrap();
    bench.run.publishing_ms = bench.sim.now_ms();
    bench.until_state(State::Live).await;
    bench.finish().await.unwrap();
    assert_eq!(bench.open(), []);
}

#[tokio::test]
async fn eight_hours_are_announced_and_the_end_wants_a_new_one() {
    let mut bench = Bench::start().await.on_page();
    let ready = bench.prepare(&bench.run).await.unwrap();
    let _live = Live::start(&ready.rtmp_url, &bench.key().await).await.unwrap();
    bench.run.publishing_ms = bench.sim.now_ms();
    let truth = bench.until("health", |truth| truth.state == State::Live && truth.health == Judgement::Good).await;
    assert_eq!(truth.issues, [""; 0]);
    bench.sim.advance(Duration::from_secs(7 * 3_600 + 1_860));
    let truth = bench.until_state(State::Live).await;
    assert!(truth.issues.iter().any(|issue| issue.contains("28 minutes are left")), "{:?}", truth.issues);
    bench.sim.advance(Duration::from_secs(1_800));
    assert_eq!(bench.until_state(State::Ended).await.repair, Some(Repair::Renew));
}

#[tokio::test]
async fn a_lost_signal_is_repaired_by_a_new_connection() {
    let options = platform_sim::Options {
        timing: platform_sim::Timing { facebook_vod_after: Duration::from_secs(150), ..platform_sim::Timing::fast() },
        ..platform_sim::Options::default()
    };
    let mut bench = Bench::with(options, crate::http::Options::default()).await.on_page();
    let ready = bench.prepare(&bench.run).await.unwrap();
    let live = Live::start(&ready.rtmp_url, &bench.key().await).await.unwrap();
    bench.run.publishing_ms = bench.sim.now_ms();
    bench.until_state(State::Live).await;
    drop(live); // we go on as if it still were acknowledged
    bench.until("the loss", |truth| truth.health != Judgement::Good).await;
    bench.sim.advance(Duration::from_secs(16));
    let truth = bench.until("a repair", |truth| truth.repair.is_some()).await;
    assert_eq!((truth.state, truth.repair), (State::Live, Some(Repair::Reconnect)));
    // Looked at again at once, it is not asked for twice.
    let truth = bench.look().await.unwrap();
    assert_eq!((truth.state, truth.repair, truth.fault), (State::Live, None, None));
    let _live = Live::start(&ready.rtmp_url, &bench.key().await).await.unwrap();
    bench.run.publishing_ms = bench.sim.now_ms();
    let truth = bench.until("health", |truth| truth.health == Judgement::Good).await;
    assert_eq!((truth.state, truth.repair), (State::Live, None));
}

#[tokio::test]
async fn nobody_asks_faster_than_facebook_measures() {
    let mut bench = Bench::start().await.on_page();
    let ready = bench.prepare(&bench.run).await.unwrap();
    let before = bench.journal().len();
    for _ in 0..5 {
        assert_eq!(bench.look().await.unwrap().state, State::Waiting); // nothing is published: nobody is asked
    }
    assert_eq!(bench.journal().len(), before);
    let _live = Live::start(&ready.rtmp_url, &bench.key().await).await.unwrap();
    bench.run.publishing_ms = bench.sim.now_ms();
    bench.until_state(State::Live).await;
    let before = bench.journal().len();
    for _ in 0..5 {
        assert_eq!(bench.look().await.unwrap().state, State::Live);
    }
    assert_eq!(bench.journal().len(), before);
}
