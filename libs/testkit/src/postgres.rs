//! A private Postgres cluster with one empty database.
//!
//! `initdb` takes seconds, so it runs once per machine and user; each cluster is a copy of that template (a tenth of a
//! second). Postgres refuses to run as root: then it runs as the user `postgres` (or `nobody`). It listens on
//! 127.0.0.1 only, without a Unix socket, and asks for a password, because a superuser may run programs.

mod template;

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, bail};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    ports::Port,
    proc::{End, Proc, Spec},
    temp, tools,
};

const START: Duration = Duration::from_secs(30);
const USER: &str = "exprsn";
const DATABASE: &str = "exprsn";

/// What can be chosen.
#[derive(Debug, Default)]
pub struct Options {
    /// Where its files go (a sub-directory `pg`); a private directory that vanishes with it when not set.
    pub dir: Option<PathBuf>,
    /// Its port; drawn when not set.
    pub port: Option<Port>,
    /// Wait for the disk on commit. Tests don't need that.
    pub durable: bool,
}

/// A running cluster; dropping it ends it.
#[derive(Debug)]
pub struct Postgres {
    proc: Proc,
    port: Port,
    password: String,
    _temp: Option<tempfile::TempDir>,
}

impl Postgres {
    /// Starts one on a private port and returns when it answers.
    ///
    /// # Errors
    /// When Postgres is missing or does not start.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_with(Options::default()).await
    }

    /// Starts one as chosen.
    ///
    /// # Errors
    /// When Postgres is missing or does not start.
    pub async fn start_with(options: Options) -> anyhow::Result<Self> {
        let template = template::ready()?;
        let (dir, held) = reachable(options.dir, template.user.as_deref())?;
        let data = dir.join("pg");
        copy(&template.data, &data)?;
        let port = options.port.map_or_else(Port::draw, Ok)?;
        let mut spec = Spec::new("postgres", tools::postgres_bin()?.join("postgres"), dir.join("postgres.log"))
            .args(arguments(&data, &port, options.durable));
        spec.user = template.user;
        spec.end = End::Quit;
        spec.dir = Some(dir);
        let postgres = Self { proc: Proc::spawn(spec)?, port, password: template.password, _temp: held };
        postgres.ready().await?;
        Ok(postgres)
    }

    /// The URL of its empty database, with a superuser's name and password.
    pub fn url(&self) -> String {
        self.url_of(DATABASE)
    }

    /// The URL of another database in the same cluster.
    pub fn url_of(&self, database: &str) -> String {
        format!("postgres://{USER}:{}@{}/{database}", self.password, self.port.addr())
    }

    /// Creates one more empty database and returns its URL.
    ///
    /// # Errors
    /// When `createdb` fails, for example because it exists.
    pub fn create_database(&self, name: &str) -> anyhow::Result<String> {
        let output = Command::new(tools::postgres_bin()?.join("createdb"))
            .args(["-h", "127.0.0.1", "-p", &self.port.number().to_string(), "-U", USER, "--", name])
            .env("PGPASSWORD", &self.password)
            .output()?;
        if !output.status.success() {
            bail!("createdb {name}: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(self.url_of(name))
    }

    /// Its address.
    pub fn addr(&self) -> SocketAddr {
        self.port.addr()
    }

    /// The postmaster's process id.
    pub fn pid(&self) -> u32 {
        self.proc.pid()
    }

    /// SIGKILL to the postmaster; its backends notice and go.
    pub fn kill(&self) {
        self.proc.kill();
    }

    /// SIGSTOP to the postmaster and every backend.
    pub fn pause(&self) {
        self.proc.pause_tree();
    }

    /// SIGCONT to all of them.
    pub fn resume(&self) {
        self.proc.resume_tree();
    }

    /// Starts it again on the same port with what it has stored; ends it first if it runs.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn restart(&self) -> anyhow::Result<()> {
        let began = std::time::Instant::now();
        loop {
            self.proc.respawn()?;
            match self.ready().await {
                Ok(()) => return Ok(()),
                // After a SIGKILL the old backends may hold the shared memory for a moment longer.
                Err(_) if !self.proc.alive() && began.elapsed() < START => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The process behind it.
    pub fn proc(&self) -> &Proc {
        &self.proc
    }

    async fn ready(&self) -> anyhow::Result<()> {
        self.proc.ready(START, async || accepts(self.port.addr()).await.unwrap_or(false)).await
    }
}

/// Sends a start-up packet: a server that is ready asks for a password (`R`), one that is still starting refuses (`E`).
async fn accepts(addr: SocketAddr) -> std::io::Result<bool> {
    let mut body = 196_608_u32.to_be_bytes().to_vec(); // protocol 3.0
    body.extend_from_slice(format!("user\0{USER}\0database\0{DATABASE}\0\0").as_bytes());
    let length = u32::try_from(body.len() + 4).unwrap_or_default();
    let mut socket = TcpStream::connect(addr).await?;
    socket.write_all(&length.to_be_bytes()).await?;
    socket.write_all(&body).await?;
    Ok(socket.read_u8().await? == b'R')
}

fn arguments(data: &Path, port: &Port, durable: bool) -> Vec<String> {
    let mut settings = vec![
        "listen_addresses=127.0.0.1".to_owned(),
        format!("port={}", port.number()),
        "unix_socket_directories=".to_owned(),
        "max_connections=200".to_owned(),
        "shared_buffers=32MB".to_owned(),
        "max_wal_size=256MB".to_owned(),
        "jit=off".to_owned(),
        "logging_collector=off".to_owned(),
    ];
    if !durable {
        settings.extend(["fsync=off", "full_page_writes=off", "synchronous_commit=off"].map(str::to_owned));
    }
    let mut args = vec!["-D".to_owned(), data.display().to_string()];
    for setting in settings {
        args.extend(["-c".to_owned(), setting]);
    }
    args
}

/// A directory that Postgres' user can reach: the wanted one, or a private one when a parent is closed to that user.
fn reachable(wanted: Option<PathBuf>, user: Option<&str>) -> anyhow::Result<(PathBuf, Option<tempfile::TempDir>)> {
    let (mut dir, mut held) = temp::given_or_private(wanted, "pg")?;
    let Some(user) = user else { return Ok((dir, held)) };
    if held.is_none() && !template::as_user(Some(user), "test").arg("-x").arg(&dir).status()?.success() {
        (dir, held) = temp::given_or_private(None, "pg")?;
    }
    if let Some(held) = &held {
        template::open_to_others(held.path())?;
    }
    Ok((dir, held))
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    let status =
        Command::new("cp").args(["-a", "--reflink=auto"]).arg(from).arg(to).status().context("can't run cp")?;
    if !status.success() {
        bail!("can't copy the Postgres template to {}", to.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn starts_survives_a_kill_and_makes_databases() {
        let postgres = Postgres::start().await.unwrap();
        postgres.create_database("before").unwrap();
        postgres.kill();
        assert!(accepts(postgres.addr()).await.is_err());
        postgres.restart().await.unwrap();
        assert!(postgres.create_database("before").is_err(), "the database must have survived");
        postgres.create_database("after").unwrap();
        let all = crate::proc::tree(postgres.pid());
        assert!(all.len() > 3, "the postmaster has children: {all:?}");
        drop(postgres);
        crate::wait::until_true("no backend left", Duration::from_secs(5), async || {
            all.iter().all(|pid| crate::proc::start_time(*pid).is_none())
        })
        .await
        .unwrap();
    }
}
