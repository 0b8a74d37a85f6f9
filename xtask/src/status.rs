//! `./x status`: the processes of a stack, and the streams of its demo tenant.

use std::path::PathBuf;

use serde_json::Value;
use testkit::{Api, proc, stack::file::StackFile};

use crate::{cargo, table};

/// Which stack.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack's directory [default: .run]
    #[arg(long, value_name = "PATH")]
    dir: Option<PathBuf>,
}

/// Prints both tables.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let dir = cargo::stack_dir(args.dir.as_deref());
    let Some(file) = StackFile::read(&dir)? else {
        println!("nothing runs in {}", dir.display());
        return Ok(());
    };
    println!("gateway {}   publish to {}\n", file.gateway, file.rtmp_ingest);
    print!("{}", processes(&file));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(streams(&Api::new(file.gateway, file.token)))
}

fn processes(file: &StackFile) -> String {
    let rows: Vec<Vec<String>> = file
        .processes
        .iter()
        .map(|entry| {
            let state = if proc::start_time(entry.pid).is_some() { "running" } else { "gone" };
            let name = format!("{}-{}", entry.service, entry.instance);
            vec![name, entry.pid.to_string(), state.to_owned(), entry.metrics.clone()]
        })
        .collect();
    table::render(&["PROCESS", "PID", "STATE", "METRICS"], &rows)
}

async fn streams(api: &Api) -> anyhow::Result<()> {
    let all = api.get("/api/streams").await?.data()?;
    for stream in all.as_array().into_iter().flatten() {
        let id = text(stream, "id");
        println!("\n{} ({id}): {}", text(stream, "title"), text(stream, "status"));
        print!("{}", destinations(api, &id).await?);
    }
    Ok(())
}

/// One stream's destinations as a table.
pub async fn destinations(api: &Api, stream: &str) -> anyhow::Result<String> {
    let status = api.status(stream).await?;
    let health = api.health(stream).await.unwrap_or_default();
    let rows: Vec<Vec<String>> = status["destinations"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|one| destination(one, &health["destinations"][text(one, "id")]))
        .collect();
    let header =
        ["DESTINATION", "PLATFORM", "STATUS", "PLATFORM SAYS", "VIEWERS", "HEALTH", "FPS", "KBPS", "SENT MB", "ISSUES"];
    Ok(table::render(&header, &rows))
}

fn destination(one: &Value, health: &Value) -> Vec<String> {
    let metrics = &health["metrics"];
    let number = |value: &Value, scale: f64, digits: usize| {
        value.as_f64().map(|value| format!("{:.digits$}", value / scale)).unwrap_or_default()
    };
    let issues: Vec<&str> = health["issues"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    vec![
        text(one, "name"),
        text(one, "platform"),
        text(one, "status"),
        text(one, "platform_state"),
        one["viewer_count"].as_u64().map(|viewers| viewers.to_string()).unwrap_or_default(),
        text(health, "health"),
        number(&metrics["fps"], 1.0, 1),
        number(&metrics["bitrate"], 1.0, 0),
        number(&metrics["bytesSent"], 1e6, 1),
        issues.join("; "),
    ]
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}
