//! What every part of the service shares.

use std::sync::Arc;

use bus::Bus;
use lease::Leases;
use service_kit::{Clock, ticket::TicketKey};

use crate::{board::Board, db::Db, leader::Leadership, options::Options, platforms::Client, wake::Wake};

/// Clones share everything.
#[derive(Clone)]
pub struct Ctx {
    /// The truth.
    pub db: Db,
    /// Commands, reports, events, metrics.
    pub bus: Bus,
    /// Liveness.
    pub leases: Leases,
    /// The way to the platforms.
    pub credentials: Client,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Chance, from 0 up to 1.
    pub chance: fn() -> f64,
    /// Every bound.
    pub options: Arc<Options>,
    /// Who looks next.
    pub wake: Wake,
    /// Signs for the relay.
    pub tickets: TicketKey,
    /// The last samples.
    pub board: Board,
    /// Whether this replica leads.
    pub leader: Leadership,
}

impl Ctx {
    /// The time, in milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }
}
