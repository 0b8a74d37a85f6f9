//! The names of this service's Prometheus metrics, in one place. Labels are bounded: kinds, phases and fault codes.

/// Gauge: sessions running, by `kind`.
pub const SESSIONS: &str = "worker_sessions";
/// Counter: sessions started, by `kind`.
pub const SESSION_STARTS: &str = "worker_session_starts_total";
/// Counter: sessions over, by `outcome`.
pub const SESSION_ENDS: &str = "worker_session_ends_total";
/// Counter: commands by what became of them (`outcome`).
pub const COMMANDS: &str = "worker_commands_total";
/// Histogram: from the command in hand to the first acknowledged media, seconds.
pub const START_SECONDS: &str = "worker_session_start_seconds";
/// Counter: publishes lost or refused, by `code`.
pub const SINK_LOSSES: &str = "worker_sink_losses_total";
/// Counter: source halves over, by `reason`.
pub const SOURCE_ENDS: &str = "worker_source_ends_total";
/// Counter: FFmpeg processes started.
pub const FFMPEG_SPAWNS: &str = "worker_ffmpeg_spawns_total";
/// Counter: FFmpeg processes reaped, by `exit` (ok, failed, signal).
pub const FFMPEG_EXITS: &str = "worker_ffmpeg_exits_total";
/// Counter: FFmpeg processes that had to be killed.
pub const FFMPEG_KILLS: &str = "worker_ffmpeg_kills_total";
/// Counter: bytes of FFmpeg's stderr thrown away unread because it wrote too many.
pub const STDERR_DISCARDED: &str = "worker_ffmpeg_stderr_discarded_bytes_total";
/// Counter: video frames left out because a sink was too slow.
pub const DROPPED_FRAMES: &str = "worker_dropped_frames_total";
/// Counter: events that came too late for their attempt.
pub const LATE_EVENTS: &str = "worker_late_events_total";
/// Counter: reports that did not fit the queue.
pub const REPORTS_DROPPED: &str = "worker_reports_dropped_total";
/// Counter: leases lost to another worker or a higher epoch.
pub const LEASES_LOST: &str = "worker_leases_lost_total";
/// Counter: times this process was found to have been paused.
pub const PAUSES: &str = "worker_pauses_total";
/// Gauge: seconds since leases could last be renewed.
pub const LEASE_AGE_SECONDS: &str = "worker_lease_age_seconds";
