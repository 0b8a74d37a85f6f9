//! The bodies that make and change a stream.

use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{error::ApiError, fields::Fields};

/// The longest title, in characters.
pub const MAX_TITLE_CHARS: usize = 200;
/// The longest grace after the source is gone.
pub const MAX_END_GRACE_S: u32 = 86_400;
/// What only the server sets.
const SERVER_OWNED: &[&str] = &[
    "id",
    "owner",
    "tenant_id",
    "status",
    "viewer_count",
    "created_at",
    "started_at",
    "source",
    "ingest",
    "generation",
];

/// A new stream.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewStream, example = json!({"title": "My Stream"}))]
#[allow(dead_code)] // the shape for the API description; `New::read` does the reading
pub struct NewStreamBody {
    /// For people.
    #[schema(min_length = 1, max_length = 200)]
    title: String,
    /// Seconds after which a stream that started by itself (`auto_start`) ends when its source is gone. Default 30.
    #[schema(minimum = 0, maximum = 86400)]
    end_grace_s: Option<u32>,
}

/// A change of a stream. What is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ChangedStream, example = json!({"title": "Friday show"}))]
#[allow(dead_code)] // the shape for the API description; `Change::read` does the reading
pub struct ChangedStreamBody {
    /// For people.
    #[schema(min_length = 1, max_length = 200)]
    title: Option<String>,
    /// Seconds after which a stream that started by itself (`auto_start`) ends when its source is gone.
    #[schema(minimum = 0, maximum = 86400)]
    end_grace_s: Option<u32>,
}

/// A stream's wishes, checked. For a new stream the title is there.
#[derive(Debug, Default)]
pub struct Change {
    /// For people.
    pub title: Option<String>,
    /// Grace after the source is gone, in seconds.
    pub end_grace_s: Option<u32>,
}

impl Change {
    /// Reads the body of a change.
    ///
    /// # Errors
    /// 422 with every field at fault.
    pub fn read(body: &Value) -> Result<Self, ApiError> {
        Self::with(Fields::of(body)?)
    }

    /// Reads the body of a new stream.
    ///
    /// # Errors
    /// 422 with every field at fault.
    pub fn read_new(body: &Value) -> Result<Self, ApiError> {
        let mut fields = Fields::of(body)?;
        fields.require("title");
        Self::with(fields)
    }

    fn with(mut fields: Fields<'_>) -> Result<Self, ApiError> {
        let sentence = format!("must be a whole number of seconds from 0 to {MAX_END_GRACE_S}");
        let title = fields.text("title", MAX_TITLE_CHARS).map(str::to_owned);
        let end_grace_s = fields.whole("end_grace_s", 0..=MAX_END_GRACE_S, &sentence);
        fields.server_owned(SERVER_OWNED);
        fields.finish()?;
        Ok(Self { title, end_grace_s })
    }
}
