//! The leases and the directory against a real Redis.
#![allow(clippy::unwrap_used, reason = "clippy sees no test in a test's helper functions")]

mod directory;
mod expiry;
mod faults;
mod ownership;
mod support;

/// Services call all of these from spawned tasks: their futures must be `Send`.
#[allow(dead_code)]
fn every_future_is_send(leases: &lease::Leases, directory: &lease::Directory, location: &lease::Location) {
    use domain::ids::Epoch;
    use support::{session, worker};
    fn check(_: impl Send) {}
    check(lease::Leases::connect("", support::LONG));
    check(leases.acquire(session(1), Epoch(1), &worker("")));
    check(leases.renew(&worker(""), &[]));
    check(leases.release(session(1), Epoch(1), &worker("")));
    check(leases.set_desired(session(1), Epoch(1), lease::Desired::Run));
    check(leases.owners(&[]));
    check(leases.expired(1));
    check(directory.announce(location));
    check(directory.find(location.stream));
    check(directory.workers());
    check(directory.forget_worker(&worker("")));
}
