//! Metric names. Labels are bounded: kinds, reasons and uses from this code only.

use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};

const SOURCES: &str = "relay_sources";
const READERS: &str = "relay_readers";
const CONNECTIONS: &str = "relay_rtmp_connections";
const INGEST_BYTES: &str = "relay_ingest_bytes_total";
const EGRESS_BYTES: &str = "relay_egress_bytes_total";
const LAG_SKIPS: &str = "relay_reader_lag_skips_total";
const PUBLISHES: &str = "relay_publishes_total";
const REFUSED_PUBLISHES: &str = "relay_refused_publishes_total";
const REFUSED_READS: &str = "relay_refused_reads_total";
const FENCED: &str = "relay_fenced_total";
const ENDED: &str = "relay_sources_ended_total";
const DROPPED_SCRIPTS: &str = "relay_dropped_script_tags_total";

/// Says what the numbers mean. Call it once the recorder is installed.
pub(crate) fn describe() {
    describe_gauge!(SOURCES, "live sources");
    describe_gauge!(READERS, "connected HTTP-FLV readers");
    describe_gauge!(CONNECTIONS, "open RTMP connections");
    describe_counter!(INGEST_BYTES, Unit::Bytes, "media received from publishers, as FLV tags");
    describe_counter!(EGRESS_BYTES, Unit::Bytes, "media handed to readers");
    describe_counter!(LAG_SKIPS, "times a slow reader was moved on to a keyframe");
    describe_counter!(PUBLISHES, "accepted publishes");
    describe_counter!(REFUSED_PUBLISHES, "refused publishes by reason");
    describe_counter!(REFUSED_READS, "refused reads by reason");
    describe_counter!(FENCED, "readers and publishers cut or refused because of a higher epoch");
    describe_counter!(ENDED, "ended sources by reason");
    describe_counter!(DROPPED_SCRIPTS, "script tags other than onMetaData");
}

pub(crate) fn sources(by: f64) {
    gauge!(SOURCES).increment(by);
}

pub(crate) fn readers(by: f64) {
    gauge!(READERS).increment(by);
}

pub(crate) fn connections(by: f64) {
    gauge!(CONNECTIONS).increment(by);
}

/// Kept by a publish: looking a counter up costs more than counting.
pub(crate) fn ingest_bytes() -> metrics::Counter {
    counter!(INGEST_BYTES)
}

/// Kept by a reader.
pub(crate) fn egress_bytes() -> metrics::Counter {
    counter!(EGRESS_BYTES)
}

pub(crate) fn lag_skip() {
    counter!(LAG_SKIPS).increment(1);
}

pub(crate) fn publish_accepted() {
    counter!(PUBLISHES).increment(1);
}

pub(crate) fn publish_refused(reason: &'static str) {
    counter!(REFUSED_PUBLISHES, "reason" => reason).increment(1);
}

pub(crate) fn read_refused(reason: &'static str) {
    counter!(REFUSED_READS, "reason" => reason).increment(1);
}

pub(crate) fn fenced(use_: &'static str) {
    counter!(FENCED, "use" => use_).increment(1);
}

pub(crate) fn source_ended(reason: &'static str) {
    counter!(ENDED, "reason" => reason).increment(1);
}

pub(crate) fn script_dropped() {
    counter!(DROPPED_SCRIPTS).increment(1);
}
