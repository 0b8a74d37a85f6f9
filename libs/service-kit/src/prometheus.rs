//! The process's metrics recorder, rendered by our own route (the exporter's own listener would bring a second HTTP
//! stack).

use std::{fs, sync::OnceLock};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Upper bounds of every histogram whose name ends in `_seconds`: from a gRPC call (1 ms) to a slow start (30 s).
const SECONDS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Installs the recorder. Only the first call does something; metrics recorded before it are lost.
pub fn install() {
    recorder();
}

/// All metrics in Prometheus' text format.
pub fn render() -> String {
    let Some(recorder) = recorder() else { return String::new() };
    process_metrics();
    recorder.render()
}

/// Folds recorded histogram samples into their buckets. Until then each sample is kept in memory, so call it
/// regularly, scraped or not.
pub fn upkeep() {
    if let Some(recorder) = recorder() {
        recorder.run_upkeep();
    }
}

fn recorder() -> Option<&'static PrometheusHandle> {
    RECORDER.get_or_init(build).as_ref()
}

fn build() -> Option<PrometheusHandle> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
        .and_then(PrometheusBuilder::install_recorder);
    handle.inspect_err(|error| tracing::error!(%error, "metrics are off")).ok()
}

/// The usual process metrics, read from `/proc/self` at each scrape.
fn process_metrics() {
    if let Some(pages) = read_stat("/proc/self/statm", 1) {
        metrics::gauge!("process_resident_memory_bytes").set(pages * rustix::param::page_size() as f64);
    }
    // Fields 14 and 15 of proc(5), counted from the one behind the command's name.
    if let (Some(user), Some(system)) = (read_stat("/proc/self/stat", 11), read_stat("/proc/self/stat", 12)) {
        let seconds = (user + system) / rustix::param::clock_ticks_per_second() as f64;
        metrics::gauge!("process_cpu_seconds_total").set(seconds);
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        metrics::gauge!("process_open_fds").set(open.count() as f64);
    }
}

/// The `n`th blank-separated number behind a possible `(command name)`.
fn read_stat(path: &str, n: usize) -> Option<f64> {
    let text = fs::read_to_string(path).ok()?;
    let numbers = text.rsplit_once(')').map_or(text.as_str(), |(_, rest)| rest);
    numbers.split_ascii_whitespace().nth(n)?.parse().ok()
}
