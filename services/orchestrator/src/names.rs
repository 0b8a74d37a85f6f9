//! The names of our metrics, and the places that count.

/// Placements made: a new epoch for a session.
pub const PLACEMENTS: &str = "orchestrator_placements_total";
/// Commands that could not be handed to the bus (they are placed again).
pub const COMMANDS_FAILED: &str = "orchestrator_commands_failed_total";
/// Reconciler passes, by outcome.
pub const PASSES: &str = "orchestrator_reconcile_passes_total";
/// Seconds of one pass.
pub const PASS_SECONDS: &str = "orchestrator_reconcile_pass_seconds";
/// Reports, by outcome; `older_epoch` and `older_sequence` were dropped.
pub const REPORTS: &str = "orchestrator_reports_total";
/// Samples, by outcome.
pub const SAMPLES: &str = "orchestrator_samples_total";
/// Leases found expired, by how.
pub const LEASES_EXPIRED: &str = "orchestrator_leases_expired_total";
/// Events waiting in the outbox.
pub const OUTBOX_WAITING: &str = "orchestrator_outbox_waiting";
/// Age of the oldest of them.
pub const OUTBOX_AGE: &str = "orchestrator_outbox_age_seconds";
/// Events handed to the bus.
pub const OUTBOX_SENT: &str = "orchestrator_outbox_sent_total";
/// Whether this replica leads (1) or not (0).
pub const LEADER: &str = "orchestrator_leader";
/// Sessions by phase.
pub const SESSIONS: &str = "orchestrator_sessions";
/// Claims, by outcome.
pub const CLAIMS: &str = "orchestrator_claims_total";

/// Calls that prepare or end at a platform, by task and outcome.
pub const PLATFORM_CALLS: &str = "orchestrator_platform_calls_total";
/// Repairs that platforms asked for, by kind.
pub const REPAIRS: &str = "orchestrator_platform_repairs_total";

/// Counts one call of a platform.
pub fn count_call(task: &'static str, outcome: &'static str) {
    metrics::counter!(PLATFORM_CALLS, "task" => task, "outcome" => outcome).increment(1);
}

/// Counts one with a label `outcome`.
pub fn count(name: &'static str, outcome: &'static str) {
    metrics::counter!(name, "outcome" => outcome).increment(1);
}
