//! A new pair of tokens: once per account and expiry, however many need it on however many replicas.
//!
//! A turn in this process, then the row's lock, held over the call: whoever waited finds a newer version and takes that.
//! The refresh token is read under the lock, so a refusal is about the newest one there is: that read is the "one more
//! look" before a person is asked to sign in again. A pair that could not be committed is written again for a while,
//! because a rotating platform has forgotten the old one.

use std::time::Duration;

use domain::platform::Platform;
use sqlx::{PgConnection, Postgres, Transaction};
use tokio::time::{sleep, timeout};
use tracing::Instrument;

use super::{
    Account, Accounts, Error, Inner, Status, cache::Held, endpoint, gates::Turn, grant::Grant, millis,
    refused::Refused, rows,
};
use crate::{
    crypto::Field,
    http::Trouble,
    platforms::{Failure, name},
};

/// How long a caller waits; the refresh itself goes on.
const WHOLE: Duration = Duration::from_secs(14);
/// How long to wait for a turn and the row. A call takes at most 10 s.
const TURN: Duration = Duration::from_secs(13);
/// Above the longest call: a process that stands still loses the row to the others.
const HOLD: &str = "SET LOCAL idle_in_transaction_session_timeout = '20s'";
/// Pauses behind transient failures: doubled each time, up to the longest.
const PAUSE: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_secs(60);
/// The most that a platform's own `Retry-After` is heeded.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3_600);
/// A platform that gives a token which is due again at once is not asked for the next one before this.
const MAX_REST: Duration = Duration::from_secs(3_600);
/// How often a pair is written that could not be committed; with the pauses, for about forty seconds.
const WRITES: u32 = 24;
/// The pause in between, doubled each time.
const WRITE_PAUSE: Duration = Duration::from_millis(200);
const MAX_WRITE_PAUSE: Duration = Duration::from_secs(2);

impl Accounts {
    /// Another pair than `seen`'s, whoever gets it. Goes on when the caller gives up.
    pub(super) async fn replace(&self, seen: &Account) -> Result<Held, Failure> {
        let (this, seen, platform) = (self.clone(), seen.clone(), seen.platform);
        let work = async move { this.0.replace(&seen).await }.in_current_span();
        match timeout(WHOLE, self.0.tasks.spawn(work)).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(Failure::ours()),
            Err(_) => Err(Failure::trouble(platform, Trouble::Unknown)),
        }
    }
}

impl Inner {
    async fn replace(&self, seen: &Account) -> Result<Held, Failure> {
        let held = timeout(TURN, self.hold(seen)).await;
        let held = held.unwrap_or_else(|_| Err(Failure::trouble(seen.platform, Trouble::NotSent).into()));
        let (_turn, mut tx, account) = held.map_err(Error::into_failure)?;
        if account.token_version != seen.token_version {
            return self.newest(&mut tx, account).await.map_err(Error::into_failure);
        }
        check(&account, self.now_ms())?;
        let outcome = self.ask(&mut tx, &account).await.map_err(Error::into_failure)?;
        match outcome {
            Ok(grant) => self.keep_pair(tx, account, grant).await,
            Err(refused) => {
                let failure = self.note(&mut tx, &account, refused).await.map_err(Error::into_failure)?;
                tx.commit().await.map_err(|error| Error::from(error).into_failure())?;
                self.cache.remove(account.id);
                Err(failure)
            }
        }
    }

    /// Its turn in this process, and the row for this process.
    async fn hold(&self, seen: &Account) -> Result<(Turn, Transaction<'static, Postgres>, Account), Error> {
        let turn = self.gates.turn(seen.platform, seen.id).await;
        let mut tx = self.side.begin().await?;
        sqlx::query(HOLD).execute(&mut *tx).await?;
        let account = rows::lock(&mut tx, &seen.tenant, seen.id).await?.ok_or(Error::NotFound)?;
        Ok((turn, tx, account))
    }

    /// What somebody else has brought.
    async fn newest(&self, conn: &mut PgConnection, account: Account) -> Result<Held, Error> {
        if account.status == Status::ReauthRequired {
            return Err(dead(&account).into());
        }
        let access = self.open(conn, &account.tenant, account.id, Field::AccessToken).await?.ok_or(Error::NotFound)?;
        let held = Held { account, access };
        self.cache.put(&held, self.now_ms());
        Ok(held)
    }

    /// The one call.
    async fn ask(&self, conn: &mut PgConnection, account: &Account) -> Result<Result<Grant, Refused>, Error> {
        let provider = self.provider(account.platform)?;
        let facebook = account.platform == Platform::Facebook;
        let field = if facebook { Field::AccessToken } else { Field::RefreshToken };
        let Some(token) = self.open(conn, &account.tenant, account.id, field).await? else {
            return Ok(Err(Refused::Dead));
        };
        tracing::debug!(platform = %account.platform, account = %account.id, version = account.token_version, "asking for a new token");
        Ok(if facebook {
            endpoint::lengthen(provider, &self.http, &token).await
        } else {
            endpoint::refresh(provider, &self.http, &token).await
        })
    }

    pub(super) async fn keep_pair(
        &self,
        mut tx: Transaction<'static, Postgres>,
        account: Account,
        grant: Grant,
    ) -> Result<Held, Failure> {
        let new = self.renewed(&account, &grant);
        let mut written = self.store.bounded(self.write(&mut tx, &account, &new, &grant)).await;
        if written.is_ok() {
            written = tx.commit().await.map_err(Error::from);
        } else {
            drop(tx);
        }
        for turn in 1..WRITES {
            // Not found: the row is gone or newer, and waiting changes nothing.
            let Err(error @ (Error::Store(_) | Error::Vault(_))) = &written else { break };
            tracing::warn!(account = %account.id, error = crate::api::chain(error), "a new pair of tokens is not stored yet");
            sleep((WRITE_PAUSE * 2_u32.pow(turn.min(8) - 1)).min(MAX_WRITE_PAUSE)).await;
            written = self.store.bounded(self.write_anew(&account, &new, &grant)).await;
        }
        match written {
            Ok(()) => {}
            // Perhaps by ourselves: a commit whose answer was lost.
            Err(Error::NotFound) => return self.read(&account.tenant, account.id).await,
            Err(error) => return Err(error.into_failure()),
        }
        tracing::info!(platform = %new.platform, account = %new.id, version = new.token_version, "token refreshed");
        let held = Held { account: new, access: grant.access };
        self.cache.put(&held, self.now_ms());
        Ok(held)
    }

    pub(super) fn renewed(&self, account: &Account, grant: &Grant) -> Account {
        let now_ms = self.now_ms();
        let mut new = account.clone();
        new.token_version += 1;
        new.token_expires_ms = self.expires_ms(account.platform, grant.expires_in);
        new.refreshed_ms = now_ms;
        let rest = ((new.token_expires_ms - now_ms) / 2).clamp(0, millis(MAX_REST));
        new.refresh_after_ms = if new.is_due(now_ms) { now_ms + rest } else { 0 };
        (new.refresh_failures, new.status, new.fault) = (0, Status::Ok, None);
        new
    }

    async fn write(&self, conn: &mut PgConnection, old: &Account, new: &Account, grant: &Grant) -> Result<(), Error> {
        let (expires_ms, after_ms) = (new.token_expires_ms, new.refresh_after_ms);
        if !rows::refreshed(conn, old, expires_ms, after_ms, new.refreshed_ms).await? {
            return Err(Error::NotFound);
        }
        self.seal(conn, &new.tenant, new.id, grant).await
    }

    pub(super) async fn write_anew(&self, old: &Account, new: &Account, grant: &Grant) -> Result<(), Error> {
        let mut tx = self.store.begin().await?;
        self.write(&mut tx, old, new, grant).await?;
        Ok(tx.commit().await?)
    }

    /// Writes down why there is no new pair.
    async fn note(&self, conn: &mut PgConnection, account: &Account, refused: Refused) -> Result<Failure, Error> {
        let platform = account.platform;
        match refused {
            Refused::Dead => {
                let why = format!("{} does not accept our access to the account any more.", name(platform));
                let failure = Failure::reauth(platform, &why);
                rows::died(conn, account, &failure.fault).await?;
                tracing::warn!(%platform, account = %account.id, "the grant is gone: the person must sign in again");
                Ok(failure)
            }
            Refused::Code | Refused::Ours => {
                tracing::error!(%platform, account = %account.id, "the platform refuses this installation: check its client id and secret");
                self.postpone(conn, account, Failure::trouble(platform, Trouble::Nonsense)).await
            }
            Refused::Later(failure) => self.postpone(conn, account, failure).await,
        }
    }

    async fn postpone(&self, conn: &mut PgConnection, account: &Account, failure: Failure) -> Result<Failure, Error> {
        let doublings = u32::try_from(account.refresh_failures).unwrap_or_default().min(6);
        let pause = (PAUSE * 2_u32.pow(doublings)).min(MAX_PAUSE);
        let pause = pause.max(failure.after.unwrap_or_default().min(MAX_RETRY_AFTER));
        rows::postponed(conn, account, self.now_ms() + millis(pause)).await?;
        tracing::warn!(platform = %account.platform, account = %account.id, ?pause, code = failure.code(), "no new token yet");
        Ok(failure.after(Some(pause)))
    }
}

/// Whether the platform may be asked.
pub(super) fn check(account: &Account, now_ms: i64) -> Result<(), Failure> {
    if account.status == Status::ReauthRequired {
        return Err(dead(account));
    }
    match u64::try_from(account.refresh_after_ms - now_ms) {
        Ok(left) if left > 0 => {
            let after = Some(Duration::from_millis(left));
            Err(Failure::trouble(account.platform, Trouble::NotSent).after(after))
        }
        _ => Ok(()),
    }
}

/// Why a person must sign in again, as it was found out.
pub(super) fn dead(account: &Account) -> Failure {
    match &account.fault {
        Some(fault) => Failure::of(fault.clone()),
        None => Failure::reauth(account.platform, "The access to the account has ended."),
    }
}
