//! The names of this service's metrics.

/// Stored values that did not open. Any is a reason to look.
pub const OPEN_FAILURES: &str = "vault_open_failures_total";
/// Publish targets asked for, by `outcome`: released, not_owner, no_key, not_ready, unavailable, failed.
pub const RELEASES: &str = "vault_releases_total";
/// Calls to platforms, by `platform`, `call` (prepare, finish, feature) and `outcome` (ok, or the failure's code).
pub const PLATFORM_CALLS: &str = "platform_calls_total";
/// Broadcasts looked at, by `platform` and `outcome` (ok, failed).
pub const PLATFORM_LOOKS: &str = "platform_looks_total";
/// How long preparations took, by `platform`.
pub const PREPARE_SECONDS: &str = "platform_prepare_seconds";
