//! The smallest HTTP client, for the pages of servers that we started ourselves.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, bail};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const TIMEOUT: Duration = Duration::from_secs(5);

/// `GET path`: the body of a 2xx or 3xx answer.
///
/// # Errors
/// When the server does not answer within 5 s, or with another status.
pub async fn get(addr: SocketAddr, path: &str) -> anyhow::Result<String> {
    tokio::time::timeout(TIMEOUT, exchange(addr, path)).await.with_context(|| format!("GET {path}: no answer"))?
}

async fn exchange(addr: SocketAddr, path: &str) -> anyhow::Result<String> {
    let mut socket = TcpStream::connect(addr).await?;
    // HTTP/1.0: the body is not chunked and ends with the connection.
    socket.write_all(format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").as_bytes()).await?;
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await?;
    let text = String::from_utf8_lossy(&answer);
    let (head, body) = text.split_once("\r\n\r\n").context("not an HTTP answer")?;
    let status = head.split_whitespace().nth(1).unwrap_or_default();
    if !status.starts_with(['2', '3']) {
        bail!("GET {path}: {status} {body}");
    }
    Ok(body.to_owned())
}
