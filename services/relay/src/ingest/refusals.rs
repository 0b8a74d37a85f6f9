//! What a refused publisher is told. FFmpeg and GStreamer print the text; OBS shows its own for `BadName`.

use media::rtmp::server::Refusal;

/// A refusal with its metric label.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refused {
    pub(super) reason: &'static str,
    pub(super) refusal: Refusal,
}

const fn refused(reason: &'static str, text: &'static str) -> Refused {
    Refused { reason, refusal: Refusal { code: "NetStream.Publish.BadName", text } }
}

const fn denied(reason: &'static str, text: &'static str) -> Refused {
    Refused { reason, refusal: Refusal { code: "NetStream.Publish.Denied", text } }
}

pub(super) const UNKNOWN_KEY: Refused =
    refused("unknown_key", "unknown stream key: copy it again from the stream's settings");
pub(super) const ALREADY_LIVE: Refused =
    refused("already_live", "this stream is already live from another encoder: stop that one first");
pub(super) const UNAVAILABLE: Refused =
    refused("unavailable", "the stream key cannot be checked right now: try again in a few seconds");
pub(super) const FULL: Refused = refused("full", "this server is full: try again later");
pub(super) const DRAINING: Refused = refused("draining", "this server is being restarted: connect again");
/// Workers only: `Denied`, so that it is not taken for a busy key.
pub(super) const BAD_TICKET: Refused = denied("bad_ticket", "this session may not publish here");
/// Workers only.
pub(super) const FENCED: Refused = denied("fenced", "a newer session has taken over");
pub(super) const SUPERSEDED: Refused = refused("superseded", "a newer publish of this stream has taken over");
