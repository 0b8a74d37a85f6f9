//! The account a broadcast is made with.

use std::sync::Arc;

use domain::{
    fault::{Blame, Fault, Retry},
    ids::TenantId,
    platform::Platform,
};
use secret::SecretString;
use uuid::Uuid;

use crate::{
    accounts::{Accounts, Status},
    platforms::{AccountInfo, Failure, Token, Tokens, not_configured},
};

/// An account and its tokens.
#[derive(Clone)]
pub struct Account {
    /// Who; platforms with one token for the whole installation have nobody.
    pub info: Option<AccountInfo>,
    /// The tokens.
    pub tokens: Arc<dyn Tokens>,
}

impl Account {
    /// Our id of it.
    pub fn id(&self) -> Option<Uuid> {
        self.info.as_ref().map(|info| info.id)
    }
}

/// Where accounts come from.
#[tonic::async_trait]
pub trait Linked: Send + Sync {
    /// A tenant's account by its id, or the only one that the tenant has on the platform.
    ///
    /// # Errors
    /// `account_not_linked`, `account_ambiguous`, `reauth_required`, or our own side.
    async fn account(&self, tenant: &TenantId, platform: Platform, id: Option<Uuid>) -> Result<Account, Failure>;
}

/// Linked accounts; for Cloudflare the installation's token.
#[derive(Clone)]
pub struct FromAccounts {
    /// Of people.
    pub accounts: Accounts,
    /// Of the installation.
    pub cloudflare: Option<SecretString>,
}

#[tonic::async_trait]
impl Linked for FromAccounts {
    async fn account(&self, tenant: &TenantId, platform: Platform, id: Option<Uuid>) -> Result<Account, Failure> {
        if platform == Platform::Cloudflare {
            let token = self.cloudflare.clone().ok_or_else(|| not_configured(platform))?;
            return Ok(Account { info: None, tokens: Arc::new(Installation(token)) });
        }
        let account = match id {
            None => self.accounts.only(tenant, platform).await?,
            Some(id) => {
                let found = self.accounts.find(tenant, id).await.map_err(crate::accounts::Error::into_failure)?;
                found.filter(|account| account.platform == platform).ok_or_else(not_linked)?
            }
        };
        if account.status == Status::ReauthRequired {
            let again = || Failure::reauth(platform, "The sign-in is not valid any more.");
            return Err(account.fault.map_or_else(again, Failure::of));
        }
        Ok(Account { info: Some(account.info()), tokens: self.accounts.tokens(&account) })
    }
}

fn not_linked() -> Failure {
    let message = "The account of this destination is not linked any more. Sign in again and choose it.";
    Failure::permanent("account_not_linked", message)
}

/// One token that never changes.
struct Installation(SecretString);

#[tonic::async_trait]
impl Tokens for Installation {
    async fn token(&self) -> Result<Token, Failure> {
        Ok(Token { secret: self.0.clone(), version: 0 })
    }

    async fn renew(&self, _: &Token) -> Result<Token, Failure> {
        let message = "Cloudflare does not accept this installation's API token. Tell its operator.";
        Err(Failure::of(Fault::new(Blame::Us, Retry::Permanent, "platform_not_configured", message)))
    }
}
