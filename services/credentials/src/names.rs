//! The names of this service's metrics.

/// Stored values that did not open. Any is a reason to look.
pub const OPEN_FAILURES: &str = "vault_open_failures_total";
/// Publish targets asked for, by `outcome`: released, not_owner, no_key, unavailable, failed.
pub const RELEASES: &str = "vault_releases_total";
