//! May this publisher publish, and what? Decided before a byte of its media is kept.

use std::{net::SocketAddr, sync::Arc};

use domain::ids::{PublishId, StreamId};
use ring::digest;
use secret::StreamKey;
use service_kit::{grpc, ticket::Use};
use tokio::time::{Instant, sleep, timeout};
use wire::v1::{self, authorize_publish_response::Decision};

use super::{
    Relay,
    refusals::{ALREADY_LIVE, BAD_TICKET, FENCED, FULL, Refused, UNAVAILABLE, UNKNOWN_KEY},
};
use crate::{fence::Pass, source::Identity};

/// A publish key that starts so is a ticket of a pulling worker.
const TICKET_PREFIX: &str = "ticket:";

/// What an accepted publish is.
pub(super) struct Granted {
    pub(super) identity: Identity,
    /// Only with a ticket.
    pub(super) pass: Option<Pass>,
}

pub(super) async fn authorize(
    relay: &Arc<Relay>,
    key: &StreamKey,
    publish: PublishId,
    peer: SocketAddr,
) -> Result<Granted, Refused> {
    if relay.hub.len() >= relay.options.bounds.max_sources {
        return Err(FULL);
    }
    match key.expose().strip_prefix(TICKET_PREFIX) {
        Some(ticket) => by_ticket(relay, ticket, publish),
        None => by_key(relay, key, publish, peer).await,
    }
}

fn by_ticket(relay: &Relay, ticket: &str, publish: PublishId) -> Result<Granted, Refused> {
    let ticket = relay.options.ticket_key.verify(ticket, relay.clock.now_ms()).map_err(|_| BAD_TICKET)?;
    if ticket.use_ != Use::Publish {
        return Err(BAD_TICKET);
    }
    let now = std::time::Instant::now();
    let pass = relay.fence.enter(ticket.session, ticket.epoch, Use::Publish, now).map_err(|_| FENCED)?;
    // An encoder that publishes with the stream's key has the older right.
    let live = relay.hub.get(ticket.stream);
    if live.is_some_and(|source| source.identity().key_sha256.is_some()) {
        return Err(ALREADY_LIVE);
    }
    let identity = Identity { stream: ticket.stream, publish, source_epoch: ticket.epoch.0, key_sha256: None };
    Ok(Granted { identity, pass: Some(pass) })
}

async fn by_key(relay: &Arc<Relay>, key: &StreamKey, publish: PublishId, peer: SocketAddr) -> Result<Granted, Refused> {
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(digest::digest(&digest::SHA256, key.expose().as_bytes()).as_ref());
    // Known here already: asking would make the orchestrator think that the first publish is over.
    if !relay.options.takeover && relay.hub.has_key(&sha256) {
        return Err(ALREADY_LIVE);
    }
    let request = v1::AuthorizePublishRequest {
        relay_id: relay.options.relay.to_string(),
        key_sha256: sha256.to_vec(),
        remote_addr: peer.to_string(),
        publish_id: publish.to_string(),
        takeover: relay.options.takeover,
    };
    let answer = ask(relay, request).await.ok_or(UNAVAILABLE)?;
    match answer.decision() {
        Decision::Accepted => {}
        Decision::AlreadyLive => return Err(ALREADY_LIVE),
        Decision::UnknownKey => return Err(UNKNOWN_KEY),
        Decision::Unspecified => return Err(UNAVAILABLE),
    }
    let stream: StreamId = answer.stream_id.parse().map_err(|_| UNAVAILABLE)?;
    let identity = Identity { stream, publish, source_epoch: answer.source_epoch, key_sha256: Some(sha256) };
    Ok(Granted { identity, pass: None })
}

/// Asks until there is an answer or the wait is over. Asking twice is safe: the publish has an id.
async fn ask(relay: &Relay, request: v1::AuthorizePublishRequest) -> Option<v1::AuthorizePublishResponse> {
    let bounds = &relay.options.bounds;
    let deadline = Instant::now() + bounds.authorize_wait;
    let timeout_ms = bounds.call_timeout.as_millis() as u64;
    let mut client = relay.orchestrator();
    loop {
        let call = client.authorize_publish(grpc::deadline(timeout_ms, request.clone()));
        let why = match timeout(bounds.call_timeout, call).await {
            Ok(Ok(answer)) => return Some(answer.into_inner()),
            Ok(Err(status)) => status.message().to_owned(),
            Err(_) => "timed out".to_owned(),
        };
        if Instant::now() + bounds.authorize_pause >= deadline {
            tracing::error!(why, "cannot ask the orchestrator about a publish");
            return None;
        }
        sleep(bounds.authorize_pause).await;
    }
}
