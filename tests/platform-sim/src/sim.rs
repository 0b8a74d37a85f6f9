//! A running simulator and its handle.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    clock::{Clock, millis},
    control::{self, Action},
    faults::Fault,
    front::{Front, lock},
    ingest::Publish,
    journal::JournalEntry,
    oauth::{self, Decision, Provider},
    options::{Flags, Options},
    rtmp, server, tls,
    world::{Hosts, World},
};

/// How often the state machines are looked at when nobody asks.
const TICK: Duration = Duration::from_millis(50);

/// How a person decides on a consent page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Consent {
    /// Who; the current person when not set.
    pub account: Option<String>,
    /// Only these of the scopes that are asked for.
    pub scopes: Option<Vec<String>>,
    /// Refuse.
    pub deny: bool,
}

impl Consent {
    /// This person agrees to everything.
    pub fn of(account: &str) -> Self {
        Self { account: Some(account.to_owned()), ..Self::default() }
    }
}

/// A running simulator. Dropping it ends it: connections are closed, ports freed.
#[derive(Debug)]
pub struct Sim {
    front: Arc<Front>,
    hosts: Hosts,
    ca_pem: Option<String>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Sim {
    /// Binds free ports on 127.0.0.1 and serves.
    ///
    /// # Errors
    /// No port is free, or no certificate could be made.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        let bind = || async { TcpListener::bind(("127.0.0.1", 0)).await.context("can't bind 127.0.0.1") };
        let (http, plain) = (bind().await?, bind().await?);
        let secure = match options.rtmps {
            true => Some((bind().await?, tls::acceptor()?)),
            false => None,
        };
        let url = |scheme: &str, addr: SocketAddr| format!("{scheme}://{addr}");
        let rtmp_url = url("rtmp", plain.local_addr()?);
        let rtmps = match &secure {
            Some((listener, _)) => format!("rtmps://localhost:{}", listener.local_addr()?.port()),
            None => rtmp_url.clone(),
        };
        let hosts = Hosts { http: url("http", http.local_addr()?), rtmp: rtmp_url, rtmps };
        let front = Front::new(Clock::start(), World::new(options, hosts.clone()));
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        tasks.spawn(server::serve(http, front.clone(), tasks.clone(), stop.clone()));
        tasks.spawn(rtmp::serve(plain, None, front.clone(), tasks.clone(), stop.clone()));
        let mut ca_pem = None;
        if let Some((listener, (acceptor, pem))) = secure {
            tasks.spawn(rtmp::serve(listener, Some(acceptor), front.clone(), tasks.clone(), stop.clone()));
            ca_pem = Some(pem);
        }
        tasks.spawn(tick(front.clone(), stop.clone()));
        Ok(Self { front, hosts, ca_pem, stop, tasks })
    }

    /// `http://127.0.0.1:port`, without a slash at the end.
    pub fn http(&self) -> &str {
        &self.hosts.http
    }

    /// `rtmp://127.0.0.1:port`
    pub fn rtmp(&self) -> &str {
        &self.hosts.rtmp
    }

    /// `rtmps://localhost:port` with [`Options::rtmps`].
    pub fn rtmps(&self) -> Option<&str> {
        self.ca_pem.as_ref().map(|_| self.hosts.rtmps.as_str())
    }

    /// The authority that RTMPS clients must trust, in PEM.
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// What a person's browser is told after the consent page at `authorization_url`: the redirect, with `code` and
    /// `state` or with `error`.
    ///
    /// # Errors
    /// The page would have shown an error instead of redirecting.
    pub fn authorize(&self, authorization_url: &str, consent: &Consent) -> anyhow::Result<url::Url> {
        let url = url::Url::parse(authorization_url)?;
        let provider = match url.path() {
            path if path.starts_with("/google-oauth/") => Provider::Google,
            path if path.starts_with("/twitch-id/") => Provider::Twitch,
            path if path.starts_with("/facebook-dialog/") => Provider::Facebook,
            other => anyhow::bail!("no consent page at {other}"),
        };
        let query = url.query_pairs().into_owned().collect();
        let Consent { account, scopes, deny } = consent.clone();
        let decision = Decision { account, scopes, deny };
        let to = self.front.world(|world| oauth::decide(world, provider, &query, &decision));
        Ok(url::Url::parse(&to.map_err(anyhow::Error::msg)?)?)
    }

    /// Adds a fault.
    pub fn fault(&self, fault: Fault) {
        lock(&self.front.script).add(fault);
    }

    /// Every fault with the number of calls it met.
    pub fn faults(&self) -> Vec<(Fault, u32)> {
        lock(&self.front.script).list()
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        lock(&self.front.script).clear();
    }

    /// The calls so far, oldest first.
    pub fn journal(&self) -> Vec<JournalEntry> {
        lock(&self.front.journal).since(0)
    }

    /// Calls whose path starts like this.
    pub fn calls(&self, method: &str, path: &str) -> Vec<JournalEntry> {
        let mut entries = self.journal();
        entries.retain(|entry| entry.method == method && entry.path.starts_with(path));
        entries
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        self.front.advance(millis(by));
    }

    /// Unix ms on the simulator's clock.
    pub fn now_ms(&self) -> i64 {
        self.front.clock.now_ms()
    }

    /// What `GET /__sim/state` answers: broadcasts, streams, lives, inputs, quota, publishes.
    pub fn state(&self) -> Value {
        self.front.world(|world| control::state(world))
    }

    /// What `GET /__sim/accounts` answers for one person: ids, Pages, the Cloudflare token.
    pub fn account(&self, name: &str) -> Value {
        self.front.world(|world| world.account(name).map(crate::accounts::Account::describe)).unwrap_or_default()
    }

    /// Changes how the platforms treat a person.
    pub fn set_flags(&self, name: &str, change: impl FnOnce(&mut Flags)) {
        self.front.world(|world| {
            if let Some(account) = world.account_mut(name) {
                change(&mut account.flags);
            }
        });
    }

    /// Lets something happen to an account or a platform.
    ///
    /// # Errors
    /// The action names something unknown.
    pub fn act(&self, action: &Action) -> anyhow::Result<()> {
        self.front.world(|world| control::apply(world, action)).map_err(anyhow::Error::msg)
    }

    /// Publishes so far, oldest first.
    pub fn publishes(&self) -> Vec<Publish> {
        self.front.world(|world| world.ingests.publishes().to_vec())
    }

    /// Every secret that was given out: tokens, codes, stream keys. None may appear in anything that is written.
    pub fn secrets(&self) -> Vec<String> {
        self.front.world(|world| world.ids.secrets())
    }

    /// Back to the beginning: nothing was created, nobody agreed, no faults, an empty journal. Ports and clock stay.
    pub fn reset(&self) {
        self.front.reset();
    }

    /// Ends it and waits until every connection is closed.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn tick(front: Arc<Front>, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            _ = ticks.tick() => front.world(|_| ()),
            () = stop.cancelled() => return,
        }
    }
}
