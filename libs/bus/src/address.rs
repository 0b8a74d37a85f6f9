//! Reads the NATS address and takes the credentials out of it.
//!
//! The NATS client writes server addresses to its log. Ours are handed over without user name and password.

use async_nats::{ConnectOptions, ServerAddr};

use crate::error::Error;

/// The servers of a comma-separated list, and the options with the first credentials found in it.
pub(crate) fn parse(urls: &str, mut options: ConnectOptions) -> Result<(Vec<ServerAddr>, ConnectOptions), Error> {
    let mut servers = Vec::new();
    for url in urls.split(',').map(str::trim).filter(|url| !url.is_empty()) {
        let server: ServerAddr = url.parse().map_err(|_| Error::BadUrl)?;
        let mut url = server.into_inner();
        if servers.is_empty() {
            options = match (url.username(), url.password()) {
                ("", _) => options,
                (user, Some(password)) => options.user_and_password(user.to_owned(), password.to_owned()),
                (token, None) => options.token(token.to_owned()),
            };
        }
        url.set_username("").and_then(|()| url.set_password(None)).map_err(|()| Error::BadUrl)?;
        servers.push(ServerAddr::from_url(url).map_err(|_| Error::BadUrl)?);
    }
    if servers.is_empty() { Err(Error::BadUrl) } else { Ok((servers, options)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_do_not_stay_in_the_address() {
        let (servers, options) = parse("nats://ann:s3cret@one:4222, two:4223", ConnectOptions::new()).unwrap();
        let shown: Vec<_> = servers.iter().map(|s| format!("{}:{}", s.host(), s.port())).collect();
        assert_eq!(shown, ["one:4222", "two:4223"]);
        assert!(!format!("{servers:?} {options:?}").contains("s3cret"));
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in ["", ",", "ftp://x", "nats://"] {
            assert!(matches!(parse(bad, ConnectOptions::new()), Err(Error::BadUrl)), "{bad}");
        }
    }
}
