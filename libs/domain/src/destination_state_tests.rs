//! The table of a destination's states, and two laws over random observations.

use proptest::prelude::*;

use super::*;

fn fault(code: &str, retry: Retry) -> Fault {
    Fault::new(Blame::Destination, retry, code, "Check the key.")
}

fn session(phase: Phase) -> SessionSeen {
    SessionSeen { phase, fault: None, retry_at_ms: None, flowing: false, starved: false }
}

fn wanted(session: Option<SessionSeen>) -> Seen {
    Seen { wanted: true, source_connected: true, session, ..Seen::default() }
}

fn unwanted(session: Option<SessionSeen>) -> Seen {
    Seen { wanted: false, ..wanted(session) }
}

#[track_caller]
fn check(was: State, seen: Seen, want: &str) {
    let (now, edges) = next(&was, &seen);
    let mut line = now.status().to_string();
    if let Some(fault) = now.fault() {
        line += &format!("({})", fault.code);
    }
    for edge in &edges {
        line += &format!(" +{edge:?}").to_lowercase();
    }
    assert_eq!(line, want);
}

#[test]
fn the_way_up() {
    check(State::Pending, wanted(None), "connecting +connecting");
    check(State::Pending, Seen { source_connected: false, ..wanted(None) }, "waiting_source");
    check(State::Ended, wanted(Some(session(Phase::Ended))), "connecting +connecting");
    check(State::Connecting { fault: None }, wanted(Some(session(Phase::Placed))), "connecting");
    check(
        State::Connecting { fault: None },
        wanted(Some(SessionSeen { starved: true, ..session(Phase::Placed) })),
        "connecting(no_capacity)",
    );
    check(
        State::WaitingSource { fault: None },
        Seen { source_connected: false, ..wanted(Some(SessionSeen { starved: true, ..session(Phase::Placed) })) },
        "waiting_source(no_capacity)",
    );
    check(State::Connecting { fault: None }, wanted(Some(session(Phase::WaitingSource))), "waiting_source");
    check(State::Connecting { fault: None }, wanted(Some(session(Phase::Connected))), "connected +connected");
    let flowing = SessionSeen { flowing: true, ..session(Phase::Connected) };
    check(State::Connected, wanted(Some(flowing.clone())), "live +live");
    check(State::Connecting { fault: None }, wanted(Some(flowing)), "live +connected +live");
}

#[test]
fn trouble() {
    let lost = SessionSeen {
        fault: Some(fault("connection_lost", Retry::Transient)),
        retry_at_ms: Some(7),
        ..session(Phase::Reconnecting)
    };
    check(State::Live, wanted(Some(lost.clone())), "reconnecting(connection_lost) +reconnecting");
    let (reconnecting, _) = next(&State::Live, &wanted(Some(lost)));
    assert_eq!(reconnecting.retry_at_ms(), Some(7));
    check(reconnecting.clone(), wanted(Some(session(Phase::Connecting))), "reconnecting(connection_lost)");
    check(reconnecting, wanted(Some(session(Phase::Connected))), "connected +connected");
    check(State::Live, wanted(Some(session(Phase::Placed))), "reconnecting +reconnecting");
    let gave_up = Seen { gave_up: Some(fault("bad_key", Retry::Permanent)), ..wanted(Some(session(Phase::Failed))) };
    check(State::Connecting { fault: None }, gave_up.clone(), "error(bad_key) +error");
    let (error, _) = next(&State::Pending, &gave_up);
    check(error.clone(), wanted(Some(session(Phase::Failed))), "connecting +connecting");
    check(error, unwanted(Some(session(Phase::Failed))), "error(bad_key)");
}

#[test]
fn the_way_down() {
    check(State::Pending, unwanted(None), "pending");
    check(State::Live, unwanted(Some(session(Phase::Connected))), "stopping");
    check(State::Stopping, unwanted(Some(session(Phase::Ended))), "ended +ended");
    check(State::WaitingSource { fault: None }, unwanted(None), "ended +ended");
    check(State::Ended, unwanted(Some(session(Phase::Ended))), "ended");
}

fn preparing(code: Option<&str>) -> Option<Preparing> {
    let fault = code.map(|code| Fault::new(Blame::Platform, Retry::Transient, code, "Wait."));
    Some(Preparing { retry_at_ms: fault.is_some().then_some(9), fault })
}

#[test]
fn a_platform_is_prepared_first() {
    let waiting = |code| Seen { preparing: preparing(code), ..wanted(None) };
    check(State::Pending, waiting(None), "preparing");
    check(State::Ended, waiting(Some("platform_unavailable")), "preparing(platform_unavailable)");
    let (tried, _) = next(&State::Pending, &waiting(Some("platform_unavailable")));
    assert_eq!(tried.retry_at_ms(), Some(9));
    check(tried.clone(), wanted(None), "connecting +connecting");
    check(
        tried.clone(),
        Seen { gave_up: Some(fault("reauth_required", Retry::Permanent)), ..waiting(None) },
        "error(reauth_required) +error",
    );
    check(tried.clone(), Seen { wanted: false, ..waiting(None) }, "ended +ended");
    check(tried, Seen { wanted: false, finishing: true, ..waiting(None) }, "stopping");
    // Without a source the preparation comes first all the same.
    check(State::Pending, Seen { source_connected: false, ..waiting(None) }, "preparing");
    // Another broadcast within the run.
    let old = Some(session(Phase::Connected));
    check(State::Live, Seen { preparing: preparing(None), ..wanted(old.clone()) }, "reconnecting +reconnecting");
    let broken = State::Reconnecting { fault: Some(fault("broadcast_ended", Retry::Transient)), retry_at_ms: None };
    check(broken, Seen { preparing: preparing(None), ..wanted(old) }, "reconnecting(broadcast_ended)");
}

#[test]
fn the_platform_says_what_is_live() {
    let flowing = SessionSeen { flowing: true, ..session(Phase::Connected) };
    let says = |truth, session: &SessionSeen| Seen { truth: Some(truth), ..wanted(Some(session.clone())) };
    let quiet = session(Phase::Connected);
    check(State::Connecting { fault: None }, says(Truth::Waiting, &flowing), "connected +connected");
    check(State::Connected, says(Truth::Unknown, &flowing), "connected");
    check(State::Connected, says(Truth::Live, &quiet), "live +live");
    check(State::Live, says(Truth::Unknown, &flowing), "live");
    check(State::Live, says(Truth::Waiting, &flowing), "connected +connected");
    check(State::Live, says(Truth::Ended, &flowing), "connected +connected");
    check(State::Live, says(Truth::Live, &session(Phase::Reconnecting)), "reconnecting +reconnecting");
    check(State::Connecting { fault: None }, says(Truth::Live, &flowing), "live +connected +live");
}

#[test]
fn an_end_waits_for_the_platform() {
    let ending = |session| Seen { finishing: true, truth: Some(Truth::Live), ..unwanted(session) };
    check(State::Live, ending(Some(session(Phase::Connected))), "stopping");
    check(State::Stopping, ending(Some(session(Phase::Ended))), "stopping");
    check(State::Stopping, unwanted(Some(session(Phase::Ended))), "ended +ended");
    check(State::Ended, ending(None), "ended");
    check(State::Pending, ending(None), "pending");
    let failed = State::Error { fault: fault("reauth_required", Retry::Permanent) };
    check(failed, ending(None), "error(reauth_required)");
}

fn any_seen() -> impl Strategy<Value = Seen> {
    let phase = prop::sample::select(Phase::ALL.to_vec());
    let session = (phase, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(phase, flowing, starved, broken)| {
        let fault = broken.then(|| fault("connection_lost", Retry::Transient));
        SessionSeen { phase, fault, retry_at_ms: None, flowing, starved }
    });
    let truth = prop::sample::select(vec![
        None,
        Some(Truth::Waiting),
        Some(Truth::Live),
        Some(Truth::Ended),
        Some(Truth::Unknown),
    ]);
    let prepared = prop::sample::select(vec![None, preparing(None), preparing(Some("platform_unavailable"))]);
    let platform = (truth, prepared, any::<bool>());
    (any::<bool>(), any::<bool>(), any::<bool>(), prop::option::of(session), platform).prop_map(
        |(wanted, source_connected, failed, session, (truth, preparing, finishing))| Seen {
            wanted,
            source_connected,
            gave_up: failed.then(|| fault("bad_key", Retry::Permanent)),
            session,
            source_fault: None,
            preparing,
            truth,
            finishing,
        },
    )
}

proptest! {
    #[test]
    fn the_same_observation_again_changes_nothing(seen in prop::collection::vec(any_seen(), 1..20)) {
        let mut state = State::Pending;
        for s in &seen {
            let (now, _) = next(&state, s);
            let (again, edges) = next(&now, s);
            prop_assert_eq!(&again, &now);
            prop_assert!(edges.is_empty());
            state = now;
        }
    }

    #[test]
    fn a_state_survives_storage(seen in any_seen()) {
        let (state, _) = next(&State::Live, &seen);
        let stored = State::from_parts(state.status(), state.fault().cloned(), state.retry_at_ms());
        prop_assert_eq!(stored, state.clone());
        prop_assert_eq!(state.status().as_str().parse(), Ok(state.status()));
    }
}
