//! What must happen to accounts that nobody uses just now: Twitch asks for a validation every hour (and audits it),
//! Facebook's tokens are exchanged days before they end, and sign-ins that were never ended are forgotten.

use std::time::Duration;

use domain::{ids::TenantId, platform::Platform};
use secret::ExposeSecret;
use service_kit::Shutdown;
use tokio::time::{MissedTickBehavior, interval};
use uuid::Uuid;

use super::{Accounts, Error, millis, pending, rows};
use crate::platforms::{Failure, Token};

/// How often to look.
const EVERY: Duration = Duration::from_secs(30);
/// Twitch's rule.
const VALIDATE_EVERY: Duration = Duration::from_secs(3_600);
/// When Twitch did not answer.
const VALIDATE_AGAIN: Duration = Duration::from_secs(5 * 60);
/// The longest that a Facebook token is exchanged ahead, with the spread.
const AHEAD: Duration = Duration::from_secs(11 * 86_400);
/// Accounts of one look. More are taken by the next one, or by another replica.
const BATCH: i64 = 50;

impl Accounts {
    /// Looks until the soft shutdown; then waits for the refreshes under way. Any number of replicas may run it.
    pub async fn run(self, shutdown: Shutdown) {
        let mut tick = interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                () = shutdown.soft.cancelled() => break,
            }
            tokio::select! {
                () = self.maintain() => {}
                () = shutdown.soft.cancelled() => break,
            }
        }
        self.0.tasks.close();
        tokio::select! {
            () = self.0.tasks.wait() => {}
            () = shutdown.hard.cancelled() => tracing::warn!("refreshes are left behind"),
        }
    }

    /// One look.
    pub(super) async fn maintain(&self) {
        for outcome in [self.sweep().await, self.validate_due().await, self.exchange_due().await] {
            if let Err(error) = outcome {
                tracing::warn!(error = crate::api::chain(&error), "maintenance of accounts is late");
            }
        }
    }

    async fn sweep(&self) -> Result<(), Error> {
        let now_ms = self.0.now_ms();
        let work = async {
            let mut conn = self.0.store.pool().acquire().await?;
            Ok(pending::sweep(&mut conn, now_ms).await?)
        };
        self.0.store.bounded(work).await.map(drop)
    }

    async fn exchange_due(&self) -> Result<(), Error> {
        let now_ms = self.0.now_ms();
        let work = async {
            let mut conn = self.0.store.pool().acquire().await?;
            Ok::<_, Error>(rows::ending(&mut conn, Platform::Facebook, now_ms + millis(AHEAD), now_ms, BATCH).await?)
        };
        let ending = self.0.store.bounded(work).await?;
        for account in ending.iter().filter(|account| account.is_due(now_ms)) {
            // Noted on the row, and in the log, where it is refused.
            let _ = self.replace(account).await;
        }
        Ok(())
    }

    async fn validate_due(&self) -> Result<(), Error> {
        if !self.configured(Platform::Twitch) {
            return Ok(());
        }
        let now_ms = self.0.now_ms();
        let before_ms = now_ms - millis(VALIDATE_EVERY);
        let work = async {
            let mut conn = self.0.store.pool().acquire().await?;
            Ok::<_, Error>(rows::claim_unvalidated(&mut conn, Platform::Twitch, before_ms, now_ms, BATCH).await?)
        };
        for (id, tenant) in self.0.store.bounded(work).await? {
            let outcome = self.validate(&tenant, id).await;
            if outcome.is_err_and(|failure| failure.is_transient()) {
                self.validated(id, before_ms + millis(VALIDATE_AGAIN)).await?;
            }
        }
        Ok(())
    }

    async fn validated(&self, id: Uuid, at_ms: i64) -> Result<(), Error> {
        let work = async {
            let mut conn = self.0.store.pool().acquire().await?;
            Ok(rows::validated(&mut conn, id, at_ms).await?)
        };
        self.0.store.bounded(work).await
    }

    /// A token that Twitch does not know any more is replaced; if that fails too, the grant is gone.
    async fn validate(&self, tenant: &TenantId, id: Uuid) -> Result<(), Failure> {
        let Some(account) = self.find(tenant, id).await.map_err(Error::into_failure)? else { return Ok(()) };
        let tokens = self.tokens(&account);
        let token = tokens.token().await?;
        if self.is_valid(&token).await? {
            return Ok(());
        }
        tokens.renew(&token).await.map(drop)
    }

    async fn is_valid(&self, token: &Token) -> Result<bool, Failure> {
        let this = &*self.0;
        let provider = this.provider(Platform::Twitch).map_err(Error::into_failure)?;
        let mut authorization =
            reqwest::header::HeaderValue::try_from(format!("OAuth {}", token.secret.expose_secret()))
                .map_err(|_| Failure::ours())?;
        authorization.set_sensitive(true);
        let request = this.http.client().get(&provider.validate_url).header("authorization", authorization);
        let reply = this.http.send(request).await.map_err(|trouble| Failure::trouble(Platform::Twitch, trouble))?;
        match reply.status.as_u16() {
            200 => Ok(true),
            401 => Ok(false),
            429 => Err(Failure::rate_limited(Platform::Twitch, reply.retry_after())),
            _ => Err(Failure::trouble(Platform::Twitch, crate::http::Trouble::Nonsense)),
        }
    }
}
