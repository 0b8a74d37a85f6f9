//! Client channels that find out about a dead peer and never wait for ever.

use std::time::Duration;

use secret::SecretString;
use tonic::{
    Request,
    service::interceptor::InterceptedService,
    transport::{Channel, Endpoint},
};

use super::InternalAuth;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// A peer that vanished without a word is noticed after both of these.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(5);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(3);
/// The bound of a call that names no deadline.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// A channel that authenticates: `VaultClient::new(internal_channel(url, &token)?)`.
pub type InternalChannel = InterceptedService<Channel, InternalAuth>;

/// Not an `http://host:port` URL.
#[derive(Debug, thiserror::Error)]
#[error("not a gRPC address")]
pub struct InvalidUrl(#[source] tonic::transport::Error);

/// A channel that connects at its first call and again whenever the connection is lost.
///
/// # Errors
/// [`InvalidUrl`].
pub fn channel(url: &str) -> Result<Channel, InvalidUrl> {
    let endpoint = Endpoint::from_shared(url.to_owned()).map_err(InvalidUrl)?;
    Ok(endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(DEFAULT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEPALIVE_EVERY)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .connect_lazy())
}

/// A [`channel`] whose calls carry the internal token and the trace context.
///
/// # Errors
/// [`InvalidUrl`].
pub fn internal_channel(url: &str, token: &SecretString) -> Result<InternalChannel, InvalidUrl> {
    Ok(InterceptedService::new(channel(url)?, InternalAuth::new(token)))
}

/// A request that both sides give up after `timeout_ms` (it travels as `grpc-timeout`).
pub fn deadline<T>(timeout_ms: u64, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(Duration::from_millis(timeout_ms));
    request
}
