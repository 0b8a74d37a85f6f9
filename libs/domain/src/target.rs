//! The URLs people give us: where to publish, and where to pull a source from.
//!
//! Checked here is what the text says; no name is resolved. Whoever connects resolves once, vets the addresses with
//! [`crate::address::is_public`] and connects to the very address that was vetted.

use std::fmt;

use uuid::Uuid;

use crate::{
    address::{Host, is_private_name, is_public, parse_host},
    ids::{DestinationId, StreamId},
};

/// Longest URL taken, in bytes.
pub const MAX_URL: usize = 1_024;
/// RTMP(S) ports in the open world: the registered one, HTTP(S) for firewalls, and what known services listen on.
pub const PORTS: [u16; 8] = [1935, 1936, 443, 80, 2935, 2396, 4935, 8443];

/// Whether a lab may use private hosts and any port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TargetPolicy {
    /// `ALLOW_PRIVATE_DESTINATIONS`.
    pub allow_private: bool,
}

/// RTMP in the clear or over TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `rtmp://`, port 1935.
    Rtmp,
    /// `rtmps://`, port 443.
    Rtmps,
}

/// A checked RTMP(S) URL: `scheme://host[:port]/path`, without user info, query or fragment.
#[derive(Clone, PartialEq, Eq)]
pub struct RtmpUrl {
    /// Clear or TLS.
    pub scheme: Scheme,
    /// An address literal or a DNS name.
    pub host: Host,
    /// Explicit or the scheme's default.
    pub port: u16,
    /// Path without the leading slash; at least one segment.
    pub path: String,
}

/// Why a URL is refused. `Display` is the sentence for the person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Not rtmp:// or rtmps://.
    #[error("must start with rtmp:// or rtmps://")]
    Scheme,
    /// Anything else that is wrong with the text.
    #[error("must look like rtmp://host[:port]/app, without user name, query or fragment")]
    Malformed,
    /// The host is private, local or otherwise not on the public internet.
    #[error("points to a private or local address; give the server's public host name")]
    Address,
    /// Not one of [`PORTS`].
    #[error("uses a port that is not allowed; RTMP servers use 1935, 443 or 80")]
    Port,
}

impl TargetError {
    /// The stable error code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Scheme | Self::Malformed => "invalid_rtmp_url",
            Self::Address => "address_not_allowed",
            Self::Port => "port_not_allowed",
        }
    }
}

impl RtmpUrl {
    /// Reads a publish URL. The stream key is not part of it.
    ///
    /// # Errors
    /// See [`TargetError`].
    pub fn parse(text: &str, policy: TargetPolicy) -> Result<Self, TargetError> {
        if text.contains(['?', '#']) {
            return Err(TargetError::Malformed);
        }
        let (scheme, rest) = split_scheme(text)?;
        let (authority, path) = rest.split_once('/').ok_or(TargetError::Malformed)?;
        let (host, port) = split_authority(authority, scheme)?;
        check_path(path)?;
        check_reach(&host, port, policy)?;
        Ok(Self { scheme, host, port, path: path.trim_end_matches('/').to_owned() })
    }

    /// The host as it is written in a URL and in TLS.
    pub fn host_text(&self) -> String {
        match &self.host {
            Host::Ip(std::net::IpAddr::V6(ip)) => format!("[{ip}]"),
            Host::Ip(ip) => ip.to_string(),
            Host::Name(name) => name.clone(),
        }
    }
}

impl fmt::Display for RtmpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, default) = match self.scheme {
            Scheme::Rtmp => ("rtmp", 1935),
            Scheme::Rtmps => ("rtmps", 443),
        };
        write!(f, "{scheme}://{}", self.host_text())?;
        if self.port != default {
            write!(f, ":{}", self.port)?;
        }
        write!(f, "/{}", self.path)
    }
}

impl fmt::Debug for RtmpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RtmpUrl({}:{}/***)", self.host_text(), self.port)
    }
}

/// An external source: the server and application, and apart from it the play path, which may hold a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct InputSource {
    /// `rtmp(s)://host[:port]/app`.
    pub base: RtmpUrl,
    /// What is played there, with its query; may be empty. Treat as a secret.
    pub play_path: String,
}

impl fmt::Debug for InputSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InputSource({:?} ***)", self.base)
    }
}

impl InputSource {
    /// Reads an `inputSource`: `rtmp(s)://host[:port]/app[/path][?query]`. The first segment is the application.
    ///
    /// # Errors
    /// See [`TargetError`].
    pub fn parse(text: &str, policy: TargetPolicy) -> Result<Self, TargetError> {
        if text.contains('#') {
            return Err(TargetError::Malformed);
        }
        let (plain, query) = text.split_once('?').map_or((text, None), |(plain, query)| (plain, Some(query)));
        if query.is_some_and(|q| !clean(q)) {
            return Err(TargetError::Malformed);
        }
        let mut base = RtmpUrl::parse(plain, policy)?;
        let (app, path) =
            base.path.split_once('/').map_or((base.path.clone(), ""), |(app, path)| (app.to_owned(), path));
        let play_path = query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
        base.path = app;
        Ok(Self { base, play_path })
    }
}

/// An input source as it is stored and sent around: its play path is in the vault, under `record`.
///
/// Written `rtmp(s)://host[:port]/app#RECORD`, or without the record when there is no play path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredInput {
    /// `rtmp(s)://host[:port]/app`.
    pub base: RtmpUrl,
    /// The vault's record of the play path.
    pub record: Option<DestinationId>,
}

impl StoredInput {
    /// What is stored of `input` for `stream`. Another play path has another record, so that two texts are equal only
    /// when the sources are.
    pub fn of(input: &InputSource, stream: StreamId) -> Self {
        let record = || DestinationId(Uuid::new_v5(&stream.0, input.play_path.as_bytes()));
        Self { base: input.base.clone(), record: (!input.play_path.is_empty()).then(record) }
    }

    /// Reads the stored text.
    ///
    /// # Errors
    /// See [`TargetError`].
    pub fn parse(text: &str, policy: TargetPolicy) -> Result<Self, TargetError> {
        let (base, record) = text.split_once('#').map_or((text, None), |(base, record)| (base, Some(record)));
        let record = record.map(str::parse).transpose().map_err(|_| TargetError::Malformed)?;
        Ok(Self { base: RtmpUrl::parse(base, policy)?, record })
    }
}

impl fmt::Display for StoredInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.base.fmt(f)?;
        self.record.map_or(Ok(()), |record| write!(f, "#{record}"))
    }
}

fn split_scheme(text: &str) -> Result<(Scheme, &str), TargetError> {
    let (scheme, rest) = text.split_once("://").ok_or(TargetError::Scheme)?;
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "rtmp" => Scheme::Rtmp,
        "rtmps" => Scheme::Rtmps,
        _ => return Err(TargetError::Scheme),
    };
    if text.len() > MAX_URL || !clean(rest) { Err(TargetError::Malformed) } else { Ok((scheme, rest)) }
}

/// Visible ASCII without the characters that make parsers disagree.
fn clean(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_graphic() && !b"\\\"'<>^`{|}".contains(&b))
}

fn split_authority(authority: &str, scheme: Scheme) -> Result<(Host, u16), TargetError> {
    let after_host = authority.rfind(']').map_or(0, |at| at + 1);
    let (host, port) = match authority[after_host..].find(':') {
        Some(at) => (&authority[..after_host + at], Some(&authority[after_host + at + 1..])),
        None => (authority, None),
    };
    let port = match port {
        Some(text) if text.len() <= 5 && text.bytes().all(|b| b.is_ascii_digit()) => {
            text.parse::<u16>().ok().filter(|port| *port != 0).ok_or(TargetError::Malformed)?
        }
        Some(_) => return Err(TargetError::Malformed),
        None if scheme == Scheme::Rtmp => 1935,
        None => 443,
    };
    Ok((parse_host(host).ok_or(TargetError::Malformed)?, port))
}

fn check_path(path: &str) -> Result<(), TargetError> {
    let lower = path.to_ascii_lowercase();
    let sly = lower.contains("%2e") || lower.contains("%2f") || lower.contains("%5c") || lower.contains("%00");
    let climbs = path.split('/').any(|segment| segment == "." || segment == "..");
    let empty = path.split('/').next().is_none_or(str::is_empty);
    if sly || climbs || empty { Err(TargetError::Malformed) } else { Ok(()) }
}

fn check_reach(host: &Host, port: u16, policy: TargetPolicy) -> Result<(), TargetError> {
    if policy.allow_private {
        return Ok(());
    }
    let reachable = match host {
        Host::Ip(ip) => is_public(*ip),
        Host::Name(name) => !is_private_name(name),
    };
    if !reachable {
        return Err(TargetError::Address);
    }
    if PORTS.contains(&port) { Ok(()) } else { Err(TargetError::Port) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OPEN: TargetPolicy = TargetPolicy { allow_private: false };
    const LAB: TargetPolicy = TargetPolicy { allow_private: true };

    fn check(text: &str, expected: Result<&str, TargetError>) {
        let got = RtmpUrl::parse(text, OPEN).map(|url| url.to_string());
        assert_eq!(got, expected.map(str::to_owned), "{text}");
    }

    #[test]
    fn ordinary_urls_are_taken() {
        check("rtmp://custom-server.com/live", Ok("rtmp://custom-server.com/live"));
        check("RTMPS://Live.Example.com:443/rtmp/", Ok("rtmps://live.example.com/rtmp"));
        check("rtmp://8.8.8.8:1936/app/inst", Ok("rtmp://8.8.8.8:1936/app/inst"));
        check("rtmp://[2606:4700::1]/live", Ok("rtmp://[2606:4700::1]/live"));
    }

    #[test]
    fn other_schemes_are_refused() {
        for scheme in ["file", "tcp", "tee", "concat", "data", "http", "srt", "rtmpt"] {
            check(&format!("{scheme}://example.com/live"), Err(TargetError::Scheme));
        }
        check("example.com/live", Err(TargetError::Scheme));
        check("", Err(TargetError::Scheme));
    }

    #[test]
    fn tricks_are_refused() {
        for text in [
            "rtmp://user:pw@example.com/live",
            "rtmp://example.com/live?listen=1",
            "rtmp://example.com/live#x",
            "rtmp://example.com/../x",
            "rtmp://example.com/a/%2e%2e/b",
            "rtmp://example.com",
            "rtmp://example.com/",
            "rtmp:///live",
            "rtmp://exa mple.com/live",
            "rtmp://example.com:0/live",
            "rtmp://example.com:99999/live",
            "rtmp://example.com:+1/live",
            "rtmp://ex\u{e4}mple.com/live",
            "rtmp://example.com/li\nve",
            "rtmp://example.com\\@evil.com/live",
        ] {
            check(text, Err(TargetError::Malformed));
        }
    }

    #[test]
    fn private_hosts_are_refused_unless_in_a_lab() {
        for host in [
            "127.1",
            "2130706433",
            "0x7f.1",
            "0177.0.0.1",
            "[::ffff:127.0.0.1]",
            "localhost",
            "localhost.",
            "10.0.0.1",
            "169.254.169.254",
            "[::1]",
            "100.64.1.1",
            "metadata.google.internal",
        ] {
            check(&format!("rtmp://{host}/live"), Err(TargetError::Address));
            assert!(RtmpUrl::parse(&format!("rtmp://{host}:5001/live"), LAB).is_ok(), "{host}");
        }
        check("rtmp://example.com:22/live", Err(TargetError::Port));
    }

    #[test]
    fn an_input_source_keeps_its_secret_apart() {
        let input = InputSource::parse("rtmp://cdn.example.com/app/inst/key?token=abc", OPEN).unwrap();
        assert_eq!(
            (input.base.to_string().as_str(), input.play_path.as_str()),
            ("rtmp://cdn.example.com/app", "inst/key?token=abc")
        );
        let guide = InputSource::parse("rtmp://source/stream", OPEN).unwrap();
        assert_eq!((guide.base.path.as_str(), guide.play_path.as_str()), ("stream", ""));
        for bad in [
            "file:///etc/passwd",
            "/etc/passwd",
            "concat:a|b",
            "http://example.com/x.m3u8",
            "/dev/video0",
            "rtmp://127.0.0.1/live/x",
        ] {
            assert!(InputSource::parse(bad, OPEN).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_stored_of_an_input_source_has_no_secret() {
        let stream = StreamId(Uuid::from_u128(7));
        let input = InputSource::parse("rtmp://cdn.example.com/app/key?token=abc", OPEN).unwrap();
        let stored = StoredInput::of(&input, stream);
        let text = stored.to_string();
        assert!(text.starts_with("rtmp://cdn.example.com/app#") && !text.contains("key") && !text.contains("abc"));
        assert_eq!(StoredInput::parse(&text, OPEN), Ok(stored.clone()));
        let other = InputSource::parse("rtmp://cdn.example.com/app/key?token=abd", OPEN).unwrap();
        assert_ne!(StoredInput::of(&other, stream), stored);
        let plain = StoredInput::of(&InputSource::parse("rtmp://source/stream", OPEN).unwrap(), stream);
        assert_eq!((plain.to_string().as_str(), plain.record), ("rtmp://source/stream", None));
        assert!(StoredInput::parse("rtmp://source/stream#nonsense", OPEN).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_and_what_is_read_reads_again(text in "(rtmps?://)?[ -~]{0,60}") {
            if let Ok(url) = RtmpUrl::parse(&text, LAB) {
                prop_assert_eq!(RtmpUrl::parse(&url.to_string(), LAB), Ok(url));
            }
        }
    }
}
