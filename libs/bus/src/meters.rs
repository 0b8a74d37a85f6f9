//! The names of the bus's metrics, and the one place that writes them.

/// Messages published. Labels: `stream`, `outcome` = `stored` | `duplicate` | `failed`.
const PUBLISHED: &str = "bus_published_total";
/// Messages taken from a queue or feed. Label: `stream`.
const RECEIVED: &str = "bus_received_total";
/// Messages put aside. Labels: `stream`, `reason` = `undecodable` | `exhausted` | `refused`.
const DEAD_LETTERS: &str = "bus_dead_letters_total";
/// Messages of a feed that could not be read. Label: `stream`.
const UNREADABLE: &str = "bus_unreadable_total";
/// Connections to the server, the first one included.
const CONNECTS: &str = "bus_connects_total";
/// Times the JetStream streams were set up.
const STREAMS_ENSURED: &str = "bus_streams_ensured_total";
/// Times a consumer was opened. Label: `stream`.
const CONSUMERS_OPENED: &str = "bus_consumers_opened_total";

pub(crate) fn published(stream: &'static str, outcome: &'static str) {
    metrics::counter!(PUBLISHED, "stream" => stream, "outcome" => outcome).increment(1);
}

pub(crate) fn received(stream: &'static str) {
    metrics::counter!(RECEIVED, "stream" => stream).increment(1);
}

pub(crate) fn dead_letter(stream: &'static str, reason: &'static str) {
    metrics::counter!(DEAD_LETTERS, "stream" => stream, "reason" => reason).increment(1);
}

pub(crate) fn unreadable(stream: &'static str) {
    metrics::counter!(UNREADABLE, "stream" => stream).increment(1);
}

pub(crate) fn connected() {
    metrics::counter!(CONNECTS).increment(1);
}

pub(crate) fn streams_ensured() {
    metrics::counter!(STREAMS_ENSURED).increment(1);
}

pub(crate) fn consumer_opened(stream: &'static str) {
    metrics::counter!(CONSUMERS_OPENED, "stream" => stream).increment(1);
}
