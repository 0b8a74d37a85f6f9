//! What one reader costs: our relay's HTTP-FLV beside nginx-rtmp's RTMP, with the same source at 6 Mbps.

use std::time::Duration;

use domain::target::{RtmpUrl, TargetPolicy};
use futures::StreamExt;
use media::rtmp::{player, tls::Trust};
use secret::SecretString;
use testkit::{LiveSource, NginxRtmp, live_source, nginx_rtmp, stack, stack::Service};
use tokio::task::JoinSet;

use crate::{cpu, report::Report, scene::Scene, tickets::read_ticket};

const READERS: [u32; 3] = [1, 20, 100];
/// What one reader adds (0.03 % of a core) is less than an idle server's own share varies: it can't be judged alone.
const FEWEST_JUDGED: u32 = 20;
const KBPS: u32 = 6_000;
const SETTLE: Duration = Duration::from_secs(3);
const WINDOW: Duration = Duration::from_secs(15);

/// Runs it.
///
/// # Errors
/// When something fails.
pub async fn measure() -> anyhow::Result<Report> {
    let scene = Scene::open(KBPS, stack::Options::default()).await?;
    let nginx = NginxRtmp::start_with(nginx_rtmp::Options { no_recording: true, ..Default::default() }).await?;
    let source = live_source::Options { kbps: KBPS, ..live_source::Options::default() };
    let _source = LiveSource::start_with(&nginx.stream_url("bench"), &source)?;
    let relay = scene.stack.process(Service::Relay, 0)?.pid();
    let mut report = Report::new("relay");
    let mut none = JoinSet::new();
    let (ours_idle, _) = settle(relay, &mut none).await?;
    let (theirs_idle, _) = settle(nginx.pid(), &mut none).await?;
    report.note("no reader: relay CPU", ours_idle * 100.0, "% core");
    report.note("no reader: nginx-rtmp CPU", theirs_idle * 100.0, "% core");
    for readers in READERS {
        let mut tasks = JoinSet::new();
        for _ in 0..readers {
            tasks.spawn(read_flv(scene.flv_url(), read_ticket(&scene.stack, &scene.stream.id)?));
        }
        let (ours, ours_mb) = settle(relay, &mut tasks).await?;
        for _ in 0..readers {
            tasks.spawn(play(nginx.url(), nginx.addr()));
        }
        let (theirs, theirs_mb) = settle(nginx.pid(), &mut tasks).await?;
        let per_reader = |total: f64, idle: f64| (total - idle).max(0.0) / f64::from(readers) * 100.0;
        report.note(&format!("{readers} readers: relay CPU"), ours * 100.0, "% core");
        report.note(&format!("{readers} readers: nginx-rtmp CPU"), theirs * 100.0, "% core");
        let (ours_each, theirs_each) = (per_reader(ours, ours_idle), per_reader(theirs, theirs_idle));
        let figure = format!("{readers} readers: relay CPU for each");
        if readers < FEWEST_JUDGED {
            report.note(&figure, ours_each, "% core");
            report.note(&format!("{readers} readers: nginx-rtmp CPU for each"), theirs_each, "% core");
        } else {
            report.limit(&figure, ours_each, theirs_each, "% core");
        }
        report.note(&format!("{readers} readers: relay memory"), ours_mb, "MB PSS");
        report.note(&format!("{readers} readers: nginx-rtmp memory"), theirs_mb, "MB PSS");
    }
    scene.stack.stop().await?;
    Ok(report)
}

/// CPU and memory of `server` while the readers read; ends them.
async fn settle(server: u32, tasks: &mut JoinSet<anyhow::Result<()>>) -> anyhow::Result<(f64, f64)> {
    tokio::time::sleep(SETTLE).await;
    let share = cpu::share_over(vec![server], WINDOW).await?;
    let memory = cpu::pss_mb(server)?;
    if let Some(early) = tasks.try_join_next() {
        early??;
        anyhow::bail!("a reader ended early");
    }
    tasks.shutdown().await;
    Ok((share, memory))
}

async fn read_flv(url: String, ticket: String) -> anyhow::Result<()> {
    let answer = reqwest::Client::new().get(url).bearer_auth(ticket).send().await?.error_for_status()?;
    let mut body = answer.bytes_stream();
    while let Some(chunk) = body.next().await {
        chunk?;
    }
    Ok(())
}

async fn play(url: String, addr: std::net::SocketAddr) -> anyhow::Result<()> {
    let url = RtmpUrl::parse(&url, TargetPolicy { allow_private: true })?;
    let source = player::Source { url, play_path: SecretString::from("bench"), addr };
    let mut player = player::connect(source, player::Options::new(Trust::system(None)?), |_, _| {}).await?;
    while player.next().await?.is_some() {}
    Ok(())
}
