//! Streams, destinations, desired state, reconciler, health and outbox.

fn main() {}
