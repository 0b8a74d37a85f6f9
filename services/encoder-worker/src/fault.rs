//! What a failure towards a destination means for the streamer: code, blame, whether to try again, and a sentence.

use domain::fault::{Blame, Fault, Retry};
use media::rtmp::{
    publisher::{PublishError, Step},
    tls::TlsError,
};

/// Codes this service gives, besides those of [`ffmpeg::diagnosis`]. Each has a page in `docs/errors`.
pub const CODES: [&str; 14] = [
    "publish_refused",
    "publish_conflict",
    "connection_refused",
    "connection_lost",
    "connect_timeout",
    "destination_stalled",
    "dns_failed",
    "address_not_allowed",
    "tls_untrusted",
    "tls_wrong_host",
    "tls_failed",
    "not_rtmp",
    "key_missing",
    "encoder_stalled",
];

/// Why no address could be found for a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// The name doesn't exist, or has no address.
    #[error("no such host")]
    NoSuchHost,
    /// The resolver doesn't answer.
    #[error("name resolution failed")]
    Failed,
    /// Every address is private or local.
    #[error("no public address")]
    NotAllowed,
}

impl ResolveError {
    /// As a fault. A name that has worked before may come back.
    pub fn fault(self, ever_connected: bool) -> Fault {
        match self {
            Self::NoSuchHost => destination(
                final_at_first(ever_connected),
                "dns_failed",
                "The server's host name can't be found; check the RTMP URL.",
            ),
            Self::Failed => destination(
                Retry::Transient,
                "dns_failed",
                "The server's host name can't be looked up right now; it is tried again.",
            ),
            Self::NotAllowed => destination(
                Retry::Permanent,
                "address_not_allowed",
                "The server's host name leads to a private or local address; give the server's public host name.",
            ),
        }
    }
}

/// What a failed or lost publish means. `ever_connected`: media was acknowledged there before, so URL and key are good
/// and the same answer may pass.
pub fn of_publish(error: &PublishError, ever_connected: bool) -> Fault {
    use Retry::{Permanent, Transient};
    let at_first = final_at_first(ever_connected);
    let (retry, code, message) = match error {
        PublishError::Refused { .. } | PublishError::Closed(Step::RtmpConnect | Step::Publish) => (
            at_first,
            "publish_refused",
            "The server refused the stream; check the stream key and that the stream is set up there.",
        ),
        PublishError::Conflict { .. } => (
            Transient,
            "publish_conflict",
            "The server says that this stream key is in use; end the other broadcast, or wait until it lets go.",
        ),
        PublishError::Connect(_) => (
            at_first,
            "connection_refused",
            "The server doesn't accept connections; check host and port of the RTMP URL and that the server runs.",
        ),
        PublishError::Tls(TlsError::UntrustedCertificate(_)) => (
            Permanent,
            "tls_untrusted",
            "The server's certificate is not trusted, so the key was not sent; ask its operator for a valid certificate.",
        ),
        PublishError::Tls(TlsError::WrongHost(_) | TlsError::BadHost(_)) => (
            Permanent,
            "tls_wrong_host",
            "The server's certificate belongs to another host, so the key was not sent; check the RTMP URL.",
        ),
        PublishError::Tls(TlsError::Other(_)) => (
            Transient,
            "tls_failed",
            "No secure connection to the server could be made; check that the URL's port speaks RTMPS.",
        ),
        PublishError::Handshake(_) | PublishError::Chunk(_) | PublishError::Command(_) => {
            (at_first, "not_rtmp", "What answers there doesn't speak RTMP; check host and port of the RTMP URL.")
        }
        PublishError::Timeout(_) => {
            (Transient, "connect_timeout", "The server doesn't answer in time; check that it is reachable.")
        }
        PublishError::Stalled(_) => (
            Transient,
            "destination_stalled",
            "The server stopped taking data; the connection is made again. Check the server's load and network.",
        ),
        _ => (Transient, "connection_lost", "The connection to the server was lost; it is made again."),
    };
    destination(retry, code, message)
}

/// The vault has no key.
pub fn key_missing() -> Fault {
    destination(Retry::Permanent, "key_missing", "No stream key is stored for this destination; enter it again.")
}

/// FFmpeg takes nothing or brings nothing out.
pub fn encoder_stalled() -> Fault {
    let message = "The encoder stopped responding; it is started again.";
    Fault::new(Blame::Us, Retry::Transient, "encoder_stalled", message)
}

/// The source's codec needs a newer FFmpeg than this worker has.
pub fn codec_unsupported(codec: &str) -> Fault {
    let name = if codec.is_empty() { "this codec" } else { codec };
    let message = format!("Your encoder sends {name} in a form that can't be processed here; switch it to H.264.");
    Fault::new(Blame::Source, Retry::Permanent, "codec_unsupported", message)
}

fn final_at_first(ever_connected: bool) -> Retry {
    if ever_connected { Retry::Transient } else { Retry::Permanent }
}

fn destination(retry: Retry, code: &str, message: &str) -> Fault {
    Fault::new(Blame::Destination, retry, code, message)
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn check(error: &PublishError, code: &str, at_first: Retry, later: Retry) {
        let (first, after) = (of_publish(error, false), of_publish(error, true));
        assert_eq!((first.code.as_str(), first.retry, after.retry), (code, at_first, later), "{error:?}");
        assert!(CODES.contains(&code));
    }

    #[test]
    fn refusals_are_final_only_at_first() {
        use Retry::{Permanent, Transient};
        let text = String::new;
        let refused = PublishError::Refused { code: text(), description: text() };
        check(&refused, "publish_refused", Permanent, Transient);
        check(&PublishError::Closed(Step::Publish), "publish_refused", Permanent, Transient);
        check(
            &PublishError::Connect(io::ErrorKind::ConnectionRefused.into()),
            "connection_refused",
            Permanent,
            Transient,
        );
        check(&PublishError::Conflict { description: text() }, "publish_conflict", Transient, Transient);
        check(&PublishError::Closed(Step::Live), "connection_lost", Transient, Transient);
        check(&PublishError::Timeout(Step::Connect), "connect_timeout", Transient, Transient);
    }

    #[test]
    fn a_bad_certificate_is_final_always() {
        let error = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let untrusted = PublishError::Tls(TlsError::UntrustedCertificate(error.clone()));
        check(&untrusted, "tls_untrusted", Retry::Permanent, Retry::Permanent);
        check(&PublishError::Tls(TlsError::WrongHost(error)), "tls_wrong_host", Retry::Permanent, Retry::Permanent);
    }

    #[test]
    fn names_that_once_worked_may_come_back() {
        assert!(!ResolveError::NoSuchHost.fault(false).is_transient());
        assert!(ResolveError::NoSuchHost.fault(true).is_transient());
        assert!(ResolveError::Failed.fault(false).is_transient());
        assert!(!ResolveError::NotAllowed.fault(true).is_transient());
    }
}
