//! What a refused request is answered with: a status, a stable code, a sentence, and the fields at fault.
//!
//! An error is turned into JSON by the outermost layer (`edge`), which knows the request's id.

use std::{borrow::Cow, sync::Arc};

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::codes;

/// One field of a body or query that is at fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// The field's path, such as `settings.bitrate`. Empty: the body as a whole.
    #[schema(example = "settings.bitrate")]
    pub field: String,
    /// `required`, `unknown_field`, `read_only`, `invalid`, or a closer code such as `address_not_allowed`.
    #[schema(example = "invalid")]
    pub code: String,
    /// A sentence that says what is expected.
    pub message: String,
}

/// A refused or failed request. Cheap to move; cheap to clone.
#[derive(Clone, Debug)]
pub struct ApiError(Arc<Parts>);

#[derive(Clone, Debug)]
struct Parts {
    status: StatusCode,
    code: Cow<'static, str>,
    message: Cow<'static, str>,
    fields: Vec<FieldError>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// The JSON of an error, as the contract has it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ErrorBody {
    /// Always `false`.
    #[schema(example = false)]
    pub success: bool,
    /// What went wrong.
    pub error: ErrorDetail,
}

/// What went wrong.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ErrorDetail {
    /// Stable; each has a page in `docs/errors`.
    #[schema(example = "validation_failed")]
    pub code: String,
    /// A sentence for a person.
    pub message: String,
    /// The request's id: the value of the `x-request-id` header of the answer.
    pub request_id: String,
    /// The fields at fault; empty when no single field is.
    pub fields: Vec<FieldError>,
}

impl ApiError {
    /// An error with a status, a stable code and a sentence.
    pub fn new(status: StatusCode, code: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        let (code, message) = (code.into(), message.into());
        Self(Arc::new(Parts { status, code, message, fields: Vec::new(), headers: Vec::new() }))
    }

    /// 400: the request can't be read.
    pub fn bad_request(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// 401. The message says what to do, never what exactly was wrong with a signature.
    pub fn unauthorized(message: &'static str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, codes::UNAUTHORIZED, message)
            .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"exprsn-live\""))
    }

    /// 422 with the fields at fault.
    pub fn validation(fields: Vec<FieldError>) -> Self {
        let message = match fields.as_slice() {
            [one] if one.field.is_empty() => one.message.clone(),
            [one] => format!("{}: {}", one.field, one.message),
            many => format!("{} fields are not valid", many.len()),
        };
        let mut error = Self::new(StatusCode::UNPROCESSABLE_ENTITY, codes::VALIDATION_FAILED, message);
        error.parts().fields = fields;
        error
    }

    /// 422 with one field at fault.
    pub fn field(field: &str, code: &str, message: impl Into<String>) -> Self {
        Self::validation(vec![FieldError { field: field.to_owned(), code: code.to_owned(), message: message.into() }])
    }

    /// 404: unknown, or somebody else's; nobody can tell which.
    pub fn not_found(what: NotFound) -> Self {
        let (code, message) = what.code_and_message();
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    /// 500. What happened is in our log, not in the answer.
    pub fn internal() -> Self {
        let message = "Something went wrong on our side. The request id helps us to find it.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, codes::INTERNAL, message)
    }

    /// 503 with a `Retry-After`.
    pub fn unavailable() -> Self {
        let message =
            "The service can't answer just now. Nothing was changed that a retry would not repair; try again.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, codes::UNAVAILABLE, message).with_retry_after(2)
    }

    /// The same error with the fields at fault.
    pub fn with_fields(mut self, fields: Vec<FieldError>) -> Self {
        self.parts().fields = fields;
        self
    }

    /// The same error with a header on its answer.
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.parts().headers.push((name, value));
        self
    }

    /// The same error with `Retry-After`, in seconds.
    pub fn with_retry_after(self, seconds: u64) -> Self {
        self.with_header(header::RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The stable code.
    pub fn code(&self) -> &str {
        &self.0.code
    }

    /// The JSON of this error under a request id.
    pub fn body(&self, request_id: &str) -> ErrorBody {
        let (code, message) = (self.0.code.to_string(), self.0.message.to_string());
        let fields = self.0.fields.clone();
        ErrorBody { success: false, error: ErrorDetail { code, message, request_id: request_id.to_owned(), fields } }
    }

    fn parts(&mut self) -> &mut Parts {
        Arc::make_mut(&mut self.0)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.0.status;
        for (name, value) in &self.0.headers {
            response.headers_mut().append(name, value.clone());
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// What is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotFound {
    /// A stream.
    Stream,
    /// A destination.
    Destination,
    /// A linked account.
    Account,
    /// A path that nothing answers to.
    Route,
}

impl NotFound {
    fn code_and_message(self) -> (&'static str, &'static str) {
        match self {
            Self::Stream => (codes::STREAM_NOT_FOUND, "There is no such stream."),
            Self::Destination => (codes::DESTINATION_NOT_FOUND, "There is no such destination."),
            Self::Account => (codes::ACCOUNT_NOT_FOUND, "There is no such account."),
            Self::Route => (codes::ROUTE_NOT_FOUND, "There is nothing at this path. /api/docs lists what there is."),
        }
    }
}
