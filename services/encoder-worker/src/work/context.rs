//! What every session of this worker uses. Made once.

use std::sync::Arc;

use bus::Bus;
use domain::{ids::WorkerId, target::TargetPolicy};
use lease::{Directory, Leases};
use media::rtmp::publisher;

use super::{clients::Clients, registry::Registry, reporter::Reporter};
use crate::{encoder::binary::Ffmpeg, pulse::Pulse, session::state::Rules, sink::outbox, source::feed};

/// See the module.
pub struct Context {
    /// This worker.
    pub worker: WorkerId,
    /// Commands, reports, metrics.
    pub bus: Bus,
    /// Who owns what.
    pub leases: Leases,
    /// Where sources are.
    pub directory: Directory,
    /// The orchestrator and the vault.
    pub clients: Clients,
    /// Reports on their way.
    pub reporter: Reporter,
    /// Whether this process was paused.
    pub pulse: Arc<Pulse>,
    /// Sessions running here.
    pub registry: Registry,
    /// The FFmpeg to start.
    pub ffmpeg: Ffmpeg,
    /// Threads of one encode.
    pub ffmpeg_threads: Option<u32>,
    /// Address space of one FFmpeg, bytes.
    pub ffmpeg_memory: u64,
    /// How to publish; the gate is set per session.
    pub publish: publisher::Options,
    /// Where to publish.
    pub policy: TargetPolicy,
    /// The bounds of feeding FFmpeg.
    pub feed: feed::Limits,
    /// The bounds of the queue behind FFmpeg.
    pub outbox: outbox::Limits,
    /// Uniform in `0.0..1.0`, for jitter.
    pub chance: fn() -> f64,
    /// The bounds of a session; its policy comes from its settings.
    pub rules: Rules,
}
