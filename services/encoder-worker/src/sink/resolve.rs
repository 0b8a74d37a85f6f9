//! From a host to addresses that may be connected to: looked up once, vetted, then pinned.
//!
//! The connection goes to the very address that was vetted, so a name that changes its mind between check and connect
//! gains nothing.

use std::{io, net::SocketAddr, time::Duration};

use domain::{
    address::{Host, is_public},
    target::{RtmpUrl, TargetPolicy},
};
use tokio::{net::lookup_host, time::timeout};

use crate::fault::ResolveError;

/// How long a lookup may take.
const LIMIT: Duration = Duration::from_secs(5);
/// Addresses tried at most.
const MAX_ADDRESSES: usize = 4;

/// The addresses of a URL's host that the policy allows, in the resolver's order.
///
/// # Errors
/// See [`ResolveError`].
pub async fn resolve(url: &RtmpUrl, policy: TargetPolicy) -> Result<Vec<SocketAddr>, ResolveError> {
    let all = match &url.host {
        Host::Ip(ip) => vec![SocketAddr::new(*ip, url.port)],
        Host::Name(name) => look_up(name, url.port).await?,
    };
    if all.is_empty() {
        return Err(ResolveError::NoSuchHost);
    }
    let allowed = |address: &SocketAddr| policy.allow_private || is_public(address.ip());
    let vetted: Vec<SocketAddr> = all.into_iter().filter(allowed).take(MAX_ADDRESSES).collect();
    if vetted.is_empty() { Err(ResolveError::NotAllowed) } else { Ok(vetted) }
}

async fn look_up(name: &str, port: u16) -> Result<Vec<SocketAddr>, ResolveError> {
    match timeout(LIMIT, lookup_host((name, port))).await {
        Ok(Ok(addresses)) => Ok(addresses.collect()),
        Ok(Err(error)) => Err(classify(&error)),
        Err(_) => Err(ResolveError::Failed),
    }
}

/// The standard library keeps getaddrinfo's verdict only as text (`gai_strerror`).
fn classify(error: &io::Error) -> ResolveError {
    let text = error.to_string();
    let unknown = ["Name or service not known", "No address associated", "nodename nor servname"];
    if unknown.iter().any(|words| text.contains(words)) { ResolveError::NoSuchHost } else { ResolveError::Failed }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAB: TargetPolicy = TargetPolicy { allow_private: true };
    const OPEN: TargetPolicy = TargetPolicy { allow_private: false };

    #[tokio::test]
    async fn what_resolves_to_a_private_address_is_not_connected_to() {
        let url = RtmpUrl::parse("rtmp://127.0.0.1/live", LAB).expect("parses");
        assert_eq!(resolve(&url, OPEN).await, Err(ResolveError::NotAllowed));
        assert_eq!(resolve(&url, LAB).await.map(|found| found.len()), Ok(1));
        let local = RtmpUrl::parse("rtmp://localhost/live", LAB).expect("parses");
        assert_eq!(resolve(&local, OPEN).await, Err(ResolveError::NotAllowed));
    }

    #[test]
    fn verdicts_of_the_resolver_are_told_apart() {
        let check = |text: &str, expected| assert_eq!(classify(&io::Error::other(text)), expected, "{text}");
        check("failed to lookup address information: Name or service not known", ResolveError::NoSuchHost);
        check("failed to lookup address information: Temporary failure in name resolution", ResolveError::Failed);
    }
}
