//! A private redis-server that keeps nothing: after a restart it is empty.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    ports::Port,
    proc::{Proc, Spec},
    temp, tools,
};

const START: Duration = Duration::from_secs(20);

/// What can be chosen.
#[derive(Debug, Default)]
pub struct Options {
    /// Where its log goes; a private directory that vanishes with it when not set.
    pub dir: Option<PathBuf>,
    /// Its port; drawn when not set.
    pub port: Option<Port>,
}

/// A running server; dropping it ends it.
#[derive(Debug)]
pub struct Redis {
    proc: Proc,
    port: Port,
    _temp: Option<tempfile::TempDir>,
}

impl Redis {
    /// Starts one on a private port and returns when it answers.
    ///
    /// # Errors
    /// When redis-server is missing or does not start.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_with(Options::default()).await
    }

    /// Starts one as chosen.
    ///
    /// # Errors
    /// When redis-server is missing or does not start.
    pub async fn start_with(options: Options) -> anyhow::Result<Self> {
        let (dir, held) = temp::given_or_private(options.dir, "redis")?;
        let port = options.port.map_or_else(Port::draw, Ok)?;
        let spec = Spec::new("redis-server", tools::redis_server()?, dir.join("redis.log")).args([
            "--port".into(),
            port.number().to_string(),
            "--bind".into(),
            "127.0.0.1".into(),
            "--save".into(),
            String::new(),
            "--appendonly".into(),
            "no".into(),
            "--dir".into(),
            dir.display().to_string(),
        ]);
        let redis = Self { proc: Proc::spawn(spec)?, port, _temp: held };
        redis.ready().await?;
        Ok(redis)
    }

    /// `redis://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("redis://{}", self.port.addr())
    }

    /// Its address.
    pub fn addr(&self) -> SocketAddr {
        self.port.addr()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.proc.pid()
    }

    /// SIGKILL: everything in it is lost.
    pub fn kill(&self) {
        self.proc.kill();
    }

    /// SIGSTOP: connections stay open, nothing answers.
    pub fn pause(&self) {
        self.proc.pause();
    }

    /// SIGCONT.
    pub fn resume(&self) {
        self.proc.resume();
    }

    /// Starts it again, empty, on the same port; ends it first if it runs.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn restart(&self) -> anyhow::Result<()> {
        self.proc.respawn()?;
        self.ready().await
    }

    /// Sends one inline command (`FLUSHALL`, `DBSIZE`, …) and returns the first line of the answer.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn command(&self, line: &str) -> anyhow::Result<String> {
        let mut socket = TcpStream::connect(self.addr()).await?;
        socket.write_all(format!("{line}\r\n").as_bytes()).await?;
        let mut answer = vec![0; 4096];
        let length = socket.read(&mut answer).await?;
        let text = String::from_utf8_lossy(answer.get(..length).unwrap_or_default()).into_owned();
        Ok(text.lines().next().unwrap_or_default().to_owned())
    }

    /// The process behind it.
    pub fn proc(&self) -> &Proc {
        &self.proc
    }

    async fn ready(&self) -> anyhow::Result<()> {
        self.proc.ready(START, async || self.command("PING").await.is_ok_and(|answer| answer == "+PONG")).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn starts_forgets_and_comes_back() {
        let redis = Redis::start().await.unwrap();
        assert_eq!(redis.command("SET a b").await.unwrap(), "+OK");
        redis.kill();
        assert!(redis.command("PING").await.is_err());
        redis.restart().await.unwrap();
        assert_eq!(redis.command("DBSIZE").await.unwrap(), ":0");
    }
}
