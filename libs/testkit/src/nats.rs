//! A private nats-server with JetStream.

use std::{fs, net::SocketAddr, path::PathBuf, time::Duration};

use tokio::{io::AsyncReadExt, net::TcpStream};

use crate::{
    ports::Port,
    proc::{Proc, Spec},
    temp,
    tools::nats_server,
};

const START: Duration = Duration::from_secs(20);

/// What can be chosen.
#[derive(Debug, Default)]
pub struct Options {
    /// Where its files go; a private directory that vanishes with it when not set.
    pub dir: Option<PathBuf>,
    /// Its client port; drawn when not set.
    pub port: Option<Port>,
}

/// A running server; dropping it ends it.
#[derive(Debug)]
pub struct Nats {
    proc: Proc,
    port: Port,
    monitor: Port,
    dir: PathBuf,
    _temp: Option<tempfile::TempDir>,
}

impl Nats {
    /// Starts one on a private port and returns when it answers.
    ///
    /// # Errors
    /// When nats-server is missing or does not start.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_with(Options::default()).await
    }

    /// Starts one as chosen.
    ///
    /// # Errors
    /// When nats-server is missing or does not start.
    pub async fn start_with(options: Options) -> anyhow::Result<Self> {
        let (dir, held) = temp::given_or_private(options.dir, "nats")?;
        let port = options.port.map_or_else(Port::draw, Ok)?;
        let monitor = Port::draw()?;
        let config = dir.join("nats.conf");
        fs::write(&config, config_text(&port, &monitor, &dir))?;
        let spec = Spec::new("nats-server", nats_server::need()?, dir.join("nats.log"))
            .args(["--config".into(), config.into_os_string()]);
        let nats = Self { proc: Proc::spawn(spec)?, port, monitor, dir, _temp: held };
        nats.ready().await?;
        Ok(nats)
    }

    /// `nats://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("nats://{}", self.port.addr())
    }

    /// The monitoring endpoint (`/jsz`, `/connz`, …).
    pub fn monitor_url(&self) -> String {
        format!("http://{}", self.monitor.addr())
    }

    /// Its address.
    pub fn addr(&self) -> SocketAddr {
        self.port.addr()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.proc.pid()
    }

    /// SIGKILL.
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

    /// Deletes everything JetStream has stored. Only meaningful while it is killed.
    ///
    /// # Errors
    /// When the directory can't be removed.
    pub fn delete_store(&self) -> anyhow::Result<()> {
        fs::remove_dir_all(self.dir.join("jetstream"))?;
        Ok(())
    }

    /// Starts it again on the same port with what is stored; ends it first if it runs.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn restart(&self) -> anyhow::Result<()> {
        self.proc.respawn()?;
        self.ready().await
    }

    /// The process behind it.
    pub fn proc(&self) -> &Proc {
        &self.proc
    }

    async fn ready(&self) -> anyhow::Result<()> {
        self.proc.ready(START, async || greets(self.port.addr()).await).await
    }
}

/// The server sends `INFO {…}` to whoever connects. JetStream is recovered before it listens.
async fn greets(addr: SocketAddr) -> bool {
    let Ok(mut socket) = TcpStream::connect(addr).await else { return false };
    let mut word = [0; 4];
    socket.read_exact(&mut word).await.is_ok() && &word == b"INFO"
}

fn config_text(port: &Port, monitor: &Port, dir: &std::path::Path) -> String {
    format!(
        "server_name: private\nlisten: \"{}\"\nhttp: \"{}\"\n\
         jetstream {{ store_dir: \"{}\", max_memory_store: 256MB, max_file_store: 4GB }}\n",
        port.addr(),
        monitor.addr(),
        dir.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn starts_dies_and_comes_back() {
        let nats = Nats::start().await.unwrap();
        assert!(greets(nats.addr()).await);
        nats.kill();
        assert!(!greets(nats.addr()).await);
        nats.restart().await.unwrap();
        assert!(greets(nats.addr()).await);
        let pid = nats.pid();
        drop(nats);
        assert!(crate::proc::start_time(pid).is_none());
    }
}
