//! What the credentials service answers, as this service understands it. Pure.

use std::time::Duration;

use domain::{
    fault::{Blame, Fault, Retry},
    retry,
};
use service_kit::grpc;
use tonic::{Code, Status};
use wire::v1;

use super::Options;

/// What came of a preparation.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Prepared {
    Ready(v1::Ready),
    Busy,
    Failed(Failed),
}

/// What came of an end.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Finished {
    Done,
    Busy,
    Failed(Failed),
}

/// Why it was not done, and what the platform said about trying again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failed {
    pub fault: Fault,
    pub retry_after: Duration,
}

pub(super) fn prepared(answer: Result<v1::PrepareResponse, Status>) -> Prepared {
    match answer {
        Ok(v1::PrepareResponse { busy: true, .. }) => Prepared::Busy,
        Ok(v1::PrepareResponse { ready: Some(ready), .. }) => Prepared::Ready(ready),
        Ok(v1::PrepareResponse { fault, retry_after_ms, .. }) => Prepared::Failed(failed(fault, retry_after_ms)),
        Err(status) => Prepared::Failed(refused(&status)),
    }
}

pub(super) fn finished(answer: Result<v1::FinishResponse, Status>) -> Finished {
    match answer {
        Ok(v1::FinishResponse { busy: true, .. }) => Finished::Busy,
        Ok(v1::FinishResponse { done: true, .. }) => Finished::Done,
        Ok(v1::FinishResponse { fault, retry_after_ms, .. }) => Finished::Failed(failed(fault, retry_after_ms)),
        // It knows nothing of it: there is nothing to end.
        Err(status) if status.code() == Code::NotFound => Finished::Done,
        Err(status) => Finished::Failed(refused(&status)),
    }
}

/// A fault from the wire; one that can't be read is ours.
pub(super) fn fault(wire: Option<v1::Fault>) -> Option<Fault> {
    wire.map(|fault| Fault::try_from(fault).unwrap_or_else(|_| unreachable_fault()))
}

fn failed(wire: Option<v1::Fault>, retry_after_ms: u32) -> Failed {
    let fault = fault(wire).unwrap_or_else(unreachable_fault);
    Failed { fault, retry_after: Duration::from_millis(retry_after_ms.into()) }
}

/// A refused call says with its code what a person must change; everything else passes.
fn refused(status: &Status) -> Failed {
    let lasting = matches!(status.code(), Code::InvalidArgument | Code::NotFound | Code::FailedPrecondition);
    let fault = match grpc::error_code(status).filter(|_| lasting) {
        Some(code) => Fault::new(Blame::Platform, Retry::Permanent, code, status.message()),
        None => unreachable_fault(),
    };
    Failed { fault, retry_after: Duration::ZERO }
}

/// So many attempts follow each other quickly.
const MANY: u32 = 7;
const LONG: Duration = Duration::from_secs(45);
const LONGEST: Duration = Duration::from_secs(600);

/// Our own service does not answer.
pub(crate) fn unreachable_fault() -> Fault {
    let message = "Our connection to the platforms is interrupted. It goes on by itself.";
    Fault::new(Blame::Us, Retry::Transient, "platform_unavailable", message)
}

/// A platform that has failed for minutes is asked ever more seldom: each attempt may cost units of a daily allowance that all
/// share.
fn long_pause(attempt: u32) -> Duration {
    let doublings = attempt.saturating_sub(MANY).min(6);
    if attempt <= MANY { Duration::ZERO } else { (LONG * 2_u32.pow(doublings - 1)).min(LONGEST) }
}

/// When to try again: exponential with full jitter, never sooner than the platform said.
pub(super) fn pause(failed: &Failed, attempts: i32, chance: f64, options: &Options) -> Duration {
    let attempt = u32::try_from(attempts).unwrap_or(0).saturating_add(1);
    let pause = retry::delay(attempt, chance);
    let pause = match failed.fault.blame {
        Blame::Us => pause.min(options.ours_away),
        _ => pause.max(long_pause(attempt).mul_f64(0.5 + chance / 2.0)),
    };
    pause.max(failed.retry_after).max(options.pause_floor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transient() -> v1::Fault {
        Fault::new(Blame::Platform, Retry::Transient, "platform_rate_limited", "Wait.").into()
    }

    #[test]
    fn a_platform_that_stays_away_is_asked_ever_more_seldom() {
        let seconds: Vec<u64> = [1, 7, 8, 9, 12, 13, 40].map(|attempt| long_pause(attempt).as_secs()).to_vec();
        assert_eq!(seconds, [0, 0, 45, 90, 600, 600, 600]);
    }

    #[test]
    fn answers_are_read() {
        let busy = v1::PrepareResponse { busy: true, ..Default::default() };
        assert_eq!(prepared(Ok(busy)), Prepared::Busy);
        let ready = v1::PrepareResponse { ready: Some(v1::Ready::default()), ..Default::default() };
        assert!(matches!(prepared(Ok(ready)), Prepared::Ready(_)));
        let limited = v1::PrepareResponse { fault: Some(transient()), retry_after_ms: 700, ..Default::default() };
        let Prepared::Failed(failed) = prepared(Ok(limited)) else { panic!("failed") };
        assert_eq!(
            (failed.fault.code.as_str(), failed.retry_after),
            ("platform_rate_limited", Duration::from_millis(700))
        );
        let Prepared::Failed(empty) = prepared(Ok(v1::PrepareResponse::default())) else { panic!("failed") };
        assert_eq!(empty.fault, unreachable_fault());
        assert_eq!(finished(Ok(v1::FinishResponse { done: true, ..Default::default() })), Finished::Done);
        assert_eq!(finished(Err(Status::not_found("gone"))), Finished::Done);
    }

    #[test]
    fn only_a_refusal_with_a_code_is_final() {
        let check = |status: Status, code: &str, transient: bool| {
            let failed = refused(&status);
            assert_eq!((failed.fault.code.as_str(), failed.fault.is_transient()), (code, transient));
        };
        check(Status::unavailable("x"), "platform_unavailable", true);
        check(Status::deadline_exceeded("x"), "platform_unavailable", true);
        check(Status::not_found("x"), "platform_unavailable", true);
        let unlinked = grpc::status(Code::FailedPrecondition, "account_not_linked", None, "Link an account.");
        check(unlinked, "account_not_linked", false);
    }

    #[test]
    fn the_pause_grows_and_respects_the_platform() {
        let of = |blame, after_ms| Failed {
            fault: Fault::new(blame, Retry::Transient, "platform_unavailable", "x"),
            retry_after: Duration::from_millis(after_ms),
        };
        let options = Options::default();
        assert_eq!(pause(&of(Blame::Platform, 0), 0, 0.5, &options), Duration::from_millis(500));
        assert_eq!(pause(&of(Blame::Platform, 0), 0, 0.0, &options), options.pause_floor);
        assert_eq!(pause(&of(Blame::Platform, 0), 3, 0.5, &options), Duration::from_secs(4));
        assert_eq!(pause(&of(Blame::Platform, 9_000), 0, 0.5, &options), Duration::from_secs(9));
        assert_eq!(pause(&of(Blame::Us, 0), 9, 0.9, &options), options.ours_away);
        assert_eq!(pause(&of(Blame::Platform, 0), i32::MAX, 0.5, &options), Duration::from_secs(450));
    }
}
