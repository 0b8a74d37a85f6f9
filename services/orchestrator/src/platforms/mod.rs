//! What platforms have to be told and asked, through the credentials service, which alone talks to them.
//!
//! Any replica prepares and ends (`drive`): a claim on the destination's row lets one call run at a time, and runs out
//! soon after its holder died. The leader asks what platforms show (`observe`). Everything that is decided is decided on
//! what is stored: a call may be cut anywhere and made again.

mod answer;
mod claim;
pub mod drive;
mod finish;
pub mod observe;
mod prepare;
mod repair;
mod said;

use std::time::Duration;

use service_kit::grpc::InternalChannel;
use wire::v1::platforms_client::PlatformsClient;

/// Our way to the platforms.
pub type Client = PlatformsClient<InternalChannel>;

pub(crate) use answer::unreachable_fault;
pub(crate) use repair::FORGIVEN_MS;

/// How much and how long.
#[derive(Clone, Debug)]
pub struct Options {
    /// How often to look for due calls without being woken.
    pub look: Duration,
    /// Least time between two looks, however much happens.
    pub calm: Duration,
    /// Preparations at the same time.
    pub prepare_parallel: usize,
    /// Ends at the same time.
    pub finish_parallel: usize,
    /// How long a claim lasts without being renewed: what a killed replica costs.
    pub claim: Duration,
    /// How often a claim is renewed.
    pub claim_renewal: Duration,
    /// The bound of a call that prepares or ends.
    pub call: Duration,
    /// The pause after `busy`.
    pub busy: Duration,
    /// How often `busy` is taken for an answer in a row.
    pub busy_times: u32,
    /// The shortest pause before another attempt.
    pub pause_floor: Duration,
    /// The longest pause while it is our own service that does not answer.
    pub ours_away: Duration,
    /// An end that can't be made is given up after this long, ms: the platform has forgotten it, or never will.
    pub finish_for_ms: i64,
    /// How often to see who is due to be observed, without being woken.
    pub observe_look: Duration,
    /// The same while some destination is on its way to live; never more often, however much happens.
    pub observe_calm: Duration,
    /// How often a destination is observed that is on its way to live, ms.
    pub observe_soon_ms: i64,
    /// How often the others are, ms.
    pub observe_ms: i64,
    /// The bound of one observation.
    pub observe_call: Duration,
    /// Most destinations in one observation.
    pub observe_batch: usize,
    /// Least time between two reconnects that a platform asks for, ms.
    pub reconnect_every_ms: i64,
    /// New broadcasts within one run before a person is asked.
    pub renewals: i32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            look: Duration::from_millis(250),
            calm: Duration::from_millis(20),
            prepare_parallel: 16,
            finish_parallel: 16,
            claim: Duration::from_millis(2_500),
            claim_renewal: Duration::from_millis(700),
            call: Duration::from_secs(20),
            busy: Duration::from_millis(200),
            busy_times: 150,
            pause_floor: Duration::from_millis(100),
            ours_away: Duration::from_secs(2),
            finish_for_ms: 24 * 3_600_000,
            observe_look: Duration::from_millis(500),
            observe_calm: Duration::from_millis(100),
            observe_soon_ms: 290,
            observe_ms: 1_500,
            observe_call: Duration::from_secs(3),
            observe_batch: 500,
            reconnect_every_ms: 30_000,
            renewals: 5,
        }
    }
}
