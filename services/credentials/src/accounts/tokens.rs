//! Tokens for the platforms' calls.

use std::{sync::Arc, time::Duration};

use domain::ids::TenantId;
use uuid::Uuid;

use super::{
    Account, Accounts, Error, Inner, Status,
    cache::Held,
    error::not_linked,
    millis,
    refresh::{check, dead},
    rows,
};
use crate::{
    crypto::Field,
    http::Trouble,
    platforms::{Failure, Token, Tokens},
    store,
};

/// A token that lasts less is not given out while a new one can't be had.
const USABLE: Duration = Duration::from_secs(10);
/// While somebody else gets a new one, the old one is given out if it lasts so long.
const UNHURRIED: Duration = Duration::from_secs(30);
/// A platform that refuses every token it gives is not asked for the next one before this.
const RENEW_EVERY: Duration = Duration::from_secs(10);

impl Accounts {
    /// The tokens of an account, for as long as somebody needs them.
    pub fn tokens(&self, account: &Account) -> Arc<dyn Tokens> {
        Arc::new(OfAccount { accounts: self.clone(), tenant: account.tenant.clone(), id: account.id })
    }

    /// A new pair now, because a person asks for it.
    ///
    /// # Errors
    /// [`Error::NotFound`], or [`Error::Platform`] as in [`Tokens::token`].
    pub async fn refresh(&self, tenant: &TenantId, id: Uuid) -> Result<Account, Error> {
        let account = self.find(tenant, id).await?.ok_or(Error::NotFound)?;
        check(&account, self.0.now_ms())?;
        Ok(self.replace(&account).await?.account)
    }
}

struct OfAccount {
    accounts: Accounts,
    tenant: TenantId,
    id: Uuid,
}

#[tonic::async_trait]
impl Tokens for OfAccount {
    async fn token(&self) -> Result<Token, Failure> {
        let this = &*self.accounts.0;
        let held = match this.cache.get(self.id, this.now_ms()) {
            Some(held) => held,
            None => this.read(&self.tenant, self.id).await?,
        };
        let (account, now_ms) = (&held.account, this.now_ms());
        if !account.is_due(now_ms) || account.lasts(now_ms, UNHURRIED) && this.gates.is_taken(self.id) {
            return Ok(token(&held));
        }
        let new = match check(account, now_ms) {
            Ok(()) => self.accounts.replace(account).await,
            Err(failure) => Err(failure),
        };
        match new {
            Ok(new) => Ok(token(&new)),
            Err(failure) if failure.is_transient() && account.lasts(this.now_ms(), USABLE) => Ok(token(&held)),
            Err(failure) => Err(failure),
        }
    }

    async fn renew(&self, rejected: &Token) -> Result<Token, Failure> {
        let this = &*self.accounts.0;
        let held = this.read(&self.tenant, self.id).await?;
        let account = &held.account;
        if account.token_version > rejected.version {
            return Ok(token(&held));
        }
        if this.now_ms() - account.refreshed_ms < millis(RENEW_EVERY) {
            let failure = Failure::trouble(account.platform, Trouble::Nonsense);
            return Err(failure.after(Some(RENEW_EVERY)));
        }
        Ok(token(&self.accounts.replace(account).await?))
    }
}

impl Inner {
    /// The account and its token. The row first: a pair that changes in between carries the older number, and is at
    /// worst handed out once more.
    pub(super) async fn read(&self, tenant: &TenantId, id: Uuid) -> Result<Held, Failure> {
        let work = async {
            let mut conn = self.store.pool().acquire().await.map_err(store::Error::from)?;
            let Some(account) = rows::find(&mut conn, tenant, id).await? else { return Err(not_linked().into()) };
            if account.status == Status::ReauthRequired {
                return Err(dead(&account).into());
            }
            let access = self.open(&mut conn, tenant, id, Field::AccessToken).await?.ok_or_else(not_linked)?;
            Ok::<_, Error>(Held { account, access })
        };
        let held = self.store.bounded(work).await;
        let held = held.inspect_err(|_| self.cache.remove(id)).map_err(Error::into_failure)?;
        self.cache.put(&held, self.now_ms());
        Ok(held)
    }
}

fn token(held: &Held) -> Token {
    Token { secret: held.access.clone(), version: held.account.token_version }
}
