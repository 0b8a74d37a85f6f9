//! The whole system as real processes: private NATS, Redis and Postgres and the five services.
//!
//! Used inside a test or a measurement (the value is the stack, dropping it ends everything) and by `./x`, which keeps
//! one alive. It builds nothing: the binaries must be there (`./x test` and `./x up` build them first).

pub mod file;
mod plan;
pub mod platforms;
mod process;
pub mod secrets;
mod service;
mod stop;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;

use self::{
    file::{ProcessEntry, StackFile},
    plan::{Instance, Plan, PortPool},
    platforms::PlatformSim,
    secrets::Secrets,
};
pub use self::{process::Process, service::Service};
use crate::{Nats, Postgres, Redis, api::Api, nats, postgres, proc::Spec, redis, temp};

/// Variables of our own environment that the services get too.
const PASSED_ON: [&str; 4] = ["PATH", "HOME", "TMPDIR", "SSL_CERT_FILE"];
/// The tenant of [`Stack::api`] and of the token in `stack.json`.
pub const TENANT: &str = "demo";

/// What can be chosen.
#[derive(Debug)]
pub struct Options {
    /// Where logs, data and `stack.json` go; a private directory that vanishes with the stack when not set.
    pub dir: Option<PathBuf>,
    /// How many encoder workers.
    pub workers: usize,
    /// How many relays.
    pub relays: usize,
    /// How many orchestrator replicas.
    pub orchestrators: usize,
    /// How many credentials replicas.
    pub credentials: usize,
    /// Ports one after the other from here; drawn when not set.
    pub port_base: Option<u16>,
    /// Postgres waits for the disk on commit. Tests don't need that.
    pub durable: bool,
    /// Sessions that one worker takes at once; the worker decides by its cores when not set.
    pub worker_capacity: Option<usize>,
    /// How long a service may take to drain on SIGTERM.
    pub grace: Duration,
    /// `json` or `human`.
    pub log_format: String,
    /// What is logged, as `RUST_LOG`.
    pub log_filter: String,
    /// Where the services' binaries are; beside the running program when not set.
    pub bin_dir: Option<PathBuf>,
    /// The workers' FFmpeg.
    pub ffmpeg: Option<PathBuf>,
    /// Start the simulated platforms as one more process and point the vault at them.
    pub platform_sim: bool,
    /// More variables for a service; they win over the stack's own.
    pub env: HashMap<Service, Vec<(String, String)>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            dir: None,
            workers: 2,
            relays: 1,
            orchestrators: 1,
            credentials: 1,
            port_base: None,
            durable: false,
            worker_capacity: None,
            grace: Duration::from_secs(10),
            log_format: "json".to_owned(),
            log_filter: "info".to_owned(),
            bin_dir: None,
            ffmpeg: None,
            platform_sim: false,
            env: HashMap::new(),
        }
    }
}

impl Options {
    /// Adds an environment variable for every instance of a service.
    #[must_use]
    pub fn env(mut self, service: Service, name: &str, value: impl Into<String>) -> Self {
        self.env.entry(service).or_default().push((name.to_owned(), value.into()));
        self
    }
}

/// A running stack. Dropping it ends everything; [`Stack::stop`] does so politely and checks that nothing is left.
#[derive(Debug)]
pub struct Stack {
    // Dropped in this order: first those who need, then those who are needed.
    processes: Vec<Process>,
    platform_sim: Option<PlatformSim>,
    /// The private NATS server.
    pub nats: Nats,
    /// The private Redis server.
    pub redis: Redis,
    /// The private Postgres cluster.
    pub postgres: Postgres,
    plan: Plan,
    secrets: Secrets,
    bin_dir: PathBuf,
    env: HashMap<Service, Vec<(String, String)>>,
    dir: PathBuf,
    temp: Option<tempfile::TempDir>,
}

impl Stack {
    /// Starts one with two workers in a private directory and returns when every service is ready.
    ///
    /// # Errors
    /// When a tool or binary is missing or a process does not become ready; the text holds the end of its log.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_with(Options::default()).await
    }

    /// Starts one as chosen.
    ///
    /// # Errors
    /// As [`Stack::start`].
    pub async fn start_with(options: Options) -> anyhow::Result<Self> {
        let bin_dir = options.bin_dir.clone().map_or_else(plan::bin_dir, Ok)?;
        let ffmpeg = plan::ffmpeg(&options)?;
        let (dir, temp) = temp::given_or_private(options.dir.clone(), "stack")?;
        for sub in ["logs", "ready", "nats", "redis", "postgres"] {
            std::fs::create_dir_all(dir.join(sub))?;
        }
        let secrets = Secrets::draw()?;
        secrets.save(&dir)?;
        let mut pool = PortPool::new(options.port_base);
        let instances = plan::instances(&options, &dir, &mut pool)?;
        let (nats, redis, postgres) = servers(&dir, &mut pool, options.durable).await?;
        let platform_sim = match options.platform_sim {
            true => Some(PlatformSim::start(&bin_dir, &dir).await?),
            false => None,
        };
        let plan = Plan {
            nats: nats.url(),
            redis: redis.url(),
            postgres: postgres.url(),
            rtmp_ingest: rtmp_ingest(&instances),
            orchestrators: grpc_urls(&instances, Service::Orchestrator),
            credentials: grpc_urls(&instances, Service::Credentials),
            log_format: options.log_format,
            log_filter: options.log_filter,
            grace: options.grace,
            worker_capacity: options.worker_capacity,
            ffmpeg,
        };
        let processes = Vec::new();
        let mut env = options.env;
        if let Some(sim) = &platform_sim {
            let vault = env.entry(Service::Credentials).or_default();
            vault.splice(0..0, sim.environment(vault));
        }
        let mut stack = Self { processes, platform_sim, nats, redis, postgres, plan, secrets, bin_dir, env, dir, temp };
        for instance in instances {
            stack.spawn(instance, &[])?;
        }
        for process in &stack.processes {
            process.ready().await?;
        }
        Ok(stack)
    }

    /// Where its logs and data are.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The public API, `http://127.0.0.1:port`.
    pub fn gateway_url(&self) -> String {
        self.of(Service::Gateway).next().map(Process::http).unwrap_or_default()
    }

    /// Where to publish: append `/KEY`.
    pub fn rtmp_ingest(&self) -> &str {
        &self.plan.rtmp_ingest
    }

    /// A client of the API for the tenant [`TENANT`].
    pub fn api(&self) -> Api {
        self.api_for(TENANT)
    }

    /// A client for any tenant.
    pub fn api_for(&self, sub: &str) -> Api {
        Api::new(self.gateway_url(), self.token(sub))
    }

    /// A bearer token for any tenant.
    pub fn token(&self, sub: &str) -> String {
        self.secrets.token(sub)
    }

    /// The stack's secrets: for signing odd tokens and for searching leaks.
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// All service processes.
    pub fn processes(&self) -> &[Process] {
        &self.processes
    }

    /// The process ids of services and servers.
    pub fn pids(&self) -> Vec<u32> {
        let servers = [self.nats.pid(), self.redis.pid(), self.postgres.pid()];
        let sim = self.platform_sim.as_ref().map(PlatformSim::pid);
        self.processes.iter().map(Process::pid).chain(servers).chain(sim).collect()
    }

    /// The instances of one service, in order.
    pub fn of(&self, service: Service) -> impl Iterator<Item = &Process> {
        self.processes.iter().filter(move |process| process.service() == service)
    }

    /// One instance.
    ///
    /// # Errors
    /// When there are fewer.
    pub fn process(&self, service: Service, number: usize) -> anyhow::Result<&Process> {
        self.of(service).find(|process| process.number() == number).with_context(|| format!("no {service}-{number}"))
    }

    /// One worker.
    ///
    /// # Errors
    /// When there are fewer.
    pub fn worker(&self, number: usize) -> anyhow::Result<&Process> {
        self.process(Service::EncoderWorker, number)
    }

    /// Starts one more instance of a service and waits until it is ready.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn add(&mut self, service: Service) -> anyhow::Result<&Process> {
        self.add_with(service, &[]).await
    }

    /// As [`Stack::add`], with variables for this instance alone; they win over all others.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn add_with(&mut self, service: Service, env: &[(&str, String)]) -> anyhow::Result<&Process> {
        let number = self.of(service).count();
        let instance = plan::instance(service, number, &self.dir, &mut PortPool::new(None))?;
        self.spawn(instance, env)?;
        let process = self.process(service, number)?;
        process.ready().await?;
        Ok(process)
    }

    /// What `stack.json` says of it.
    pub fn describe(&self) -> StackFile {
        StackFile {
            gateway: self.gateway_url(),
            token: self.token(TENANT),
            rtmp_ingest: self.plan.rtmp_ingest.clone(),
            relay_http: self.of(Service::Relay).next().and_then(Process::relay_http).unwrap_or_default(),
            nats: self.nats.url(),
            redis: self.redis.url(),
            postgres: self.postgres.url(),
            processes: self.processes.iter().map(entry).collect(),
            platform_sim: self.platform_sim.as_ref().map(|sim| sim.addresses().clone()),
        }
    }

    /// The whole log of one instance.
    pub fn log(&self, service: Service, number: usize) -> String {
        std::fs::read_to_string(self.log_path(service, number)).unwrap_or_default()
    }

    fn log_path(&self, service: Service, number: usize) -> PathBuf {
        self.dir.join("logs").join(format!("{service}-{number}.log"))
    }

    fn spawn(&mut self, instance: Instance, env: &[(&str, String)]) -> anyhow::Result<()> {
        let service = instance.service;
        let name = format!("{service}-{}", instance.number);
        let mut spec = Spec::new(name, self.bin_dir.join(service.name()), self.log_path(service, instance.number));
        spec.clear_env = true;
        spec.env = passed_on();
        spec.env.extend(service::environment(&instance, &self.plan, &self.secrets));
        spec.env.extend(self.env.get(&service).into_iter().flatten().cloned());
        spec.env.extend(env.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        spec.dir = Some(self.dir.clone());
        self.processes.push(Process::spawn(instance, spec)?);
        Ok(())
    }
}

async fn servers(dir: &Path, pool: &mut PortPool, durable: bool) -> anyhow::Result<(Nats, Redis, Postgres)> {
    let nats = nats::Options { dir: Some(dir.join("nats")), port: Some(pool.take()?) };
    let redis = redis::Options { dir: Some(dir.join("redis")), port: Some(pool.take()?) };
    let postgres = postgres::Options { dir: Some(dir.join("postgres")), port: Some(pool.take()?), durable };
    let (nats, redis, postgres) =
        tokio::join!(Nats::start_with(nats), Redis::start_with(redis), Postgres::start_with(postgres));
    Ok((nats?, redis?, postgres?))
}

fn rtmp_ingest(instances: &[Instance]) -> String {
    let port = instances.iter().find_map(|instance| instance.media.as_ref()).map(|(rtmp, _)| rtmp.addr());
    port.map(|addr| format!("rtmp://{addr}/live")).unwrap_or_default()
}

fn grpc_urls(instances: &[Instance], service: Service) -> Vec<String> {
    instances
        .iter()
        .filter(|instance| instance.service == service)
        .filter_map(|instance| instance.grpc.as_ref())
        .map(|port| format!("http://{}", port.addr()))
        .collect()
}

fn entry(process: &Process) -> ProcessEntry {
    ProcessEntry {
        service: process.service().name().to_owned(),
        instance: process.number(),
        pid: process.pid(),
        metrics: format!("{}/metrics", process.http()),
    }
}

fn passed_on() -> Vec<(String, String)> {
    std::env::vars().filter(|(name, _)| PASSED_ON.contains(&name.as_str()) || name.starts_with("OTEL_")).collect()
}
