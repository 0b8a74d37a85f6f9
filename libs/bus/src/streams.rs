//! The JetStream streams: what is kept, how long, and what happens when one is full.
//!
//! | stream | kept | when full |
//! |---|---|---|
//! | `LIVE_COMMANDS` | on disk, until acknowledged; one per session, the newer replaces the older | the publisher is refused and tries again |
//! | `LIVE_CONTROL` | in memory, 60 s | the oldest go |
//! | `LIVE_REPORTS` | on disk, until acknowledged | the publisher is refused and tries again |
//! | `LIVE_EVENTS` | on disk, 24 h | the oldest go |
//! | `LIVE_METRICS` | in memory, 10 min | the oldest go |
//! | `LIVE_DEAD` | on disk, 7 days | the oldest go |
//!
//! Metrics and commands never share a stream: 100,000 samples waiting delay no command.

use std::time::Duration;

use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};

use crate::subjects;

/// Work for whichever worker has room.
pub const COMMANDS: &str = "LIVE_COMMANDS";
/// Words to one worker.
pub const CONTROL: &str = "LIVE_CONTROL";
/// What workers say about their sessions.
pub const REPORTS: &str = "LIVE_REPORTS";
/// Public events.
pub const EVENTS: &str = "LIVE_EVENTS";
/// Public metrics.
pub const METRICS: &str = "LIVE_METRICS";
/// Dead letters.
pub const DEAD: &str = "LIVE_DEAD";

const MIB: i64 = 1024 * 1024;
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// The largest message that is ours; the biggest real one, an event with a source's description, has about 1 kB.
const MAX_MESSAGE_BYTES: i32 = 256 * 1024;
/// A message published again within this time under the same `Nats-Msg-Id` is stored once.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(120);

/// The configuration of every stream. Memory streams are never replicated less than the others: a lost server must
/// not take them along.
pub(crate) fn all(replicas: usize) -> Vec<(&'static str, Config)> {
    let work = RetentionPolicy::WorkQueue;
    let limits = RetentionPolicy::Limits;
    let mut streams = vec![
        (COMMANDS, stream(subjects::COMMANDS, work, StorageType::File, DAY, 32 * MIB)),
        (CONTROL, stream(subjects::CONTROL, limits, StorageType::Memory, MINUTE, 8 * MIB)),
        (REPORTS, stream(subjects::REPORTS, work, StorageType::File, DAY, 64 * MIB)),
        (EVENTS, stream(subjects::EVENTS, limits, StorageType::File, DAY, 128 * MIB)),
        (METRICS, stream(subjects::METRICS, limits, StorageType::Memory, 10 * MINUTE, 64 * MIB)),
        (DEAD, stream(subjects::DEAD, limits, StorageType::File, 7 * DAY, 32 * MIB)),
    ];
    for (name, config) in &mut streams {
        config.name = (*name).to_owned();
        config.num_replicas = replicas.max(1);
        if *name == COMMANDS {
            // With `discard: new` this still drops the older message of the same subject (a newer epoch's command
            // replaces the one that nobody took), while a full stream refuses.
            config.max_messages_per_subject = 1;
        }
    }
    streams
}

fn stream(
    subject: &str,
    retention: RetentionPolicy,
    storage: StorageType,
    max_age: Duration,
    max_bytes: i64,
) -> Config {
    let discard = match retention {
        RetentionPolicy::WorkQueue => DiscardPolicy::New,
        _ => DiscardPolicy::Old,
    };
    Config {
        subjects: vec![subject.to_owned()],
        retention,
        storage,
        max_age,
        max_bytes,
        discard,
        max_message_size: MAX_MESSAGE_BYTES,
        duplicate_window: DUPLICATE_WINDOW.min(max_age),
        ..Config::default()
    }
}
