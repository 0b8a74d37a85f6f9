//! What looks conclude, whatever YouTube says in whatever order.

use proptest::prelude::*;

use super::super::{
    model::{Broadcast, BroadcastDetails, BroadcastStatus, Flow, Life, LiveDetails, Stream, StreamStatus, Video},
    watch::{Step, Watch},
};
use crate::platforms::{Repair, State};

const START: i64 = 1_795_435_200_000;
const STREAM: &str = "stream";

fn broadcast(life: Life, bound: bool, auto: bool) -> Broadcast {
    let content_details = BroadcastDetails {
        bound_stream_id: bound.then(|| STREAM.to_owned()),
        enable_auto_start: Some(auto),
        ..BroadcastDetails::default()
    };
    let status = BroadcastStatus { life_cycle_status: life, ..BroadcastStatus::default() };
    Broadcast { status: Some(status), content_details: Some(content_details), ..Broadcast::default() }
}

fn stream(flow: Flow) -> Stream {
    Stream { status: Some(StreamStatus { stream_status: flow, health_status: None }), ..Stream::default() }
}

/// After media has been sent for `age_ms`, seen for the first time at its beginning.
#[track_caller]
fn check(life: Life, auto: bool, flow: Flow, age_ms: i64, expected: (State, Option<Step>, Option<Repair>)) {
    let mut watch = Watch::new("id", START);
    watch.publishing(START);
    let now = START + age_ms;
    for at in [START, now] {
        watch.saw_broadcast(Some(&broadcast(life, true, auto)), at);
        watch.saw_stream(Some(&stream(flow)), at);
    }
    let truth = watch.truth(now);
    let got = (truth.state, watch.step(Some(STREAM), now), truth.repair);
    assert_eq!(got, expected, "{life:?} {flow:?} after {age_ms} ms, by itself: {auto}");
    assert_eq!(truth.repair.is_some(), truth.fault.is_some());
}

#[test]
fn what_each_state_means() {
    use State::{Ended, Live, Waiting};
    check(Life::Ready, true, Flow::Ready, 1_000, (Waiting, None, None));
    check(Life::Ready, true, Flow::Active, 9_000, (Waiting, None, None));
    check(Life::Ready, true, Flow::Active, 10_000, (Waiting, Some(Step::GoLive), None));
    check(Life::Ready, false, Flow::Active, 0, (Waiting, Some(Step::GoLive), None));
    check(Life::Testing, true, Flow::Active, 0, (Waiting, Some(Step::GoLive), None));
    check(Life::Ready, false, Flow::Inactive, 1_000, (Waiting, None, None));
    check(Life::Ready, true, Flow::Ready, 15_000, (Waiting, None, Some(Repair::Reconnect)));
    check(Life::LiveStarting, true, Flow::Active, 60_000, (Waiting, None, None));
    check(Life::LiveStarting, true, Flow::Active, 60_001, (Waiting, None, Some(Repair::Renew)));
    check(Life::TestStarting, true, Flow::Active, 60_001, (Waiting, None, Some(Repair::Renew)));
    check(Life::Live, true, Flow::Active, 100_000, (Live, None, None));
    check(Life::Live, true, Flow::Inactive, 14_000, (Live, None, None));
    check(Life::Live, true, Flow::Inactive, 15_000, (Live, None, Some(Repair::Reconnect)));
    check(Life::Live, true, Flow::Error, 15_000, (Live, None, Some(Repair::Reconnect)));
    check(Life::Live, true, Flow::Unknown, 15_000, (Live, None, None));
    check(Life::Complete, true, Flow::Active, 1_000, (Ended, None, Some(Repair::Renew)));
    check(Life::Revoked, true, Flow::Active, 1_000, (Ended, None, Some(Repair::Ask)));
}

#[test]
fn unbound_is_bound_again_and_a_deleted_broadcast_or_key_is_made_anew() {
    let mut watch = Watch::new("id", START);
    watch.publishing(START);
    watch.saw_broadcast(Some(&broadcast(Life::Created, false, true)), START);
    assert_eq!(watch.step(Some(STREAM), START), Some(Step::Bind));
    watch.attempted(START);
    assert_eq!(watch.step(Some(STREAM), START + 1_000), None);
    watch.saw_stream(None, START);
    assert_eq!(watch.truth(START).repair, Some(Repair::Renew));
    watch.saw_broadcast(None, START);
    assert_eq!((watch.truth(START).state, watch.truth(START).repair), (State::Ended, Some(Repair::Renew)));
    watch.publishing(0);
    assert_eq!((watch.truth(START).state, watch.truth(START).repair), (State::Ended, None));
}

#[test]
fn transitions_in_vain_end_in_another_broadcast() {
    let mut watch = Watch::new("id", START);
    watch.publishing(START);
    let (mut now, mut attempts) = (START, 0);
    while watch.truth(now).repair.is_none() && now < START + 3_600_000 {
        watch.saw_broadcast(Some(&broadcast(Life::Ready, true, false)), now);
        watch.saw_stream(Some(&stream(Flow::Active)), now);
        if watch.step(Some(STREAM), now).is_some() {
            watch.attempted(now);
            attempts += 1;
        }
        now += 500;
    }
    assert_eq!((watch.truth(now).repair, attempts), (Some(Repair::Renew), 5));
}

#[derive(Clone, Debug)]
enum Event {
    Broadcast(Option<(Life, bool, bool)>),
    Stream(Option<Flow>),
    Video(Option<(bool, Option<String>)>),
    Publishing(bool),
    Step,
    Begin,
    Pass(i64),
}

fn event() -> impl Strategy<Value = Event> {
    use Life::{Complete, Created, Live, LiveStarting, Ready, Revoked, TestStarting, Testing, Unknown};
    let lives = vec![Created, Ready, TestStarting, Testing, LiveStarting, Live, Complete, Revoked, Unknown];
    let flows = vec![Flow::Created, Flow::Ready, Flow::Active, Flow::Inactive, Flow::Error, Flow::Unknown];
    prop_oneof![
        prop::option::of((prop::sample::select(lives), any::<bool>(), any::<bool>())).prop_map(Event::Broadcast),
        prop::option::of(prop::sample::select(flows)).prop_map(Event::Stream),
        prop::option::of((any::<bool>(), prop::option::of("[0-9]{0,25}|-1|x"))).prop_map(Event::Video),
        any::<bool>().prop_map(Event::Publishing),
        Just(Event::Step),
        Just(Event::Begin),
        (0..200_000_i64).prop_map(Event::Pass),
    ]
}

proptest! {
    #[test]
    fn nothing_is_repaired_that_is_not_sent_and_the_next_look_is_bounded(
        events in prop::collection::vec(event(), 1..60)
    ) {
        let (mut watch, mut now, mut publishing) = (Watch::new("id", START), START, false);
        for event in events {
            match event {
                Event::Broadcast(seen) => {
                    let seen = seen.map(|(life, bound, auto)| broadcast(life, bound, auto));
                    watch.saw_broadcast(seen.as_ref(), now);
                }
                Event::Stream(seen) => watch.saw_stream(seen.map(stream).as_ref(), now),
                Event::Video(seen) => {
                    let video = seen.map(|(ended, concurrent_viewers)| {
                        let actual_end_time = ended.then(|| "2026-11-23T12:00:00Z".to_owned());
                        let details = LiveDetails { actual_end_time, concurrent_viewers };
                        Video { live_streaming_details: Some(details), ..Video::default() }
                    });
                    watch.saw_video(video.as_ref(), now);
                }
                Event::Publishing(on) => {
                    publishing = on;
                    watch.publishing(if on { now } else { 0 });
                }
                Event::Step if watch.step(Some(STREAM), now).is_some() => watch.attempted(now),
                Event::Step => {}
                Event::Begin => watch.begin(now),
                Event::Pass(ms) => now += ms,
            }
            let truth = watch.truth(now);
            prop_assert_eq!(truth.repair.is_some(), truth.fault.is_some());
            prop_assert!(publishing || (truth.repair.is_none() && watch.step(Some(STREAM), now).is_none()));
            prop_assert!(truth.state == State::Live || truth.viewers == 0);
            let again = truth.again.unwrap().as_millis();
            prop_assert!((100..=3_600_000).contains(&again), "{}", again);
        }
    }
}
