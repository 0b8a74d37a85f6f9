//! Start, claim, report, stop; and what happens when a worker or a command is lost.

use std::time::{Duration, Instant};

use bus::EventKind;
use futures::StreamExt;
use service_kit::ticket::{TicketKey, Use};
use wire::v1::{self, Phase, control_session::Action};

use crate::{
    harness::{House, error_code, until_event},
    worker::Worker,
};

const SOON: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn from_start_to_stop() -> anyhow::Result<()> {
    let house = House::start().await?;
    let stream = house.stream(2).await?;
    let mut events = house.events(&stream).await;
    let mut worker = Worker::hire(&house, "w-1").await?;
    let _encoder = house.publish(&stream).await?;

    let waiting = tokio::spawn({
        let (mut streams, start) = (house.streams(), stream.start(10_000));
        async move { streams.start(start).await }
    });
    let mut jobs = worker.take(2).await?;
    let spec = jobs[0].spec.clone();
    assert_eq!((spec.kind(), spec.relay_http.as_str()), (v1::SessionKind::Deliver, "http://127.0.0.1:9"));
    let key = TicketKey::new(&"0123456789abcdef0123456789abcdef".to_owned().into())?;
    let ticket = key.verify(&spec.relay_ticket, 0)?;
    assert_eq!((ticket.stream, ticket.epoch.0, ticket.use_), (stream.id, spec.epoch, Use::Read));
    for job in &mut jobs {
        worker.report(job, Phase::Connecting).await?;
        worker.report(job, Phase::Connected).await?;
    }
    let started = waiting.await??.into_inner();
    assert!(!started.already_running);
    assert_eq!(started.stream.unwrap().status, "live");
    assert!(started.destinations.iter().all(|d| d.status == "connected" && d.mode == "copy"));

    assert!(house.end(&stream).await?.was_running);
    assert!(!house.end(&stream).await?.was_running);
    house.see(&stream, "stopping: stopping stopping", SOON).await?;
    for job in &mut jobs {
        testkit::wait::until_true("stop in Redis", SOON, async || worker.told_to_stop(job)).await?;
        worker.close(job).await?;
    }
    house.see(&stream, "ended: ended ended", SOON).await?;
    let seen = until_event(&mut events, EventKind::StreamEnded).await?;
    let order = [
        "stream:source_connected",
        "stream:starting",
        "destination:connecting",
        "destination:connected",
        "stream:started",
        "stream:stopping",
        "destination:ended",
        "stream:ended",
    ];
    let mut at = seen.iter();
    assert!(order.iter().all(|kind| at.any(|seen| seen == kind)), "{seen:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn start_is_refused_without_destinations_and_is_idempotent() -> anyhow::Result<()> {
    let house = House::start().await?;
    let empty = house.stream(0).await?;
    let refused = house.begin(&empty).await.unwrap_err();
    assert_eq!(error_code(&refused), "no_enabled_destinations");
    let stream = house.stream(1).await?;
    let mut all = Vec::new();
    for _ in 0..20 {
        let (mut streams, start) = (house.streams(), stream.start(0));
        all.push(tokio::spawn(async move { streams.start(start).await }));
    }
    let mut began = 0;
    for one in all {
        began += u32::from(!one.await??.into_inner().already_running);
    }
    assert_eq!(began, 1);
    house.see(&stream, "starting: waiting_source", SOON).await?;
    let mut conflict = stream.start(0);
    conflict.input_source = "rtmp://source.example/live/x".into();
    assert_eq!(error_code(&house.streams().start(conflict).await.unwrap_err()), "input_source_conflict");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_workers_sessions_move_and_its_voice_is_ignored() -> anyhow::Result<()> {
    let house = House::start().await?;
    let stream = house.stream(1).await?;
    let _encoder = house.publish(&stream).await?;
    let mut first = Worker::hire(&house, "w-1").await?;
    house.begin(&stream).await?;
    let mut old = first.take_one().await?;
    first.report(&mut old, Phase::Connected).await?;
    house.see(&stream, "live: connected", SOON).await?;

    // SIGKILL, with the connection to the bus left for a ghost's report.
    let ghost = Worker::hire(&house, "w-1").await?;
    first.kill();
    let died = Instant::now();
    let mut second = Worker::hire(&house, "w-2").await?;
    let mut new = second.take_one().await?;
    let took = died.elapsed();
    assert!(took < Duration::from_secs(6), "{took:?}"); // 3 s in peace; the promise is 6 s
    assert!(new.epoch() > old.epoch() && new.spec.ever_connected);
    house.see(&stream, "live: reconnecting", SOON).await?;

    ghost.report_as(&old, 99, Phase::Failed, None).await?;
    assert_eq!(error_code(&ghost.claim(&old.spec.session_id, old.spec.epoch).await.unwrap_err()), "superseded");
    // A report of the present epoch by somebody who does not own it counts as little.
    ghost.report_as(&new, 98, Phase::Failed, None).await?;
    second.report(&mut new, Phase::Connected).await?;
    house.see(&stream, "live: connected", SOON).await?;
    let check = |worker: &str, epoch: u64| v1::CheckOwnerRequest {
        destination_id: new.spec.destination_id.clone(),
        session_id: new.spec.session_id.clone(),
        epoch,
        worker_id: worker.into(),
    };
    assert!(house.one().sessions().check_owner(check("w-2", new.spec.epoch)).await.is_ok());
    for (worker, epoch) in [("w-1", old.spec.epoch), ("w-1", new.spec.epoch), ("w-2", old.spec.epoch)] {
        let refused = house.one().sessions().check_owner(check(worker, epoch)).await.unwrap_err();
        assert_eq!(error_code(&refused), "not_owner");
    }
    // Older sequences of the present epoch are dropped as well.
    second.report_as(&new, 1, Phase::Failed, None).await?;
    second.report(&mut new, Phase::Reconnecting).await?;
    house.see(&stream, "live: reconnecting", SOON).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unclaimed_command_is_placed_again_and_only_the_newest_can_be_claimed() -> anyhow::Result<()> {
    let house = House::start().await?;
    let stream = house.stream(1).await?;
    let mut worker = Worker::hire(&house, "w-1").await?;
    house.begin(&stream).await?;
    let lost = worker.pull(SOON).await.remove(0).message;
    let pulled = Instant::now();
    let job = worker.take_one().await?;
    assert!(job.spec.epoch > lost.epoch);
    let took = pulled.elapsed();
    assert!(took > Duration::from_millis(1_500) && took < Duration::from_secs(8), "{took:?}");
    assert_eq!(error_code(&worker.claim(&lost.session_id, lost.epoch).await.unwrap_err()), "superseded");
    // The owner may claim again, nobody else can.
    assert!(worker.claim(&job.spec.session_id, job.spec.epoch).await.is_ok());
    let other = Worker::hire(&house, "w-2").await?;
    assert_eq!(error_code(&other.claim(&job.spec.session_id, job.spec.epoch).await.unwrap_err()), "not_owner");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_room_is_said_and_heals() -> anyhow::Result<()> {
    let house = House::start().await?;
    let stream = house.stream(1).await?;
    let _encoder = house.publish(&stream).await?;
    house.begin(&stream).await?;
    let said = testkit::wait::until("no_capacity", Duration::from_secs(9), async || {
        house.status(&stream).await.ok()?.destinations[0].fault.clone()
    });
    let fault = said.await?;
    assert_eq!(
        (fault.code.as_str(), fault.retry(), fault.blame()),
        ("no_capacity", v1::Retry::Transient, v1::Blame::Us)
    );
    let mut worker = Worker::hire(&house, "w-1").await?;
    let mut job = worker.take_one().await?;
    worker.report(&mut job, Phase::Connected).await?;
    house.see(&stream, "live: connected", SOON).await?;
    assert_eq!(house.status(&stream).await?.destinations[0].fault, None);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permanent_failure_is_given_up_until_start_is_pressed_again() -> anyhow::Result<()> {
    let house = House::start().await?;
    let stream = house.stream(2).await?;
    let _encoder = house.publish(&stream).await?;
    let mut worker = Worker::hire(&house, "w-1").await?;
    house.begin(&stream).await?;
    let mut jobs = worker.take(2).await?;
    let fault = v1::Fault {
        blame: v1::Blame::Destination.into(),
        retry: v1::Retry::Permanent.into(),
        code: "publish_refused".into(),
        message: "The key was refused.".into(),
    };
    jobs.sort_by_key(|job| job.destination());
    let mut good = jobs.remove(1);
    worker.drop_lease(&jobs[0]).await;
    worker.report_with(&mut jobs[0], Phase::Failed, Some(fault)).await?;
    worker.report(&mut good, Phase::Connected).await?;
    house.see(&stream, "live: error connected", SOON).await?;
    let metrics = house.streams().get_metrics(stream.wire()).await?.into_inner();
    assert_eq!(metrics.errors[0].code, "publish_refused");
    assert!(worker.pull(Duration::from_millis(2_500)).await.is_empty(), "it is not tried again");

    assert!(house.begin(&stream).await?.already_running);
    let mut again = worker.take_one().await?;
    assert_eq!(again.destination(), stream.destinations[0]);
    worker.report(&mut again, Phase::Connected).await?;
    house.see(&stream, "live: connected connected", SOON).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_later_of_start_and_stop_wins() -> anyhow::Result<()> {
    let house = House::start().await?;
    let stream = house.stream(2).await?;
    let _encoder = house.publish(&stream).await?;
    let mut worker = Worker::hire(&house, "w-1").await?;
    let mut control = worker.control().await;
    for round in 0..20 {
        house.begin(&stream).await?;
        house.end(&stream).await?;
        if round % 3 == 0 {
            // Some are taken and closed in between.
            for delivery in worker.pull(Duration::from_millis(60)).await {
                if let Some(mut job) = worker.accept(&delivery).await? {
                    worker.close(&mut job).await?;
                }
            }
        }
    }
    house.see(&stream, "ended: ended ended", Duration::from_secs(8)).await?;
    house.begin(&stream).await?;
    let mut jobs = worker.take(2).await?;
    for job in &mut jobs {
        worker.report(job, Phase::Connected).await?;
    }
    house.see(&stream, "live: connected connected", Duration::from_secs(8)).await?;
    house.end(&stream).await?;
    let word = tokio::time::timeout(SOON, async {
        loop {
            let word = control.next().await.expect("never ends");
            if word.epoch == jobs[0].spec.epoch && word.session_id == jobs[0].spec.session_id {
                return word;
            }
        }
    });
    assert_eq!(word.await?.action(), Action::Stop);
    for job in &mut jobs {
        worker.close(job).await?;
    }
    house.see(&stream, "ended: ended ended", SOON).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn started_again_while_stopping_waits_for_the_end_or_fences() -> anyhow::Result<()> {
    let house = House::start().await?;
    let stream = house.stream(1).await?;
    let _encoder = house.publish(&stream).await?;
    let mut worker = Worker::hire(&house, "w-1").await?;
    house.begin(&stream).await?;
    let mut job = worker.take_one().await?;
    worker.report(&mut job, Phase::Connected).await?;
    house.see(&stream, "live: connected", SOON).await?;
    house.end(&stream).await?;
    testkit::wait::until_true("stop in Redis", SOON, async || worker.told_to_stop(&job)).await?;
    house.begin(&stream).await?;
    assert!(worker.pull(Duration::from_millis(500)).await.is_empty(), "the old session is still closing");
    worker.close(&mut job).await?;
    let next = worker.take_one().await?;
    assert!(next.epoch() > job.epoch());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_released_session_is_placed_at_once() -> anyhow::Result<()> {
    let house = House::start().await?;
    let stream = house.stream(1).await?;
    let mut worker = Worker::hire(&house, "w-1").await?;
    house.begin(&stream).await?;
    let mut job = worker.take_one().await?;
    worker.drop_lease(&job).await;
    let released = Instant::now();
    worker.report(&mut job, Phase::Released).await?;
    let next = worker.take_one().await?;
    assert!(next.epoch() > job.epoch() && released.elapsed() < Duration::from_secs(2), "{:?}", released.elapsed());
    Ok(())
}
