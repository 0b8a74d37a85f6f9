//! More than one thing goes wrong.

use std::{collections::BTreeSet, time::Duration};

use futures::future::join_all;
use platform_sim::{Fault, Reset, errors};

use super::bench::Bench;
use crate::{
    http,
    platforms::{Lifecycle, Run},
};

/// More calls than a preparation and an end make.
const MOST_CALLS: u32 = 24;

fn trouble(kind: u32, call: u32) -> Fault {
    let any = || Fault { method: None, ..Fault::on("", "/graph/v26.0/*") };
    let fault = match kind % 4 {
        0 => any().reset(Reset::After),
        1 => any().reset(Reset::Before),
        2 => Fault { truncate: true, ..any() },
        _ => Fault { apply: Some(true), ..any().answer(500, errors::facebook(2, None, "Service unavailable")) },
    };
    fault.nth(call)
}

/// A take that leaves one to end, then the end: with two lost answers anywhere.
async fn with_two(first: u32, second: u32) -> u32 {
    let mut bench = Bench::start().await.on_page();
    bench.prepare(&bench.run).await.unwrap();
    bench.restart(http::Options::default());
    bench.run.take += 1;
    // Each fault counts the calls by itself.
    bench.sim.fault(trouble(first + second, first));
    bench.sim.fault(trouble(first, second));
    let told = || format!("{first} and {second}: {:#?}", bench.journal().iter().map(|e| e.line()).collect::<Vec<_>>());
    bench.prepare(&bench.run).await.unwrap_or_else(|failure| panic!("{failure:?} {}", told()));
    assert_eq!(bench.open().len(), 1, "{}", told());
    bench.finish().await.unwrap_or_else(|failure| panic!("{failure:?} {}", told()));
    assert_eq!(bench.open(), [], "{}", told());
    bench.sim.faults().iter().map(|(_, used)| used).sum()
}

#[tokio::test]
async fn any_two_lost_answers() {
    let mut both = 0;
    for first in 1..MOST_CALLS {
        for second in first + 1..MOST_CALLS {
            match with_two(first, second).await {
                2 => both += 1,
                _ => break,
            }
        }
    }
    assert!(both > 30, "{both}");
}

#[tokio::test]
async fn many_of_one_title_with_lost_answers() {
    const MANY: u32 = 6;
    for lost in 1..=MANY {
        let bench = Bench::start().await.on_page();
        for nth in 1..=lost {
            let create =
                Fault::on("POST", "/graph/v26.0/*/live_videos").delay(Duration::ZERO, Duration::from_millis(40));
            bench.sim.fault(create.reset(Reset::After).nth(nth));
        }
        let runs: Vec<Run> = (1..=MANY).map(|number| bench.another(number)).collect();
        for ready in join_all(runs.iter().map(|run| bench.prepare(run))).await {
            ready.unwrap();
        }
        let mut keys = BTreeSet::new();
        for run in &runs {
            keys.insert(run.book.key().await.unwrap().unwrap().expose().to_owned());
        }
        assert_eq!((keys.len(), bench.open().len()), (6, 6), "{lost} lost");
        for run in &runs {
            bench.facebook.finish(run).await.unwrap();
        }
        assert_eq!(bench.open(), []);
    }
}
