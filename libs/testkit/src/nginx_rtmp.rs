//! A real RTMP server to send to: nginx with its RTMP module.
//!
//! It records every publish as FLV, counts bytes on its statistics page, and refuses stream keys on demand.
//! One process without a master: what we started is what we end.

use std::{
    fmt::Write,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::net::TcpStream;

use crate::{
    http,
    ports::Port,
    proc::{Proc, Spec},
    temp, tools,
};

const START: Duration = Duration::from_secs(20);

/// What can be chosen.
#[derive(Debug, Default)]
pub struct Options {
    /// Where its files go; a private directory that vanishes with it when not set.
    pub dir: Option<PathBuf>,
    /// Its RTMP port; drawn when not set.
    pub port: Option<Port>,
    /// Don't record publishes (for measurements).
    pub no_recording: bool,
}

/// What the statistics page says of one stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamStat {
    /// The stream key.
    pub name: String,
    /// Someone is publishing it now.
    pub publishing: bool,
    /// Bytes received in this publish.
    pub bytes_in: u64,
    /// Receiving rate in bits per second.
    pub bw_in: u64,
    /// Publisher and players.
    pub clients: u64,
}

/// A running server; dropping it ends it.
#[derive(Debug)]
pub struct NginxRtmp {
    proc: Proc,
    port: Port,
    http: Port,
    dir: PathBuf,
    _temp: Option<tempfile::TempDir>,
}

impl NginxRtmp {
    /// Starts one on private ports and returns when it accepts connections.
    ///
    /// # Errors
    /// When nginx or its RTMP module is missing or it does not start.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_with(Options::default()).await
    }

    /// Starts one as chosen.
    ///
    /// # Errors
    /// When nginx or its RTMP module is missing or it does not start.
    pub async fn start_with(options: Options) -> anyhow::Result<Self> {
        let (dir, held) = temp::given_or_private(options.dir, "nginx")?;
        let port = options.port.map_or_else(Port::draw, Ok)?;
        let http = Port::draw()?;
        for sub in ["rec", "refuse", "tmp"] {
            fs::create_dir_all(dir.join(sub))?;
        }
        let config = dir.join("nginx.conf");
        fs::write(&config, config_text(&dir, &port, &http, !options.no_recording)?)?;
        let spec = Spec::new("nginx-rtmp", tools::nginx()?, dir.join("nginx.log")).args([
            "-p".into(),
            dir.clone().into_os_string(),
            "-e".into(),
            "stderr".into(),
            "-c".into(),
            config.into_os_string(),
        ]);
        let nginx = Self { proc: Proc::spawn(spec)?, port, http, dir, _temp: held };
        nginx.ready().await?;
        Ok(nginx)
    }

    /// `rtmp://127.0.0.1:port/live`: what goes into `rtmp_url`.
    pub fn url(&self) -> String {
        format!("rtmp://{}/live", self.port.addr())
    }

    /// The URL to play or publish one stream.
    pub fn stream_url(&self, key: &str) -> String {
        format!("{}/{key}", self.url())
    }

    /// Its RTMP address.
    pub fn addr(&self) -> SocketAddr {
        self.port.addr()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.proc.pid()
    }

    /// SIGKILL: connections are reset or closed by the kernel.
    pub fn kill(&self) {
        self.proc.kill();
    }

    /// SIGSTOP: it accepts TCP connections and reads nothing.
    pub fn pause(&self) {
        self.proc.pause();
    }

    /// SIGCONT.
    pub fn resume(&self) {
        self.proc.resume();
    }

    /// Starts it again on the same ports; ends it first if it runs. Recordings stay.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn restart(&self) -> anyhow::Result<()> {
        self.proc.respawn()?;
        self.ready().await
    }

    /// From now on a publish with this key is refused.
    ///
    /// # Errors
    /// When the mark can't be written.
    pub fn refuse(&self, key: &str) -> anyhow::Result<()> {
        fs::write(self.dir.join("refuse").join(key), "")?;
        Ok(())
    }

    /// Takes [`NginxRtmp::refuse`] back.
    ///
    /// # Errors
    /// When the mark can't be removed.
    pub fn accept(&self, key: &str) -> anyhow::Result<()> {
        fs::remove_file(self.dir.join("refuse").join(key))?;
        Ok(())
    }

    /// Cuts the publisher of a stream.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn drop_publisher(&self, key: &str) -> anyhow::Result<()> {
        http::get(self.http.addr(), &format!("/control/drop/publisher?app=live&name={key}")).await?;
        Ok(())
    }

    /// The statistics of every stream it knows.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn stat(&self) -> anyhow::Result<Vec<StreamStat>> {
        Ok(parse_stat(&http::get(self.http.addr(), "/stat").await?))
    }

    /// The statistics of one stream; zeros when it is not there.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn stream(&self, key: &str) -> anyhow::Result<StreamStat> {
        Ok(self.stat().await?.into_iter().find(|stream| stream.name == key).unwrap_or_default())
    }

    /// The FLV files recorded so far for one key, oldest first. The newest may still grow.
    pub fn recordings(&self, key: &str) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = fs::read_dir(self.dir.join("rec"))
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.file_name().is_some_and(|name| belongs_to(&name.to_string_lossy(), key)))
            .collect();
        files.sort_by_key(|path| fs::metadata(path).and_then(|meta| meta.modified()).ok());
        files
    }

    /// The process behind it.
    pub fn proc(&self) -> &Proc {
        &self.proc
    }

    async fn ready(&self) -> anyhow::Result<()> {
        self.proc
            .ready(START, async || {
                TcpStream::connect(self.port.addr()).await.is_ok() && TcpStream::connect(self.http.addr()).await.is_ok()
            })
            .await
    }
}

/// nginx names a recording `KEY-UNIXTIME.flv`.
fn belongs_to(file: &str, key: &str) -> bool {
    file.strip_suffix(".flv").and_then(|stem| stem.rsplit_once('-')).is_some_and(|(name, _)| name == key)
}

fn config_text(dir: &Path, port: &Port, http: &Port, record: bool) -> anyhow::Result<String> {
    let module = tools::nginx_rtmp_module()?;
    let (dir, record) = (dir.display(), if record { "all" } else { "off" });
    let mut text = String::new();
    writeln!(text, "load_module {};\ndaemon off;\nmaster_process off;\nworker_processes 1;", module.display())?;
    if rustix::process::getuid().is_root() {
        writeln!(text, "user root;")?;
    }
    writeln!(
        text,
        "pid {dir}/nginx.pid;\nlock_file {dir}/nginx.lock;\nerror_log stderr warn;\nevents {{ worker_connections 1024; }}"
    )?;
    writeln!(
        text,
        "rtmp {{ access_log off; server {{ listen {rtmp}; chunk_size 4096; ping 30s;
            application live {{
                live on; wait_key off; sync 10ms;
                record {record}; record_path {dir}/rec; record_unique on; record_suffix .flv;
                notify_method get; on_publish http://{http}/on_publish;
            }} }} }}
        http {{
            access_log off;
            client_body_temp_path {dir}/tmp; proxy_temp_path {dir}/tmp; fastcgi_temp_path {dir}/tmp;
            uwsgi_temp_path {dir}/tmp; scgi_temp_path {dir}/tmp;
            server {{
                listen {http};
                location /stat {{ rtmp_stat all; }}
                location /control {{ rtmp_control all; }}
                location /on_publish {{ if (-f {dir}/refuse/$arg_name) {{ return 403; }} return 200; }}
            }} }}",
        rtmp = port.addr(),
        http = http.addr(),
    )?;
    Ok(text)
}

fn parse_stat(xml: &str) -> Vec<StreamStat> {
    xml.split("<stream>").skip(1).map(|part| parse_stream(part.split("</stream>").next().unwrap_or_default())).collect()
}

fn parse_stream(xml: &str) -> StreamStat {
    let number = |tag: &str| text_of(xml, tag).and_then(|text| text.parse().ok()).unwrap_or_default();
    StreamStat {
        name: text_of(xml, "name").unwrap_or_default().to_owned(),
        publishing: xml.contains("<publishing/>"),
        bytes_in: number("bytes_in"),
        bw_in: number("bw_in"),
        clients: number("nclients"),
    }
}

fn text_of<'a>(xml: &'a str, tag: &str) -> Option<&'a str> {
    xml.split_once(&format!("<{tag}>"))?.1.split_once(&format!("</{tag}>")).map(|(text, _)| text)
}
