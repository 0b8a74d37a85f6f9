//! Errors with a stable code beside gRPC's own, so that the gateway answers with the code the callee chose.

use tonic::{Code, Status, metadata::MetadataMap, metadata::MetadataValue};

/// The metadata key of the stable, `snake_case` code.
pub const ERROR_CODE: &str = "x-error-code";
/// The metadata key of the field at fault, by its REST name.
pub const ERROR_FIELD: &str = "x-error-field";

/// A refusal with its stable code and, where one is at fault, the field. `message` is for people and never a secret.
pub fn status(code: Code, error_code: &str, field: Option<&str>, message: impl Into<String>) -> Status {
    let mut metadata = MetadataMap::new();
    let entries = [(ERROR_CODE, Some(error_code)), (ERROR_FIELD, field)];
    for (name, value) in entries {
        if let Some(Ok(value)) = value.map(MetadataValue::try_from) {
            metadata.insert(name, value);
        }
    }
    Status::with_metadata(code, message, metadata)
}

/// The stable code, if the callee set one.
pub fn error_code(status: &Status) -> Option<&str> {
    status.metadata().get(ERROR_CODE).and_then(|value| value.to_str().ok())
}

/// The field at fault, if the callee named one.
pub fn error_field(status: &Status) -> Option<&str> {
    status.metadata().get(ERROR_FIELD).and_then(|value| value.to_str().ok())
}

/// Whether the call failed on the way or in time, so that nobody knows if it was executed: answer 503, or repeat what
/// is idempotent. (tonic reports a lost connection as CANCELLED as well as UNAVAILABLE.)
pub fn is_unreachable(status: &Status) -> bool {
    let transport = std::error::Error::source(status).is_some_and(|source| source.is::<tonic::transport::Error>());
    transport || matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carries_code_and_field() {
        let refused = status(Code::InvalidArgument, "invalid_key", Some("stream_key"), "too long");
        assert_eq!((error_code(&refused), error_field(&refused)), (Some("invalid_key"), Some("stream_key")));
        let plain = Status::internal("x");
        assert_eq!((error_code(&plain), error_field(&plain)), (None, None));
    }
}
