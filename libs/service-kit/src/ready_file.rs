//! Tells whoever started the process which addresses were bound.

use std::{
    fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
};

use serde::Serialize;

use crate::CommonConfig;

/// The bound addresses, as URLs. Fill in what the service has, then [`ReadyFile::publish`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ReadyFile {
    #[serde(skip_serializing_if = "Option::is_none")]
    http: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grpc: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rtmp: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    relay_http: Option<String>,
}

impl ReadyFile {
    /// Nothing bound yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The HTTP listener.
    pub fn http(mut self, bound: SocketAddr) -> Self {
        self.http = Some(format!("http://{}", reachable(bound)));
        self
    }

    /// The gRPC listener.
    pub fn grpc(mut self, bound: SocketAddr) -> Self {
        self.grpc = Some(format!("http://{}", reachable(bound)));
        self
    }

    /// The RTMP ingest listener.
    pub fn rtmp(mut self, bound: SocketAddr) -> Self {
        self.rtmp = Some(format!("rtmp://{}/live", reachable(bound)));
        self
    }

    /// The relay's inner HTTP-FLV listener.
    pub fn relay_http(mut self, bound: SocketAddr) -> Self {
        self.relay_http = Some(format!("http://{}", reachable(bound)));
        self
    }

    /// Logs the addresses and, when `READY_FILE` is set, writes them there.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn publish(&self, config: &CommonConfig) -> io::Result<()> {
        tracing::info!(http = self.http, grpc = self.grpc, rtmp = self.rtmp, relay_http = self.relay_http, "listening");
        config.ready_file.as_deref().map_or(Ok(()), |path| self.write(path))
    }

    /// Writes the file in one step: a reader sees all of it or nothing.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let part = path.with_extension(format!("part{}", std::process::id()));
        fs::write(&part, serde_json::to_vec(self)?)?;
        fs::rename(&part, path)
    }
}

/// An unspecified address can be listened on, not connected to.
fn reachable(bound: SocketAddr) -> SocketAddr {
    match bound.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, bound.port()).into(),
        IpAddr::V6(ip) if ip.is_unspecified() => (Ipv6Addr::LOCALHOST, bound.port()).into(),
        _ => bound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_only_what_is_bound() {
        let path = std::env::temp_dir().join(format!("ready-file-test-{}.json", std::process::id()));
        let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 1935));
        ReadyFile::new().http(([127, 0, 0, 1], 80).into()).rtmp(any).write(&path).expect("writes");
        let text = fs::read_to_string(&path).expect("reads");
        fs::remove_file(&path).expect("removes");
        assert_eq!(text, r#"{"http":"http://127.0.0.1:80","rtmp":"rtmp://127.0.0.1:1935/live"}"#);
    }
}
