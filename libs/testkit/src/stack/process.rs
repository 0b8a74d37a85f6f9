//! One running instance of a service.

use std::{fs, time::Duration};

use anyhow::Context;
use serde::Deserialize;

use super::{plan::Instance, service::Service};
use crate::{
    http,
    proc::{End, Proc, Spec},
};

const START: Duration = Duration::from_secs(60);

/// What a service writes into its `READY_FILE`.
#[derive(Clone, Debug, Default, Deserialize)]
struct Bound {
    http: Option<String>,
}

/// A service process. Dropping it ends it.
#[derive(Debug)]
pub struct Process {
    proc: Proc,
    instance: Instance,
}

impl Process {
    pub(super) fn spawn(instance: Instance, mut spec: Spec) -> anyhow::Result<Self> {
        spec.end = End::Term;
        let _ = fs::remove_file(&instance.ready_file);
        Ok(Self { proc: Proc::spawn(spec)?, instance })
    }

    /// Which service.
    pub fn service(&self) -> Service {
        self.instance.service
    }

    /// Its number among the instances of that service, from 0.
    pub fn number(&self) -> usize {
        self.instance.number
    }

    /// `http://127.0.0.1:port`: health, metrics, and the API if it is the gateway.
    pub fn http(&self) -> String {
        format!("http://{}", self.instance.http.addr())
    }

    /// The gRPC address, of services that have one.
    pub fn grpc(&self) -> Option<String> {
        self.instance.grpc.as_ref().map(|port| format!("http://{}", port.addr()))
    }

    /// `rtmp://127.0.0.1:port/live`, of a relay.
    pub fn rtmp(&self) -> Option<String> {
        self.instance.media.as_ref().map(|(rtmp, _)| format!("rtmp://{}/live", rtmp.addr()))
    }

    /// The inner HTTP-FLV address, of a relay.
    pub fn relay_http(&self) -> Option<String> {
        self.instance.media.as_ref().map(|(_, http)| format!("http://{}", http.addr()))
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.proc.pid()
    }

    /// The process: kill, pause, terminate, log.
    pub fn proc(&self) -> &Proc {
        &self.proc
    }

    /// SIGKILL to the service alone.
    pub fn kill(&self) {
        self.proc.kill();
    }

    /// SIGSTOP to the service alone.
    pub fn pause(&self) {
        self.proc.pause();
    }

    /// SIGCONT.
    pub fn resume(&self) {
        self.proc.resume();
    }

    /// SIGTERM; does not wait.
    pub fn terminate(&self) {
        self.proc.terminate();
    }

    /// Starts it again with the same ports and environment (ends it first if it runs) and waits until it is ready.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn restart(&self) -> anyhow::Result<()> {
        self.respawn()?;
        self.ready().await
    }

    /// As [`Process::restart`], without waiting: for a test in which it can't become ready.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn respawn(&self) -> anyhow::Result<()> {
        self.proc.end();
        let _ = fs::remove_file(&self.instance.ready_file);
        self.proc.respawn()
    }

    /// Its Prometheus metrics.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn metrics(&self) -> anyhow::Result<String> {
        http::get(self.instance.http.addr(), "/metrics").await
    }

    /// Waits until it has bound its ports and says it is ready.
    ///
    /// # Errors
    /// When it ends first, or takes a minute.
    pub async fn ready(&self) -> anyhow::Result<()> {
        let addr = self.instance.http.addr();
        self.proc
            .ready(START, async || self.bound().is_some() && http::get(addr, "/readyz").await.is_ok())
            .await
            .with_context(|| format!("{}-{}", self.service(), self.number()))
    }

    fn bound(&self) -> Option<String> {
        let text = fs::read(&self.instance.ready_file).ok()?;
        serde_json::from_slice::<Bound>(&text).ok()?.http
    }
}
