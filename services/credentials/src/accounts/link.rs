//! Signing in: the page's address, and what the redirect brings back.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{ids::TenantId, platform::Platform};
use ring::{
    digest::{SHA256, digest},
    rand::{SecureRandom, SystemRandom},
};
use secret::{ExposeSecret, SecretString, Zeroizing};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::{
    Account, Accounts, Error, Inner, MAX_ACCOUNTS, endpoint,
    grant::Grant,
    millis,
    pending::{self, Pending},
    profile::{self, Profile},
    provider::Provider,
    refused::Refused,
    rows::{self, Linked},
    scopes,
};
use crate::{
    crypto::{Broken, Field, Place, Table},
    http::Trouble,
    platforms::{Budget, Failure, Purpose, name},
    store, vault,
};

/// How long a person may take.
const PENDING: Duration = Duration::from_secs(10 * 60);
/// Sign-ins of one tenant that are begun and not ended; one more pushes the oldest out.
const MAX_PENDING: i64 = 20;
/// 256 bits.
const STATE_BYTES: usize = 32;
/// Longer than any code that is known.
const MAX_CODE_BYTES: usize = 4_096;
/// The platform's part of the end of a sign-in. Callers wait 15 s.
const FINISH: Duration = Duration::from_secs(12);
/// How often the grant of a finished sign-in is written, each time within the store's own bound.
const KEEPS: u32 = 4;
const KEEP_PAUSE: Duration = Duration::from_millis(200);

/// A sign-in that was begun. `Debug` shows neither part.
#[derive(Clone)]
pub struct Begun {
    /// The platform's page, for the person's browser.
    pub auth_url: String,
    /// Comes back with the redirect.
    pub state: String,
}

impl std::fmt::Debug for Begun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Begun(***)")
    }
}

impl Accounts {
    /// Begins a sign-in. It can be ended once, by the same tenant, within ten minutes.
    ///
    /// # Errors
    /// [`Error::NotConfigured`]; the vault or its database is away.
    pub async fn begin_link(&self, tenant: &TenantId, platform: Platform) -> Result<Begun, Error> {
        let this = &*self.0;
        let provider = this.provider(platform)?;
        let state = state()?;
        let page = provider.page(&state);
        let (id, now_ms) = (Uuid::now_v7(), this.now_ms());
        let state_sha256 = sha256(&state);
        let new = Pending { id, tenant, platform, state_sha256: &state_sha256, expires_ms: now_ms + millis(PENDING) };
        let work = async {
            let mut tx = this.store.begin().await?;
            pending::begin(&mut tx, &new, now_ms, MAX_PENDING).await?;
            if let Some(verifier) = &page.verifier {
                this.vault.seal_in(&mut tx, verifier_of(tenant, id), verifier).await?;
            }
            tx.commit().await?;
            Ok::<_, Error>(())
        };
        this.store.bounded(work).await?;
        tracing::info!(%platform, authorization = %id, "a sign-in begins");
        Ok(Begun { auth_url: page.url, state })
    }

    /// Ends a sign-in with the code of the redirect: the account is linked, or brought up to date under its old id. The
    /// sign-in is used up whatever comes of it; an empty code says that the redirect had an error instead.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn finish_link(
        &self,
        tenant: &TenantId,
        platform: Platform,
        code: SecretString,
        state: Option<&str>,
    ) -> Result<Account, Error> {
        let this = &*self.0;
        let provider = this.provider(platform)?;
        if code.expose_secret().len() > MAX_CODE_BYTES {
            return Err(Error::Exchange(platform, "this is not a code. Send the one of the redirect."));
        }
        let verifier = this.store.bounded(this.take(tenant, platform, state)).await?;
        if code.expose_secret().is_empty() {
            return Err(Error::Denied(platform));
        }
        let asking = this.sign_in(provider, code, verifier);
        let asked = timeout(FINISH, asking).await;
        let asked = asked.unwrap_or_else(|_| Err(Failure::trouble(platform, Trouble::Unknown).into()));
        let (grant, profile) = asked.map_err(|error| by_hand(platform, error))?;
        let account = this.keep_for_sure(tenant, platform, &grant, &profile).await?;
        this.cache.remove(account.id);
        tracing::info!(%platform, account = %account.id, "account linked");
        Ok(account)
    }
}

impl Inner {
    /// Uses up the pending sign-in and returns its verifier.
    async fn take(
        &self,
        tenant: &TenantId,
        platform: Platform,
        state: Option<&str>,
    ) -> Result<Option<SecretString>, Error> {
        let now_ms = self.now_ms();
        let mut tx = self.store.begin().await?;
        let state_sha256 = match state {
            Some(state) => sha256(state),
            None if self.require_state => return Err(Error::StateRequired),
            None => match pending::two(&mut tx, tenant, platform, now_ms).await?.as_slice() {
                [] => return Err(Error::UnknownAuthorization),
                [one] => one.clone(),
                _ => return Err(Error::SeveralAuthorizations),
            },
        };
        let taken = pending::take(&mut tx, tenant, platform, &state_sha256, now_ms).await?;
        let id = taken.ok_or(Error::UnknownAuthorization)?;
        let verifier = self.vault.open_in(&mut tx, &verifier_of(tenant, id)).await?;
        store::secrets::delete(&mut tx, tenant, Table::Authorization, id).await?;
        tx.commit().await?;
        Ok(verifier)
    }

    /// The platform's part.
    async fn sign_in(
        &self,
        provider: &Provider,
        code: SecretString,
        verifier: Option<SecretString>,
    ) -> Result<(Grant, Profile), Error> {
        let platform = provider.platform;
        let exchanged = endpoint::exchange(provider, &self.http, code, verifier).await;
        let mut grant = exchanged.map_err(|refused| not_exchanged(platform, refused))?;
        if platform == Platform::Facebook {
            let longer = endpoint::lengthen(provider, &self.http, &grant.access).await;
            grant = longer.map_err(|refused| not_exchanged(platform, refused))?;
            grant.scopes = Some(profile::granted(provider, &self.http, &grant.access).await?);
        } else if grant.refresh.is_none() {
            let why = "it gave no lasting permission. Remove this product from the connected apps of your account there, then sign in again.";
            return Err(Error::Exchange(platform, why));
        }
        // Left out means: as asked for (RFC 6749, 5.1).
        let asked = || scopes::asked(platform).into_iter().map(str::to_owned).collect();
        let granted = grant.scopes.get_or_insert_with(asked);
        let missing = scopes::missing(platform, granted);
        if !missing.is_empty() {
            return Err(Error::ScopeMissing(platform, missing));
        }
        let profile = self.who(provider, &grant.access).await?;
        Ok((grant, profile))
    }

    async fn who(&self, provider: &Provider, token: &SecretString) -> Result<Profile, Failure> {
        if provider.platform == Platform::Youtube {
            self.quota.spend(1, Purpose::GoLive).await?;
        }
        let profile = profile::profile(provider, &self.http, token).await;
        if profile.as_ref().is_err_and(|failure| failure.code() == "platform_quota_exceeded") {
            self.quota.exhausted().await;
        }
        profile
    }

    /// Row and tokens in one transaction.
    /// The code is used up: a row that a refresh holds, or a database that is away for a moment, must not lose the grant.
    async fn keep_for_sure(
        &self,
        tenant: &TenantId,
        platform: Platform,
        grant: &Grant,
        profile: &Profile,
    ) -> Result<Account, Error> {
        for _ in 1..KEEPS {
            match self.store.bounded(self.keep(tenant, platform, grant, profile)).await {
                Err(Error::Store(error)) => {
                    tracing::warn!(%platform, error = crate::api::chain(&error), "a sign-in is not stored yet");
                    sleep(KEEP_PAUSE).await;
                }
                outcome => return outcome,
            }
        }
        self.store.bounded(self.keep(tenant, platform, grant, profile)).await
    }

    async fn keep(
        &self,
        tenant: &TenantId,
        platform: Platform,
        grant: &Grant,
        profile: &Profile,
    ) -> Result<Account, Error> {
        let expires_ms = self.expires_ms(platform, grant.expires_in);
        let scopes = grant.scopes.as_deref().unwrap_or_default();
        let linked = Linked { tenant, platform, profile, scopes, expires_ms, now_ms: self.now_ms() };
        let mut tx = self.store.begin().await?;
        if rows::others(&mut tx, &linked).await? >= MAX_ACCOUNTS {
            return Err(Error::TooMany);
        }
        let id = rows::link(&mut tx, &linked).await?;
        self.seal(&mut tx, tenant, id, grant).await?;
        let account = rows::find(&mut tx, tenant, id).await?.ok_or(Error::NotFound)?;
        tx.commit().await?;
        Ok(account)
    }
}

/// Nothing tries a sign-in again by itself: the code is used up.
fn by_hand(platform: Platform, error: Error) -> Error {
    match error {
        Error::Platform(mut failure) if failure.is_transient() && failure.code() != "platform_quota_exceeded" => {
            failure.fault.message = format!(
                "{} does not answer properly at the moment. Begin the sign-in again in a minute.",
                name(platform)
            );
            Error::Platform(failure)
        }
        error => error,
    }
}

fn not_exchanged(platform: Platform, refused: Refused) -> Error {
    match refused {
        Refused::Dead | Refused::Code => {
            Error::Exchange(platform, "the code is unknown, already used or too old. Begin the sign-in again.")
        }
        Refused::Ours => {
            tracing::error!(%platform, "the platform refuses this installation: check its client id, secret and redirect URI");
            let message =
                format!("{} refuses this installation. Its operator must check its application there.", name(platform));
            Failure::permanent("platform_refused", message).into()
        }
        Refused::Later(failure) => failure.into(),
    }
}

fn state() -> Result<String, Error> {
    let mut bytes = Zeroizing::new([0; STATE_BYTES]);
    SystemRandom::new().fill(bytes.as_mut_slice()).map_err(|_| vault::Error::Seal(Broken))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes.as_slice()))
}

fn sha256(state: &str) -> Vec<u8> {
    digest(&SHA256, state.as_bytes()).as_ref().to_vec()
}

fn verifier_of(tenant: &TenantId, id: Uuid) -> Place {
    Place::new(tenant.clone(), Table::Authorization, id, Field::Verifier)
}
