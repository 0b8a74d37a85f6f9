//! Who runs which session, and what is wished of it.

use std::{sync::LazyLock, time::Duration};

use domain::ids::{Epoch, Generation, SessionId, WorkerId};
use redis::{RedisError, Script};

use crate::{
    error::Error,
    keys,
    link::Link,
    options::{Options, ms},
};

static ACQUIRE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/acquire.lua")));
static RENEW: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/renew.lua")));
static RELEASE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/release.lua")));
static SET_DESIRED: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/set_desired.lua")));
static EXPIRED: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/expired.lua")));

/// The leases of all sessions. Clones share one connection.
#[derive(Clone)]
pub struct Leases {
    link: Link,
}

/// The answer to [`Leases::acquire`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acquire {
    /// The lease is yours, until a TTL from now.
    Acquired,
    /// Somebody else has it, with the same or a higher epoch.
    HeldBy {
        /// The holder's epoch.
        epoch: Epoch,
        /// The holder.
        worker: WorkerId,
    },
    /// Your epoch is over: a higher one was given out.
    Superseded {
        /// The lowest epoch that may still hold this session.
        floor: Epoch,
    },
}

/// The answer to [`Leases::renew`] for one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewed {
    /// Still yours. The wish is there only if it is about your epoch.
    Held {
        /// What is wished, if anything was said.
        desired: Option<Desired>,
    },
    /// No longer yours: stop at once.
    Lost {
        /// The epoch that has it now, or may have it next.
        epoch: Epoch,
    },
}

/// What is wished of a session, for one epoch. It only goes forward: run, refreshes in order, stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Desired {
    /// Run.
    Run,
    /// Run, with the specification of this generation (or a later one).
    Refresh(Generation),
    /// Stop. Final for this epoch.
    Stop,
}

impl Leases {
    /// Leases with the default [`Options`] and this TTL. The first connection is tried for a moment, and made later if
    /// that fails.
    ///
    /// # Errors
    /// [`Error::BadUrl`].
    pub async fn connect(url: &str, ttl: Duration) -> Result<Self, Error> {
        Self::connect_with(url, Options::with_ttl(ttl)).await
    }

    /// The same with other bounds.
    ///
    /// # Errors
    /// [`Error::BadUrl`].
    pub async fn connect_with(url: &str, options: Options) -> Result<Self, Error> {
        let leases = Self { link: Link::new(url, options)? };
        if let Err(error) = leases.ping().await {
            tracing::warn!(error = &error as &dyn std::error::Error, "redis is not there yet");
        }
        Ok(leases)
    }

    pub(crate) fn link(&self) -> &Link {
        &self.link
    }

    /// Whether Redis answers, for readiness checks.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Timeout`], [`Error::Refused`].
    pub async fn ping(&self) -> Result<(), Error> {
        self.link.run(async |mut redis| redis::cmd("PING").query_async::<()>(&mut redis).await).await
    }

    /// Takes the lease of (session, epoch) for `worker`. A lower epoch's lease is taken over at once; one's own lease
    /// is extended.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Timeout`], [`Error::Refused`]. After a timeout the lease may be taken all the
    /// same: acquire again, or let it expire.
    pub async fn acquire(&self, session: SessionId, epoch: Epoch, worker: &WorkerId) -> Result<Acquire, Error> {
        let mut call = ACQUIRE.prepare_invoke();
        call.key(keys::lease(session)).key(keys::want(session)).key(keys::DEADLINES).key(keys::OVERDUE);
        call.arg(session.to_string()).arg(epoch.0).arg(worker.as_str()).arg(self.ttl_ms()).arg(self.keep_ms());
        let (what, epoch, worker): (u8, u64, String) =
            self.link.run(async |mut redis| call.invoke_async(&mut redis).await).await?;
        match what {
            0 => Ok(Acquire::Acquired),
            1 => Ok(Acquire::HeldBy { epoch: Epoch(epoch), worker: WorkerId(worker) }),
            2 => Ok(Acquire::Superseded { floor: Epoch(epoch) }),
            _ => Err(garbled("acquire")),
        }
    }

    /// Renews all leases of `worker` and returns an answer per session, in order. A lease that is not there is taken
    /// again, unless a higher epoch was given out: Redis may have lost it.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Timeout`], [`Error::Refused`]: keep streaming and ask again.
    pub async fn renew(&self, worker: &WorkerId, held: &[(SessionId, Epoch)]) -> Result<Vec<Renewed>, Error> {
        let mut answers = Vec::with_capacity(held.len());
        for batch in held.chunks(self.link.options().renew_batch.max(1)) {
            let mut call = RENEW.prepare_invoke();
            call.key(keys::DEADLINES).key(keys::OVERDUE);
            call.arg(worker.as_str()).arg(self.ttl_ms()).arg(self.keep_ms());
            for (session, epoch) in batch {
                call.key(keys::lease(*session)).key(keys::want(*session)).arg(session.to_string()).arg(epoch.0);
            }
            let rows: Vec<(String, u64)> = self.link.run(async |mut redis| call.invoke_async(&mut redis).await).await?;
            if rows.len() != batch.len() {
                return Err(garbled("renew"));
            }
            for (what, number) in rows {
                answers.push(renewed(&what, number).ok_or_else(|| garbled("renew"))?);
            }
        }
        Ok(answers)
    }

    /// Gives the lease back. Returns whether it was this worker's and epoch's; if not, nothing happens.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Timeout`], [`Error::Refused`].
    pub async fn release(&self, session: SessionId, epoch: Epoch, worker: &WorkerId) -> Result<bool, Error> {
        let mut call = RELEASE.prepare_invoke();
        call.key(keys::lease(session)).key(keys::DEADLINES).key(keys::OVERDUE);
        call.arg(session.to_string()).arg(epoch.0).arg(worker.as_str());
        self.link.run(async |mut redis| call.invoke_async(&mut redis).await).await
    }

    /// Raises the epoch floor of a session to `epoch` and says what is wished of that epoch. An older wish than the one
    /// that is there changes nothing.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Timeout`], [`Error::Refused`].
    pub async fn set_desired(&self, session: SessionId, epoch: Epoch, desired: Desired) -> Result<(), Error> {
        let (what, generation) = match desired {
            Desired::Run => ("run", 0),
            Desired::Refresh(generation) => ("refresh", generation.0),
            Desired::Stop => ("stop", 0),
        };
        let mut call = SET_DESIRED.prepare_invoke();
        call.key(keys::want(session)).arg(epoch.0).arg(what).arg(generation).arg(self.keep_ms());
        let _applied: bool = self.link.run(async |mut redis| call.invoke_async(&mut redis).await).await?;
        Ok(())
    }

    /// Who has the lease now.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Timeout`], [`Error::Refused`].
    pub async fn owner(&self, session: SessionId) -> Result<Option<(WorkerId, Epoch)>, Error> {
        Ok(self.owners(&[session]).await?.pop().flatten())
    }

    /// Who has each of these leases now, in order. One round trip.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Timeout`], [`Error::Refused`].
    pub async fn owners(&self, sessions: &[SessionId]) -> Result<Vec<Option<(WorkerId, Epoch)>>, Error> {
        if sessions.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipe = redis::pipe();
        for session in sessions {
            pipe.hmget(keys::lease(*session), &["w", "e"]);
        }
        let rows: Vec<(Option<String>, Option<u64>)> =
            self.link.run(async |mut redis| pipe.query_async(&mut redis).await).await?;
        let owner = |(worker, epoch): (Option<String>, Option<u64>)| Some((WorkerId(worker?), Epoch(epoch?)));
        Ok(rows.into_iter().map(owner).collect())
    }

    /// Leases that ended without being given back, at most `max`. Each is reported to one caller, and again (to anyone)
    /// once per TTL, a few times, until a higher floor is set or a holder shows up: a caller may crash before it acts.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Timeout`], [`Error::Refused`].
    pub async fn expired(&self, max: usize) -> Result<Vec<(SessionId, Epoch)>, Error> {
        let options = self.link.options();
        let mut call = EXPIRED.prepare_invoke();
        call.key(keys::DEADLINES).key(keys::OVERDUE).key(keys::SCAN);
        call.arg(self.ttl_ms()).arg(max).arg(ms(options.scan_gap)).arg(options.reports.max(1)).arg(self.keep_ms());
        call.arg(keys::LEASE).arg(keys::WANT);
        let flat: Vec<(String, u64)> = self.link.run(async |mut redis| call.invoke_async(&mut redis).await).await?;
        let known = |(session, epoch): (String, u64)| Some((session.parse().ok()?, Epoch(epoch)));
        Ok(flat.into_iter().filter_map(known).collect())
    }

    fn ttl_ms(&self) -> u64 {
        ms(self.link.options().ttl)
    }

    fn keep_ms(&self) -> u64 {
        ms(self.link.options().keep)
    }
}

fn renewed(what: &str, number: u64) -> Option<Renewed> {
    let desired = match what {
        "held" => None,
        "run" => Some(Desired::Run),
        "refresh" => Some(Desired::Refresh(Generation(number))),
        "stop" => Some(Desired::Stop),
        "lost" => return Some(Renewed::Lost { epoch: Epoch(number) }),
        _ => return None,
    };
    Some(Renewed::Held { desired })
}

fn garbled(what: &'static str) -> Error {
    Error::Refused(RedisError::from((redis::ErrorKind::UnexpectedReturnType, what)))
}
