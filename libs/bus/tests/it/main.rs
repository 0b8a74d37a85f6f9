//! The bus against a real NATS server.
#![allow(clippy::unwrap_used, reason = "clippy sees no test in a test's helper functions")]

mod commands;
mod dead_letters;
mod faults;
mod feeds;
mod reports;
mod support;
mod trace;
mod version;

/// Services call all of these from spawned tasks: their futures must be `Send`.
#[allow(dead_code)]
fn every_future_is_send(bus: &bus::Bus, puller: &mut bus::CommandPuller, delivery: &bus::Delivery<()>) {
    fn check(_: impl Send) {}
    check(bus::Bus::connect("", ""));
    check(bus.ensure_streams(1));
    check(bus.publish_run(&Default::default()));
    check(bus.publish_report(&Default::default()));
    check(bus.publish_control(&support::worker(""), &Default::default()));
    check(bus.publish_metric(&support::sample(1, 1)));
    check(bus.publish_event(&support::event(1, bus::EventKind::StreamEnded)));
    check(bus.run_commands());
    check(puller.next(1));
    check(bus.reports());
    check(bus.control(&support::worker("")));
    check(bus.metrics(bus::MetricFilter::All));
    check(bus.events(support::stream(1), None));
    check(delivery.ack());
    check(delivery.dead_letter(""));
}
