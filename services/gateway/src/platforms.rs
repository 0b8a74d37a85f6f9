//! Which platforms this installation can deliver to. The one place that changes when a platform is added.

use axum::http::StatusCode;
use domain::platform::Platform;

use crate::{codes, error::ApiError, error::FieldError};

/// Whether a destination on this platform can be made here.
///
/// # Errors
/// 422 `platform_not_configured`.
pub fn check_configured(platform: Platform) -> Result<(), ApiError> {
    if platform == Platform::RtmpCustom {
        return Ok(());
    }
    let message = format!(
        "{platform} is not set up on this installation yet. Use platform rtmp_custom with the server URL and stream \
         key that {platform} shows you."
    );
    let (field, code) = ("platform".to_owned(), codes::PLATFORM_NOT_CONFIGURED.to_owned());
    let fields = vec![FieldError { field, code, message: "is not set up on this installation".to_owned() }];
    Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, codes::PLATFORM_NOT_CONFIGURED, message).with_fields(fields))
}
