//! `Debug` of the messages that carry a secret. The generated one would print it wherever a request is logged.

use std::fmt::{Debug, Formatter, Result};

use crate::v1::{
    BeginLinkResponse, FinishLinkRequest, IngestKey, PublishTarget, PutStreamKeyRequest, SessionSpec, StartRequest,
};

const HIDDEN: &str = "***";

impl Debug for PutStreamKeyRequest {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("PutStreamKeyRequest")
            .field("tenant_id", &self.tenant_id)
            .field("destination_id", &self.destination_id)
            .field("stream_key", &HIDDEN)
            .finish()
    }
}

impl Debug for PublishTarget {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str("PublishTarget(***)")
    }
}

impl Debug for IngestKey {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str("IngestKey(***)")
    }
}

impl Debug for SessionSpec {
    /// The ticket is hidden, and the URLs with it: people put keys into them.
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("SessionSpec")
            .field("session_id", &self.session_id)
            .field("epoch", &self.epoch)
            .field("kind", &self.kind)
            .field("stream_id", &self.stream_id)
            .field("destination_id", &self.destination_id)
            .field("platform", &self.platform)
            .field("settings", &self.settings)
            .field("relay_ticket", &HIDDEN)
            .finish_non_exhaustive()
    }
}

impl Debug for StartRequest {
    /// The source's URL may hold a key.
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("StartRequest")
            .field("tenant_id", &self.tenant_id)
            .field("stream_id", &self.stream_id)
            .field("input_source", if self.input_source.is_empty() { &"" } else { &HIDDEN })
            .field("wait_ms", &self.wait_ms)
            .finish()
    }
}

impl Debug for BeginLinkResponse {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str("BeginLinkResponse(***)")
    }
}

impl Debug for FinishLinkRequest {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("FinishLinkRequest")
            .field("tenant_id", &self.tenant_id)
            .field("platform", &self.platform)
            .field("code", &HIDDEN)
            .field("state", &HIDDEN)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "KEY-KEY-KEY";

    fn check(message: &dyn Debug) {
        let shown = format!("{message:?} {message:#?}");
        assert!(!shown.contains("KEY-K"), "{shown}");
        assert!(shown.contains("***"), "{shown}");
    }

    #[test]
    fn no_secret_is_printed() {
        let secret = || SECRET.to_owned();
        check(&PutStreamKeyRequest { stream_key: secret(), ..Default::default() });
        check(&PublishTarget { rtmp_url: secret(), stream_key: secret(), backup_urls: vec![secret()] });
        check(&IngestKey { key: secret(), sha256: SECRET.into() });
        check(&SessionSpec { relay_ticket: secret(), input_url: secret(), rtmp_url: secret(), ..Default::default() });
        check(&BeginLinkResponse { auth_url: secret(), state: secret() });
        check(&FinishLinkRequest { code: secret(), state: secret(), ..Default::default() });
        check(&StartRequest { input_source: secret(), ..Default::default() });
    }
}
