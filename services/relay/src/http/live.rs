//! A worker reads a source.
//!
//! The answer's body ends cleanly only when the source has ended; every other end is an abort. 401 no or bad ticket,
//! 403 a ticket for something else, 404 no such source here, 409 a newer epoch of the session was here
//! (`x-fence-epoch`), 503 the source has sent no keyframe in time.

use std::{sync::Arc, time::Instant};

use axum::{
    body::Body,
    extract::{Extension, Path, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use domain::{ids::StreamId, source::SourceInfo};
use service_kit::ticket::{Ticket, Use};

use super::socket::Slot;
use crate::{fence::Fenced, ingest::Relay, meters, source::Reader};

const SOURCE_INFO: HeaderName = HeaderName::from_static("x-source-info");
const FENCE_EPOCH: HeaderName = HeaderName::from_static("x-fence-epoch");

enum Refused {
    Unauthorized,
    Forbidden,
    NotFound,
    Fenced(Fenced),
    NotReady,
    Method,
}

pub(super) async fn read(
    State(relay): State<Arc<Relay>>,
    Extension(slot): Extension<Slot>,
    Path(file): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    match open(&relay, &file, &method, &headers).await {
        Ok(reader) => {
            // Empty: a connection has one request.
            let _ = slot.set(Arc::clone(reader.cut()));
            respond(reader)
        }
        Err(refused) => refused.into_response(),
    }
}

async fn open(relay: &Relay, file: &str, method: &Method, headers: &HeaderMap) -> Result<Reader, Refused> {
    if method != Method::GET {
        return Err(Refused::Method);
    }
    let stream: StreamId = file.strip_suffix(".flv").and_then(|id| id.parse().ok()).ok_or(Refused::NotFound)?;
    let ticket = ticket(relay, headers).ok_or(Refused::Unauthorized)?;
    if ticket.stream != stream || ticket.use_ != Use::Read {
        return Err(Refused::Forbidden);
    }
    // Before the source is looked for: even without one, a newer epoch ends the older.
    let pass = relay.fence.enter(ticket.session, ticket.epoch, Use::Read, Instant::now()).map_err(Refused::Fenced)?;
    let source = relay.hub.get(stream).ok_or(Refused::NotFound)?;
    tracing::debug!(%stream, session = %ticket.session, epoch = %ticket.epoch, "reader");
    source.join(pass, relay.options.bounds.join_wait).await.ok_or(Refused::NotReady)
}

fn ticket(relay: &Relay, headers: &HeaderMap) -> Option<Ticket> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")?;
    relay.options.ticket_key.verify(text, relay.clock.now_ms()).ok()
}

fn respond(reader: Reader) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("video/x-flv")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (SOURCE_INFO, source_info(&reader.info())),
    ];
    (headers, Body::new(reader)).into_response()
}

fn source_info(info: &SourceInfo) -> HeaderValue {
    let json = serde_json::to_string(info).unwrap_or_default();
    HeaderValue::from_str(&json).unwrap_or(HeaderValue::from_static("{}"))
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let (status, reason) = match self {
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "bad_ticket"),
            Self::Forbidden => (StatusCode::FORBIDDEN, "foreign_ticket"),
            Self::NotFound => (StatusCode::NOT_FOUND, "no_source"),
            Self::Fenced(_) => (StatusCode::CONFLICT, "fenced"),
            Self::NotReady => (StatusCode::SERVICE_UNAVAILABLE, "not_ready"),
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, "method"),
        };
        meters::read_refused(reason);
        let mut response = (status, reason).into_response();
        let headers = response.headers_mut();
        match self {
            Self::Unauthorized => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Self::Fenced(Fenced { epoch }) => {
                headers.insert(FENCE_EPOCH, HeaderValue::from(epoch.0));
            }
            Self::Method => {
                headers.insert(header::ALLOW, HeaderValue::from_static("GET"));
            }
            Self::Forbidden | Self::NotFound | Self::NotReady => {}
        }
        response
    }
}
