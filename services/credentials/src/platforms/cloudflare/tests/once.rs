//! Never two inputs, whatever is lost and whoever dies.

use super::*;

#[tokio::test]
async fn a_late_create_never_makes_two() {
    let quick = Duration::from_millis(300);
    let world = World::with(Options::default(), quick, Arc::new(SystemClock)).await;
    let late = Duration::from_millis(1_200);
    world.sim.fault(Fault::on(CREATE.0, CREATE.1).delay(late, Duration::ZERO));
    assert!(world.cloudflare.prepare(&world.run).await.unwrap_err().ambiguous);
    assert_eq!(world.inputs().len(), 0, "not applied yet");
    let again = world.cloudflare.prepare(&world.run).await.unwrap_err();
    assert!(again.is_transient() && again.after.is_some(), "{again:?}");
    world.until_prepared().await;
    assert_eq!((world.inputs().len(), world.sim.calls("POST", INPUTS).len()), (1, 1));
}

#[tokio::test]
async fn what_was_applied_without_an_answer_is_found() {
    for fault in [
        Fault::on(CREATE.0, CREATE.1).reset(Reset::After),
        Fault { truncate: true, ..Fault::on(CREATE.0, CREATE.1) },
        Fault { apply: Some(true), ..Fault::on(CREATE.0, CREATE.1).answer(503, json!({})) },
    ] {
        let world = World::start().await;
        world.sim.fault(fault);
        assert!(world.cloudflare.prepare(&world.run).await.unwrap_err().ambiguous);
        world.prepared().await;
        assert_eq!((world.inputs().len(), world.sim.calls("POST", INPUTS).len()), (1, 1));
        assert_eq!(world.sim.faults()[0].1, 1, "the fault has happened");
    }
}

#[tokio::test]
async fn a_create_given_up_for_lost_is_tidied_when_it_comes_true() {
    let clock = ManualClock::new(time::OffsetDateTime::UNIX_EPOCH + Duration::from_secs(1_000_000));
    let world = World::with(Options::default(), Duration::from_millis(300), Arc::new(clock.clone())).await;
    world.sim.fault(Fault::on(CREATE.0, CREATE.1).delay(Duration::from_millis(1_000), Duration::ZERO));
    world.cloudflare.prepare(&world.run).await.unwrap_err();
    clock.advance(Duration::from_secs(6));
    let ready = world.prepared().await;
    until("the late one", async || world.inputs().len(), |count| *count == 2).await;
    let live = world.publish(&ready).await;
    until("tidied", async || (world.look().await.state, world.inputs().len()), |seen| *seen == (State::Live, 1)).await;
    live.finish().await;
}

#[tokio::test]
async fn dying_at_any_step_leaves_one_input() {
    // Each write of ours fails once, as when the process dies there.
    for nth in 1..=3 {
        let world = World::start().await;
        world.book.fail(nth);
        world.cloudflare.prepare(&world.run).await.unwrap_err();
        assert!(world.book.failed());
        let ready = world.until_prepared().await;
        assert_eq!(world.inputs().len(), 1, "write {nth}");
        world.publish(&ready).await.finish().await;
    }
    // Each call to Cloudflare is cut off after it was applied.
    for nth in 1..=2 {
        let world = World::start().await;
        let fault = Fault { nth: Some(nth), path: "*".to_owned(), method: None, ..Fault::on("", "") };
        world.sim.fault(fault.delay(Duration::ZERO, PATIENT));
        let applied = async || world.sim.journal().iter().filter(|entry| entry.applied).count();
        tokio::select! {
            _ = world.cloudflare.prepare(&world.run) => panic!("call {nth} was not delayed"),
            _ = until("applied", applied, |count| *count == nth as usize) => {}
        }
        world.until_prepared().await;
        assert_eq!(world.inputs().len(), 1, "call {nth}");
    }
}

#[tokio::test]
async fn any_two_answers_may_be_lost() {
    let kinds: [fn(Fault) -> Fault; 4] = [
        |fault| fault.reset(Reset::Before),
        |fault| fault.reset(Reset::After),
        |fault| Fault { truncate: true, ..fault },
        |fault| Fault { apply: Some(true), ..fault.answer(502, json!({})) },
    ];
    let calls = [("POST", CREATE.1), ("GET", "/cloudflare/*"), ("PUT", "/cloudflare/*")];
    let (world, http) = (World::unlimited().await, http(PATIENT));
    for first in 0..kinds.len() * calls.len() {
        for second in first..kinds.len() * calls.len() {
            let clock = ManualClock::new(time::OffsetDateTime::UNIX_EPOCH + Duration::from_secs(1_000_000));
            let account = world.sim.account("alice")["cloudflare"]["account_id"].as_str().unwrap().to_owned();
            let cloudflare = cloudflare(&world.sim, &account, http.clone(), Arc::new(clock.clone()));
            let (mut run, book) = run(world.run.tokens.clone(), None);
            world.sim.clear_faults();
            for chosen in [first, second] {
                let (method, path) = calls[chosen / kinds.len()];
                world.sim.fault(kinds[chosen % kinds.len()](Fault::on(method, path)));
            }
            let prepared = async |run: &Run| {
                for _ in 0..20 {
                    match cloudflare.prepare(run).await {
                        Ok(ready) => return ready,
                        Err(failure) => assert!(failure.is_transient(), "{first} {second}: {failure:?}"),
                    }
                    clock.advance(Duration::from_secs(1));
                }
                panic!("{first} {second}: not prepared");
            };
            prepared(&run).await;
            run.settings.low_latency = Some(true);
            prepared(&run).await;
            let inputs = cloudflare.api.inputs(&run).await;
            let destination = run.destination.to_string();
            let mine = inputs.unwrap().into_iter().filter(|input| input.belongs_to(&destination)).count();
            assert_eq!((mine, book.stored().is_some()), (1, true), "{first} {second}");
        }
    }
}
