//! Internal callers prove themselves by one shared bearer token.

use ring::{hmac, rand::SystemRandom};
use secret::{ExposeSecret, SecretString};
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataKey, MetadataValue},
    service::Interceptor,
};

use crate::trace;

const SCHEME: &str = "Bearer ";

/// Client side: adds the token and the current trace context to every call.
#[derive(Clone)]
pub struct InternalAuth(MetadataValue<Ascii>);

impl InternalAuth {
    /// From the configured token (`CommonConfig` has checked that it can be a header).
    pub fn new(token: &SecretString) -> Self {
        let text = secret::Zeroizing::new(format!("{SCHEME}{}", token.expose_secret()));
        let mut value = MetadataValue::try_from(text.as_str()).unwrap_or(MetadataValue::from_static(""));
        value.set_sensitive(true);
        Self(value)
    }
}

impl std::fmt::Debug for InternalAuth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InternalAuth(***)")
    }
}

impl Interceptor for InternalAuth {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        for (name, value) in trace::inject() {
            if let (Ok(name), Ok(value)) = (MetadataKey::from_bytes(name.as_bytes()), MetadataValue::try_from(value)) {
                request.metadata_mut().insert(name, value);
            }
        }
        Ok(request)
    }
}

/// Server side: see [`require_internal`].
#[derive(Clone)]
pub struct RequireInternal {
    key: hmac::Key,
    expected: hmac::Tag,
}

impl std::fmt::Debug for RequireInternal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RequireInternal(***)")
    }
}

/// Refuses every call without the token with UNAUTHENTICATED. Compares in constant time: both sides go through an
/// HMAC under a key of this process, so neither content nor length of the token shows in the timing.
pub fn require_internal(token: &SecretString) -> RequireInternal {
    // The key only blinds the comparison; a fixed one would still compare in constant time.
    let random = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new());
    let key = random.unwrap_or_else(|_| hmac::Key::new(hmac::HMAC_SHA256, b"internal bearer comparison"));
    let expected = hmac::sign(&key, token.expose_secret().as_bytes());
    RequireInternal { key, expected }
}

impl RequireInternal {
    fn admits(&self, request: &Request<()>) -> bool {
        let mut values = request.metadata().get_all("authorization").iter();
        let (Some(value), None) = (values.next(), values.next()) else { return false };
        let token = value.as_bytes().strip_prefix(SCHEME.as_bytes());
        token.is_some_and(|token| hmac::verify(&self.key, token, self.expected.as_ref()).is_ok())
    }
}

impl Interceptor for RequireInternal {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        if self.admits(&request) {
            return Ok(request);
        }
        metrics::counter!("grpc_server_unauthenticated_total").increment(1);
        Err(Status::unauthenticated("internal token missing or wrong"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str) -> SecretString {
        SecretString::from(text.to_owned())
    }

    fn check(headers: &[&str], admitted: bool) {
        let mut request = Request::new(());
        for header in headers {
            request.metadata_mut().append("authorization", header.parse().expect("header"));
        }
        let mut guard = require_internal(&token("0123456789abcdef"));
        assert_eq!(guard.call(request).is_ok(), admitted, "{headers:?}");
    }

    #[test]
    fn admits_only_the_token() {
        check(&["Bearer 0123456789abcdef"], true);
        check(&[], false);
        check(&["Bearer "], false);
        check(&["Bearer 0123456789abcdeF"], false);
        check(&["Bearer 0123456789abcdef0"], false);
        check(&["bearer 0123456789abcdef"], false);
        check(&["Basic 0123456789abcdef"], false);
        check(&["Bearer 0123456789abcdef", "Bearer 0123456789abcdef"], false);
    }

    #[test]
    fn a_client_is_admitted_and_shows_nothing() {
        let mut client = InternalAuth::new(&token("0123456789abcdef"));
        let request = client.call(Request::new(())).expect("adds the token");
        assert!(!format!("{request:?} {client:?}").contains("0123456789"), "{request:?}");
        let mut guard = require_internal(&token("0123456789abcdef"));
        assert!(!format!("{guard:?}").contains("0123456789"));
        assert!(guard.call(request).is_ok());
    }
}
