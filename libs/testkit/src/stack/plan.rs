//! What a stack will consist of: every instance with its ports and files, drawn before anything starts, because the
//! services need each other's addresses.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::bail;

use super::{Options, service::Service};
use crate::{ports::Port, tools};

/// One process to be.
#[derive(Debug)]
pub(super) struct Instance {
    pub(super) service: Service,
    pub(super) number: usize,
    pub(super) http: Port,
    pub(super) grpc: Option<Port>,
    /// RTMP and HTTP-FLV, of a relay.
    pub(super) media: Option<(Port, Port)>,
    pub(super) ready_file: PathBuf,
}

/// The addresses and settings that the environments are made from.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) nats: String,
    pub(super) redis: String,
    pub(super) postgres: String,
    pub(super) rtmp_ingest: String,
    pub(super) orchestrators: Vec<String>,
    pub(super) credentials: Vec<String>,
    pub(super) log_format: String,
    pub(super) log_filter: String,
    pub(super) grace: Duration,
    pub(super) worker_capacity: Option<usize>,
    pub(super) ffmpeg: PathBuf,
}

impl Plan {
    /// The gRPC address of a replica for caller number `caller`.
    pub(super) fn grpc_url(&self, service: Service, caller: usize) -> String {
        let replicas = if service == Service::Orchestrator { &self.orchestrators } else { &self.credentials };
        caller.checked_rem(replicas.len()).and_then(|index| replicas.get(index)).cloned().unwrap_or_default()
    }
}

/// Gives out ports: drawn ones, or one after the other from a base.
#[derive(Debug)]
pub(super) struct PortPool {
    next: Option<u16>,
}

impl PortPool {
    pub(super) fn new(base: Option<u16>) -> Self {
        Self { next: base }
    }

    pub(super) fn take(&mut self) -> anyhow::Result<Port> {
        let Some(number) = self.next else { return Port::draw() };
        self.next = number.checked_add(1);
        match Port::claim(number)? {
            Some(port) => Ok(port),
            None => bail!("port {number} is taken: choose another --port-base"),
        }
    }
}

/// Every instance in a fixed order: with a port base, the gateway gets the first port, the relay's ingest the next.
pub(super) fn instances(options: &Options, dir: &Path, pool: &mut PortPool) -> anyhow::Result<Vec<Instance>> {
    let counts = [
        (Service::Gateway, 1),
        (Service::Relay, options.relays),
        (Service::Credentials, options.credentials),
        (Service::Orchestrator, options.orchestrators),
        (Service::EncoderWorker, options.workers),
    ];
    let mut all = Vec::new();
    for (service, count) in counts {
        for number in 0..count {
            all.push(instance(service, number, dir, pool)?);
        }
    }
    Ok(all)
}

pub(super) fn instance(service: Service, number: usize, dir: &Path, pool: &mut PortPool) -> anyhow::Result<Instance> {
    let http = pool.take()?;
    let grpc = if service.has_grpc() { Some(pool.take()?) } else { None };
    let media = if service == Service::Relay { Some((pool.take()?, pool.take()?)) } else { None };
    let ready_file = dir.join("ready").join(format!("{service}-{number}.json"));
    Ok(Instance { service, number, http, grpc, media, ready_file })
}

/// The directory with the services' binaries: `EXPRSN_BIN_DIR`, or where cargo puts them beside the running program.
pub(super) fn bin_dir() -> anyhow::Result<PathBuf> {
    if let Some(dir) = std::env::var_os("EXPRSN_BIN_DIR") {
        return Ok(dir.into());
    }
    let exe = std::env::current_exe()?;
    let found = exe.ancestors().skip(1).take(2).find(|dir| missing(dir).is_empty());
    if let Some(dir) = found {
        return Ok(dir.to_path_buf());
    }
    let near = exe.ancestors().nth(1).unwrap_or(Path::new("."));
    bail!(
        "not built: {} (looked in and above {}): run `cargo build --workspace --bins`",
        missing(near).join(", "),
        near.display()
    )
}

fn missing(dir: &Path) -> Vec<&'static str> {
    Service::ALL.iter().map(|service| service.name()).filter(|name| !dir.join(name).is_file()).collect()
}

pub(super) fn ffmpeg(options: &Options) -> anyhow::Result<PathBuf> {
    options.ffmpeg.clone().map_or_else(tools::ffmpeg, Ok)
}
