//! Inner HTTP-FLV: `GET /live/{stream_id}.flv` with a ticket.

mod live;
mod serve;
mod socket;

pub(crate) use serve::serve;

use std::sync::Arc;

use axum::{Router, routing::get};

use crate::ingest::Relay;

pub(crate) fn router(relay: Arc<Relay>) -> Router {
    Router::new().route("/live/{file}", get(live::read)).with_state(relay)
}
