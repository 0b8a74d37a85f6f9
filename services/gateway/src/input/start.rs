//! The body and query that start a simulcast.

use std::time::Duration;

use domain::target::{InputSource, TargetError, TargetPolicy};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::query::Query;
use crate::{error::ApiError, fields::Fields};

/// The longest a start may wait for its destinations, in seconds.
pub const MAX_WAIT_S: u32 = 10;

/// The longest play path: the vault keeps it like a stream key.
const MAX_PLAY_PATH: usize = 512;

/// How to start. All of it is optional, the body as well.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = StartSimulcast, example = json!({"inputSource": "rtmp://source/stream"}))]
#[allow(dead_code)] // the shape for the API description; `Start::read` does the reading
pub struct StartBody {
    /// An RTMP(S) URL to take the stream from, instead of publishing to the ingest URL.
    input_source: Option<String>,
}

/// A start, checked.
#[derive(Debug)]
pub struct Start {
    /// The source to pull; its play path may hold a key.
    pub input_source: Option<InputSource>,
    /// How long to wait for the destinations.
    pub wait: Duration,
}

/// `host:port` of our own ingest: a stream can't be its own source.
#[derive(Clone, Debug, Default)]
pub struct OwnIngest(Option<(String, u16)>);

impl OwnIngest {
    /// Of the public ingest URL.
    pub fn of(url: &str) -> Self {
        let anywhere = TargetPolicy { allow_private: true };
        Self(domain::target::RtmpUrl::parse(url, anywhere).ok().map(|url| (url.host_text(), url.port)))
    }
}

impl Start {
    /// Reads body and query.
    ///
    /// # Errors
    /// 422 with every field at fault.
    pub fn read(
        body: Option<&Value>,
        query: Option<&str>,
        policy: TargetPolicy,
        own: &OwnIngest,
    ) -> Result<Self, ApiError> {
        let mut query = Query::read(query, &["wait"])?;
        let wait = query.whole("wait", 0..=MAX_WAIT_S)?.unwrap_or(MAX_WAIT_S);
        let mut input_source = None;
        if let Some(body) = body {
            let mut fields = Fields::of(body)?;
            input_source = source(&mut fields, policy, own);
            fields.finish()?;
        }
        Ok(Self { input_source, wait: Duration::from_secs(wait.into()) })
    }
}

fn source(fields: &mut Fields<'_>, policy: TargetPolicy, own: &OwnIngest) -> Option<InputSource> {
    let text = fields.string("inputSource")?;
    match InputSource::parse(text, policy) {
        Ok(source) if own.0.as_ref().is_some_and(|(h, p)| *h == source.base.host_text() && *p == source.base.port) => {
            let message = "is this service's own ingest; publish to it and leave inputSource out";
            fields.refuse("inputSource", TargetError::Address.code(), message);
            None
        }
        Ok(source) if source.play_path.len() > MAX_PLAY_PATH => {
            fields.refuse("inputSource", TargetError::Malformed.code(), "has a path that is too long");
            None
        }
        Ok(source) => Some(source),
        Err(e) => {
            fields.refuse("inputSource", e.code(), e.to_string());
            None
        }
    }
}
