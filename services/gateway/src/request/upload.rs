//! A request whose body is a picture. Checked in the same order as a command.

use axum::{
    extract::{FromRequest, Request},
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use bytes::Bytes;
use domain::ids::TenantId;
use tracing::Instrument;

use super::{Answer, Params, admit, body};
use crate::{
    app::App,
    auth::{Identity, Scope},
    codes,
    error::ApiError,
};

/// A picture that claims rightly what it is.
#[derive(Clone, Debug)]
pub struct Picture {
    /// `image/jpeg` or `image/png`.
    pub content_type: &'static str,
    /// As they came.
    pub bytes: Bytes,
}

/// A request with a picture: token, scope, rate, headers and body are checked.
#[derive(Debug)]
pub struct Upload {
    /// Who asks.
    pub identity: Identity,
    /// The ids in the path.
    pub params: Params,
    /// The body.
    pub picture: Picture,
}

/// The types that are taken, each with the bytes that a file of it begins with.
const TYPES: [(&str, &[u8]); 2] = [("image/jpeg", b"\xff\xd8\xff"), ("image/png", b"\x89PNG\r\n\x1a\n")];

impl Upload {
    /// Who owns what is changed.
    pub fn tenant(&self) -> &TenantId {
        &self.identity.tenant
    }

    /// Does the work to its end, also when the client goes away in the middle.
    ///
    /// # Errors
    /// Those of the work; 500 when it panics.
    pub async fn run<W>(self, app: &App, work: W) -> Result<Response, ApiError>
    where
        W: Future<Output = Result<Answer, ApiError>> + Send + 'static,
    {
        let task = app.shutdown.tasks.spawn(work.instrument(tracing::Span::current()));
        let answer = task.await.unwrap_or_else(|error| {
            tracing::error!(%error, "an upload panicked");
            Err(ApiError::internal())
        });
        answer?.into_response()
    }
}

impl FromRequest<App> for Upload {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        let (mut parts, stream) = request.into_parts();
        let identity = admit(&parts, app, Scope::Full).await?;
        let params = Params::of(&mut parts).await;
        let (content_type, magic) = declared(&parts.headers)?;
        let bytes = body::read(&parts.headers, stream, app.options.max_picture_bytes).await?;
        if bytes.is_empty() {
            return Err(ApiError::bad_request(codes::BODY_MISSING, "Send the picture as the body."));
        }
        if !bytes.starts_with(magic) {
            let message = format!("The body is not what its Content-Type says: {content_type}.");
            return Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, codes::THUMBNAIL_INVALID, message));
        }
        Ok(Self { identity, params, picture: Picture { content_type, bytes } })
    }
}

/// The declared type and what such a file begins with.
fn declared(headers: &HeaderMap) -> Result<(&'static str, &'static [u8]), ApiError> {
    body::refuse_encodings(headers)?;
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let only = match (types.next(), types.next()) {
        (Some(only), None) => only.to_str().unwrap_or_default(),
        _ => "",
    };
    let found = TYPES.into_iter().find(|(name, _)| only.trim().eq_ignore_ascii_case(name));
    found.ok_or_else(|| body::unsupported("Send a picture with Content-Type: image/jpeg or image/png."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pictures_are_taken() {
        let check = |types: &[&str], expected: Option<&str>| {
            let mut headers = HeaderMap::new();
            for text in types {
                headers.append(header::CONTENT_TYPE, text.parse().unwrap());
            }
            assert_eq!(declared(&headers).ok().map(|(name, _)| name), expected, "{types:?}");
        };
        check(&["image/jpeg"], Some("image/jpeg"));
        check(&["Image/PNG"], Some("image/png"));
        check(&["image/gif"], None);
        check(&["image/svg+xml"], None);
        check(&["image/png; charset=utf-8"], None);
        check(&["image/png", "image/jpeg"], None);
        check(&[], None);
    }
}
