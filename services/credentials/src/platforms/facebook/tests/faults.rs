//! Lost answers, throttles and refusals: one live video, and a fault that says what to do.

use std::time::{Duration, Instant};

use platform_sim::{Fault, Limits, Options, Reset, errors};

use super::{bench::Bench, media::Live};
use crate::platforms::{Failure, Lifecycle, Repair, State};

const CREATE: &str = "/graph/v26.0/*/live_videos";
const ANY: &str = "/graph/*";

fn create() -> Fault {
    Fault::on("POST", CREATE)
}

fn met(bench: &Bench) -> u32 {
    bench.sim.faults().iter().map(|(_, used)| used).sum()
}

#[tokio::test]
async fn a_lost_answer_to_the_create_is_found_in_the_list() {
    let after = Duration::from_millis(900);
    for fault in [
        create().delay(Duration::ZERO, after),
        create().reset(Reset::After),
        Fault { truncate: true, ..create() },
        Fault { body: Some("<html>502 Bad Gateway</html>".into()), status: Some(502), apply: Some(true), ..create() },
        Fault {
            apply: Some(true),
            ..create().answer(500, errors::facebook(2, None, "Service temporarily unavailable"))
        },
        Fault { apply: Some(true), ..create().answer(200, serde_json::json!({"id": "../me"})) },
    ] {
        let bench = Bench::hasty().await.on_page();
        bench.sim.fault(fault.clone());
        bench.facebook.prepare(&bench.run).await.unwrap_or_else(|failure| panic!("{fault:?}: {failure:?}"));
        assert_eq!((met(&bench), bench.creates(), bench.lives().len()), (1, 1, 1), "{fault:?}");
        let (id, _) = bench.lives().remove(0);
        assert_eq!(bench.progress()["live_video_id"], id.as_str());
        let ready = bench.facebook.prepare(&bench.run).await.unwrap();
        Live::start(&ready.rtmp_url, &bench.key().await).await.unwrap();
        bench.finish().await.unwrap();
        assert_eq!(bench.open(), []);
    }
}

#[tokio::test]
async fn a_create_that_is_done_after_we_gave_up_is_waited_for() {
    let bench = Bench::hasty().await.on_page();
    bench.sim.fault(create().delay(Duration::from_millis(1_200), Duration::ZERO));
    let end = Instant::now() + Duration::from_secs(10);
    // No time passes on the clock: nothing may be made anew.
    while let Err(failure) = bench.facebook.prepare(&bench.run).await {
        assert!(failure.is_transient() && failure.ambiguous, "{failure:?}");
        assert!(Instant::now() < end);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!((met(&bench), bench.creates(), bench.lives().len()), (1, 1, 1));
}

#[tokio::test]
async fn one_that_shows_itself_far_too_late_is_ended_at_the_end() {
    let bench = Bench::hasty().await.on_page();
    bench.sim.fault(create().delay(Duration::from_millis(2_000), Duration::ZERO));
    bench.prepare(&bench.run).await.unwrap(); // time flies: another one was made
    assert_eq!(bench.creates(), 2);
    let end = Instant::now() + Duration::from_secs(10);
    while bench.lives().len() < 2 {
        assert!(Instant::now() < end);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bench.finish().await.unwrap();
    assert_eq!(bench.open(), []);
}

#[tokio::test]
async fn what_was_not_done_is_done_once() {
    for fault in [
        create().reset(Reset::Before),
        create().answer(500, errors::facebook(1, None, "An unknown error occurred")),
        create().answer(503, "<html>busy</html>".into()),
        Fault::on("GET", "/graph/v26.0/me/accounts").reset(Reset::Before),
        Fault { truncate: true, ..Fault::on("GET", "/graph/v26.0/me/accounts") },
    ] {
        let bench = Bench::hasty().await.on_page();
        bench.sim.fault(fault.clone());
        bench.prepare(&bench.run).await.unwrap();
        assert_eq!((met(&bench), bench.lives().len()), (1, 1), "{fault:?}");
    }
}

#[tokio::test]
async fn two_destinations_of_one_title_never_share_a_live_video() {
    let bench = Bench::hasty().await.on_page();
    let other = bench.another(2);
    bench.sim.fault(create().reset(Reset::After).times(2));
    let (one, two) = tokio::join!(bench.prepare(&bench.run), bench.prepare(&other));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!(one.rtmp_url, two.rtmp_url);
    let key = async |run: &crate::platforms::Run| run.book.key().await.unwrap().unwrap();
    assert_ne!(key(&bench.run).await.expose(), key(&other).await.expose());
    assert_eq!(bench.lives().len(), 2);
    assert_eq!(met(&bench), 2);
}

#[tokio::test]
async fn a_live_video_that_another_one_took_is_left_to_it() {
    let bench = Bench::start().await.on_page();
    let other = bench.another(2);
    bench.prepare(&other).await.unwrap();
    let (taken, _) = bench.lives().remove(0);
    // What Facebook answers is what the other one has adopted: ours is another.
    let url = "rtmps://x:443/rtmp/FB-1-0-x?s_bl=1";
    bench.sim.fault(Fault {
        apply: Some(true),
        ..create().answer(200, serde_json::json!({"id": taken, "secure_stream_url": url}))
    });
    bench.prepare(&bench.run).await.unwrap();
    assert_ne!(bench.progress()["live_video_id"], taken.as_str());
    assert_eq!((bench.creates(), bench.lives().len()), (2, 2));
}

async fn refused(fault: Fault) -> Failure {
    let bench = Bench::start().await.on_page();
    bench.sim.fault(fault);
    let failure = bench.facebook.prepare(&bench.run).await.unwrap_err();
    assert_eq!((met(&bench), bench.lives().len()), (1, 0));
    // A refusal is no reason to look for anything next time.
    assert!(bench.progress()["intent"].is_null());
    failure
}

#[tokio::test]
async fn refusals_say_what_to_do() {
    for (code, subcode, expected, word) in [
        (200, Some(1_363_144), "account_not_eligible", "100 followers"),
        (200, Some(1_363_120), "account_not_eligible", "60 days"),
        (200, None, "platform_permission_missing", "create content"),
        (10, None, "platform_permission_missing", "Sign in"),
        (368, None, "platform_refused", "Support Inbox"),
        (100, None, "platform_refused", "Invalid parameter"),
    ] {
        for status in [400, 403] {
            let failure =
                refused(create().answer(status, errors::facebook(code, subcode, "(#100) Invalid parameter"))).await;
            assert_eq!(failure.code(), expected);
            assert!(!failure.is_transient() && failure.fault.message.contains(word), "{failure:?}");
        }
    }
}

#[tokio::test]
async fn too_few_followers_by_the_account_itself() {
    let bench = Bench::start().await;
    bench.sim.set_flags("alice", |flags| flags.facebook_few_followers = true);
    assert_eq!(bench.facebook.prepare(&bench.run).await.unwrap_err().code(), "account_not_eligible");
}

#[tokio::test]
async fn a_page_without_the_task_and_a_foreign_page() {
    for (page, word) in [(1, "Alice Archive"), (9, "none of those")] {
        let mut bench = Bench::start().await;
        bench.run.settings.page_id = Some(if page == 1 { bench.page(1) } else { "../../me".to_owned() });
        let failure = bench.facebook.prepare(&bench.run).await.unwrap_err();
        assert_eq!(failure.code(), "platform_permission_missing");
        assert!(failure.fault.message.contains(word), "{failure:?}");
        assert_eq!(bench.journal().len(), 1); // the list of Pages, nothing else
    }
}

#[tokio::test]
async fn throttles_at_400_and_at_403_are_waited_for_as_told() {
    let page_usage = r#"{"1":[{"type":"pages","call_count":101,"estimated_time_to_regain_access":7}]}"#;
    let app_usage = r#"{"call_count":101,"total_time":3,"total_cputime":3}"#;
    for (code, header, usage, pause) in
        [(80_001, "x-business-use-case-usage", page_usage, 420), (4, "x-app-usage", app_usage, 60)]
    {
        for status in [400, 403] {
            let bench = Bench::start().await.on_page();
            let mut fault = create().answer(status, errors::facebook(code, None, "(#4) too many calls"));
            fault.headers.insert(header.to_owned(), usage.to_owned());
            bench.sim.fault(fault);
            let failure = bench.facebook.prepare(&bench.run).await.unwrap_err();
            let pause = Duration::from_secs(pause);
            assert_eq!((failure.code(), failure.after), ("platform_rate_limited", Some(pause)));
            let asked = bench.journal().len();
            let again = bench.facebook.prepare(&bench.run).await.unwrap_err();
            assert!(again.after <= Some(pause) && again.after > Some(pause / 2), "{again:?}");
            assert_eq!(bench.journal().len(), asked, "nobody is asked meanwhile");
            bench.sim.advance(pause);
            bench.facebook.prepare(&bench.run).await.unwrap();
            assert_eq!(bench.lives().len(), 1);
        }
    }
}

#[tokio::test]
async fn the_platforms_own_throttle_is_seen_by_the_look() {
    let options =
        Options { limits: Limits { facebook_calls: 6, ..Limits::default() }, seed: Some(7), ..Options::default() };
    let mut bench = Bench::with(options, crate::http::Options::default()).await.on_page();
    let ready = bench.prepare(&bench.run).await.unwrap();
    let _live = Live::start(&ready.rtmp_url, &bench.key().await).await.unwrap();
    bench.run.publishing_ms = bench.sim.now_ms();
    let mut pauses = Vec::new();
    let failure = loop {
        match bench.look().await {
            Ok(truth) => pauses.push(truth.again.unwrap()),
            Err(failure) => break failure,
        }
        bench.sim.advance(Duration::from_secs(2));
    };
    assert_eq!(failure.code(), "platform_rate_limited");
    assert!(failure.after > Some(Duration::from_secs(60)), "{failure:?}");
    assert!(pauses.iter().any(|pause| *pause >= Duration::from_secs(5)), "slower before it is full: {pauses:?}");
}

#[tokio::test]
async fn a_lost_answer_to_live_now_is_read() {
    for fault in [
        Fault::on("POST", ANY).reset(Reset::After),
        Fault { truncate: true, ..Fault::on("POST", ANY) },
        Fault::on("POST", ANY).reset(Reset::Before),
        Fault::on("POST", ANY).answer(500, errors::facebook(1, None, "An unknown error occurred")),
    ] {
        let mut bench = Bench::start().await.on_page();
        let ready = bench.prepare(&bench.run).await.unwrap();
        bench.sim.fault(fault.clone());
        let _live = Live::start(&ready.rtmp_url, &bench.key().await).await.unwrap();
        bench.run.publishing_ms = bench.sim.now_ms();
        bench.until_state(State::Live).await;
        assert_eq!(met(&bench), 1, "{fault:?}");
    }
}

#[tokio::test]
async fn a_refused_live_now_asks_the_person() {
    let mut bench = Bench::start().await.on_page();
    let ready = bench.prepare(&bench.run).await.unwrap();
    let body = errors::facebook(200, Some(1_363_144), "(#200) Not enough followers");
    bench.sim.fault(Fault::on("POST", ANY).answer(403, body).times(0));
    let _live = Live::start(&ready.rtmp_url, &bench.key().await).await.unwrap();
    bench.run.publishing_ms = bench.sim.now_ms();
    let truth = bench.until("a repair", |truth| truth.repair.is_some()).await;
    assert_eq!((truth.state, truth.repair), (State::Waiting, Some(Repair::Ask)));
    assert_eq!(truth.fault.unwrap().code, "account_not_eligible");
}

#[tokio::test]
async fn the_end_is_reached_through_lost_answers() {
    let live_path = "/graph/v26.0/7*";
    for (method, went_live) in [("POST", true), ("DELETE", false)] {
        for fault in [
            Fault::on(method, live_path).reset(Reset::After),
            Fault::on(method, live_path).reset(Reset::Before),
            Fault { truncate: true, ..Fault::on(method, live_path) },
            Fault::on(method, live_path).answer(403, errors::facebook(4, None, "(#4) too many calls")),
            Fault::on("GET", live_path).answer(500, errors::facebook(2, None, "Service temporarily unavailable")),
        ] {
            let mut bench = Bench::start().await.on_page();
            let ready = bench.prepare(&bench.run).await.unwrap();
            let _live = if went_live {
                let live = Live::start(&ready.rtmp_url, &bench.key().await).await.unwrap();
                bench.run.publishing_ms = bench.sim.now_ms();
                bench.until_state(State::Live).await;
                Some(live)
            } else {
                None
            };
            bench.sim.fault(fault.clone());
            bench.finish().await.unwrap();
            assert_eq!((met(&bench), bench.open().len()), (1, 0), "{fault:?}");
            assert_eq!(bench.lives().len(), usize::from(went_live));
        }
    }
}

#[tokio::test]
async fn looking_at_what_was_deleted_wants_a_new_one() {
    let mut bench = Bench::start().await.on_page();
    bench.prepare(&bench.run).await.unwrap();
    bench.run.publishing_ms = bench.sim.now_ms();
    bench.sim.advance(Duration::from_secs(25 * 3_600)); // never used: it disappears
    let truth = bench.look().await.unwrap();
    assert_eq!((truth.state, truth.repair), (State::Ended, Some(Repair::Renew)));
    bench.run.take += 1;
    bench.prepare(&bench.run).await.unwrap();
    assert_eq!(bench.lives().len(), 1);
}

#[tokio::test]
async fn what_cannot_be_ended_does_not_keep_a_new_one_from_being_made() {
    let mut bench = Bench::start().await.on_page();
    bench.prepare(&bench.run).await.unwrap();
    bench.sim.fault(Fault::on("DELETE", ANY).answer(403, errors::facebook(200, None, "(#200) Not allowed")).times(0));
    bench.run.take += 1;
    let ready = bench.prepare(&bench.run).await.unwrap();
    assert!(ready.notes[0].contains("facebook.com"), "{:?}", ready.notes);
    assert_eq!(bench.lives().len(), 2);
}
