//! What a session has to do, as the orchestrator says it.

use domain::{
    ids::{DestinationId, Epoch, Generation, SessionId, StreamId},
    platform::Platform,
    session::SessionKind,
    settings::Settings,
};
use secret::SecretString;
use wire::v1;

/// The specification of a session.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Which session.
    pub session: SessionId,
    /// In which epoch.
    pub epoch: Epoch,
    /// What for.
    pub kind: SessionKind,
    /// Of which stream.
    pub stream: StreamId,
    /// Towards which destination; deliveries and tests have one.
    pub destination: Option<DestinationId>,
    /// Where the destination is.
    pub platform: Platform,
    /// What it wishes.
    pub settings: Settings,
    /// Opens the relay, for this stream, session and epoch.
    pub ticket: SecretString,
    /// Where the source was last seen; Redis knows better.
    pub relay_http: String,
    /// What to pull. May hold a secret.
    pub input_url: SecretString,
    /// A test that stops before it publishes: the destination is live.
    pub skip_publish: bool,
    /// The version of this specification.
    pub generation: Generation,
    /// An earlier epoch reached the sink.
    pub ever_connected: bool,
    /// Connections lost and made again in earlier epochs.
    pub prior_reconnects: u32,
}

/// The orchestrator sent something that can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the session's {0} can't be read")]
pub struct Malformed(pub &'static str);

impl TryFrom<v1::SessionSpec> for Spec {
    type Error = Malformed;

    fn try_from(wire: v1::SessionSpec) -> Result<Self, Malformed> {
        let kind = v1::SessionKind::to_domain(wire.kind).map_err(|_| Malformed("kind"))?;
        let platform = match wire.platform {
            0 => Platform::RtmpCustom,
            number => v1::Platform::to_domain(number).map_err(|_| Malformed("platform"))?,
        };
        let destination = match wire.destination_id.as_str() {
            "" => None,
            text => Some(text.parse().map_err(|_| Malformed("destination id"))?),
        };
        if destination.is_none() && matches!(kind, SessionKind::Deliver | SessionKind::Test) {
            return Err(Malformed("destination id"));
        }
        Ok(Self {
            session: wire.session_id.parse().map_err(|_| Malformed("id"))?,
            epoch: Epoch(wire.epoch),
            kind,
            stream: wire.stream_id.parse().map_err(|_| Malformed("stream id"))?,
            destination,
            platform,
            settings: wire.settings.unwrap_or_default().try_into().map_err(|_| Malformed("settings"))?,
            ticket: SecretString::from(wire.relay_ticket),
            relay_http: wire.relay_http,
            input_url: SecretString::from(wire.input_url),
            skip_publish: wire.skip_publish,
            generation: Generation(wire.generation),
            ever_connected: wire.ever_connected,
            prior_reconnects: wire.prior_reconnects,
        })
    }
}
