//! Died at any point, or with any answer lost: exactly one broadcast.

use std::{sync::atomic::Ordering, time::Duration};

use domain::platform_settings::PlatformSettings;
use platform_sim::{Fault, Reset};

use super::world::{INSERT, World};
use crate::platforms::Lifecycle;

const ANY: &str = "/youtube/v3/*";
const LATE: Duration = Duration::from_millis(1_500);

/// One bound broadcast on one stream, and nothing else; none after the end.
async fn check(world: &World, place: &super::world::Place, what: &str) {
    world.sim.clear_faults();
    place.memo.hang_at.store(0, Ordering::SeqCst);
    let ready = world.prepared(place).await;
    assert_eq!((world.broadcasts(), world.streams()), (vec!["ready".to_owned()], 1), "{what}");
    let id = place.saved("broadcast_id").as_str().unwrap().to_owned();
    assert!(ready.playback_url.ends_with(&id), "{what}");
    world.youtube.finish(&place.run).await.unwrap();
    assert_eq!(world.broadcasts(), [""; 0], "{what}");
}

#[tokio::test]
async fn died_at_any_call_before_or_after_it_is_applied() {
    for nth in 1..=3 {
        for after in [false, true] {
            let mut world = World::start().await;
            let place = world.place(PlatformSettings::default());
            let hour = Duration::from_secs(3_600);
            let (before, later) = if after { (Duration::ZERO, hour) } else { (hour, Duration::ZERO) };
            world.sim.fault(Fault { method: None, ..Fault::on("", ANY) }.nth(nth).delay(before, later));
            let died = async {
                let arrived = || world.sim.faults().iter().any(|(_, used)| *used > 0);
                let applied = || world.sim.journal().iter().any(|entry| entry.fault.is_some() && entry.applied);
                while !arrived() || (after && !applied()) {
                    tokio::task::yield_now().await;
                }
            };
            tokio::select! {
                _ = world.youtube.prepare(&place.run) => panic!("call {nth} was not held"),
                () = died => {}
            }
            world.restart();
            check(&world, &place, &format!("call {nth}, after: {after}")).await;
        }
    }
}

#[tokio::test]
async fn died_right_after_any_save() {
    for nth in 1.. {
        let mut world = World::start().await;
        let place = world.place(PlatformSettings::default());
        place.memo.hang_at.store(nth, Ordering::SeqCst);
        let died = async {
            while place.memo.saves.load(Ordering::SeqCst) < nth {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            () = died => {}
            ready = world.youtube.prepare(&place.run) => {
                ready.unwrap();
                assert!(nth > 4, "{nth} saves at most");
                return;
            }
        }
        world.restart();
        check(&world, &place, &format!("save {nth}")).await;
    }
}

#[tokio::test]
async fn any_answer_lost() {
    for nth in 1..=3 {
        for kind in ["reset before", "reset after", "truncated", "too late", "503 after applying"] {
            let world = World::start().await;
            let place = world.place(PlatformSettings::default());
            let fault = Fault { method: None, ..Fault::on("", ANY) }.nth(nth);
            world.sim.fault(match kind {
                "reset before" => fault.reset(Reset::Before),
                "reset after" => fault.reset(Reset::After),
                "truncated" => Fault { truncate: true, ..fault },
                "too late" => fault.delay(Duration::ZERO, LATE),
                _ => Fault { apply: Some(true), ..fault.answer(503, serde_json::json!({"error": {"code": 503}})) },
            });
            world.prepared(&place).await;
            assert!(world.sim.faults().iter().all(|(_, used)| *used == 1), "{kind} at {nth}");
            check(&world, &place, &format!("{kind} at {nth}")).await;
        }
    }
}

/// The insert is applied after everybody has given it up, looked for it and sent another one.
#[tokio::test]
async fn a_twin_that_comes_very_late_goes_with_the_end() {
    let world = World::start().await;
    let place = world.place(PlatformSettings::default());
    world.sim.fault(Fault::on("POST", INSERT).delay(2 * LATE, Duration::ZERO));
    world.prepared(&place).await;
    world.sim_until("the twin", |youtube| youtube["broadcasts"].as_array().is_some_and(|all| all.len() == 2)).await;
    world.youtube.finish(&place.run).await.unwrap();
    assert_eq!(world.broadcasts(), [""; 0]);
}

#[tokio::test]
async fn the_end_is_told_once_more_when_its_answer_is_lost() {
    for kind in ["reset", "truncated", "503"] {
        let world = World::start().await;
        let place = world.place(PlatformSettings::default());
        world.prepared(&place).await;
        let fault = Fault::on("DELETE", INSERT);
        world.sim.fault(match kind {
            "reset" => fault.reset(Reset::After),
            "truncated" => fault.delay(Duration::ZERO, LATE),
            _ => fault.answer(503, serde_json::json!({})),
        });
        world.youtube.finish(&place.run).await.unwrap();
        assert_eq!(world.broadcasts(), [""; 0], "{kind}");
    }
}

/// Also the answers to the looks for what was lost, and to the second sending.
#[tokio::test]
async fn any_two_answers_lost() {
    const KINDS: [&str; 3] = ["before", "after", "503"];
    let lose = |nth: u32, kind: &str| {
        let fault = Fault { method: None, ..Fault::on("", ANY) }.nth(nth);
        match kind {
            "before" => fault.reset(Reset::Before),
            "after" => fault.reset(Reset::After),
            _ => Fault { apply: Some(true), ..fault.answer(503, serde_json::json!({})) },
        }
    };
    for first in 1..=4 {
        for second in first + 1..=6 {
            for (one, two) in KINDS.into_iter().flat_map(|one| KINDS.map(|two| (one, two))) {
                let world = World::start().await;
                let place = world.place(PlatformSettings::default());
                world.sim.fault(lose(first, one));
                world.sim.fault(lose(second, two));
                world.prepared(&place).await;
                check(&world, &place, &format!("{one} at {first}, {two} at {second}")).await;
            }
        }
    }
}

/// Somebody schedules sixty shows between the lost answer and the look for it.
#[tokio::test]
async fn what_was_made_is_found_on_the_second_page() {
    let world = World::start().await;
    let place = world.place(PlatformSettings::default());
    for path in ["/youtube/v3/liveStreams", INSERT] {
        world.sim.clear_faults();
        world.sim.fault(Fault::on("POST", path).reset(Reset::After));
        world.sim.fault(Fault::on("GET", path).answer(503, serde_json::json!({})));
        world.youtube.prepare(&place.run).await.unwrap_err();
        for number in 0..60 {
            let title = format!("Show {number}");
            match path {
                INSERT => world.schedule(&title, "2030-01-01T00:00:00Z").await,
                _ => world.stream(&title).await,
            }
        }
    }
    world.prepared(&place).await;
    assert_eq!((world.broadcasts().len(), world.streams()), (61, 61));
    assert_eq!(world.broadcasts().iter().filter(|status| *status == "ready").count(), 1);
    let pages = world.sim.journal().iter().filter(|entry| entry.line().contains("pageToken=")).count();
    assert!(pages >= 2, "{pages}");
}

/// The same title and the same second, made by hand before: it is not ours, neither to take nor to delete.
#[tokio::test]
async fn what_a_person_has_scheduled_stays_alone() {
    let world = World::start().await;
    let settings = PlatformSettings { scheduled_start_s: Some(1_893_456_000), ..PlatformSettings::default() };
    let mut place = world.place(settings);
    world.schedule("Evening show", "2030-01-01T00:00:00Z").await;
    world.advance(Duration::from_secs(600));
    world.sim.fault(Fault::on("POST", INSERT).reset(Reset::After));
    world.prepared(&place).await;
    assert_eq!(place.saved("scheduled_start"), "2030-01-01T00:00:00Z");
    let mut all = world.broadcasts();
    all.sort();
    assert_eq!(all, ["created", "ready"]);
    place.run.take = 1;
    world.prepared(&place).await;
    world.youtube.finish(&place.run).await.unwrap();
    assert_eq!(world.broadcasts(), ["created"]);
}
