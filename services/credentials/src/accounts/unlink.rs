//! Unlinking: the tokens are gone first, then the platform is told, as far as it listens.

use std::time::Duration;

use domain::{ids::TenantId, platform::Platform};
use secret::{ExposeSecret, SecretString};
use tokio::time::timeout;
use tracing::Instrument;
use uuid::Uuid;

use super::{Account, Accounts, Error, Inner, rows};
use crate::{
    crypto::{Field, Table},
    store::secrets,
};

/// The platform's part.
const REVOKE: Duration = Duration::from_secs(6);

/// What to hand back to the platform.
#[derive(Default)]
struct Left {
    access: Option<SecretString>,
    refresh: Option<SecretString>,
    /// Somebody else has linked the same account: revoking would end that link too.
    shared: bool,
}

impl Accounts {
    /// Forgets an account and every token of it, and revokes them at the platform. Whether the platform confirmed it;
    /// not asked when another tenant has linked the same account, because platforms revoke all of an account at once.
    /// Goes on when the caller gives up.
    ///
    /// # Errors
    /// [`Error::NotFound`]; the database is away: nothing has changed then.
    pub async fn unlink(&self, tenant: &TenantId, id: Uuid) -> Result<bool, Error> {
        let (this, tenant) = (self.clone(), tenant.clone());
        let work = async move { this.0.unlink(&tenant, id).await }.in_current_span();
        self.0.tasks.spawn(work).await.unwrap_or(Ok(false))
    }
}

impl Inner {
    async fn unlink(&self, tenant: &TenantId, id: Uuid) -> Result<bool, Error> {
        // A refresh holds the row for seconds; the deletion waits for it on a connection that nobody else needs.
        let known = self.store.bounded(async {
            let mut conn = self.store.pool().acquire().await?;
            Ok::<_, Error>(rows::find(&mut conn, tenant, id).await?)
        });
        let turn = match known.await? {
            Some(account) => self.gates.turn(account.platform, id).await,
            None => return Err(Error::NotFound),
        };
        let forgotten = self.forget(tenant, id).await;
        drop(turn);
        self.cache.remove(id);
        let (account, left) = forgotten?;
        tracing::info!(platform = %account.platform, account = %id, "account unlinked");
        if left.shared {
            return Ok(false);
        }
        let revoked = timeout(REVOKE, self.revoke(&account, &left)).await.unwrap_or(false);
        if !revoked {
            tracing::warn!(platform = %account.platform, account = %id, "the platform did not confirm the revocation");
        }
        Ok(revoked)
    }

    async fn forget(&self, tenant: &TenantId, id: Uuid) -> Result<(Account, Left), Error> {
        let mut tx = self.side.begin().await?;
        let account = rows::lock(&mut tx, tenant, id).await?.ok_or(Error::NotFound)?;
        // What does not open can't be revoked, and is deleted all the same.
        let access = self.open(&mut tx, tenant, id, Field::AccessToken).await.unwrap_or_default();
        let refresh = self.open(&mut tx, tenant, id, Field::RefreshToken).await.unwrap_or_default();
        let shared = rows::is_shared(&mut tx, &account).await?;
        rows::delete(&mut tx, &account).await?;
        secrets::delete(&mut tx, tenant, Table::Account, id).await?;
        tx.commit().await?;
        Ok((account, Left { access, refresh, shared }))
    }

    async fn revoke(&self, account: &Account, left: &Left) -> bool {
        let Ok(provider) = self.provider(account.platform) else { return false };
        let client = self.http.client();
        let request = match (account.platform, &left.access, &left.refresh) {
            // Either token does; the refresh token is the one that is alive.
            (Platform::Youtube, access, refresh) => {
                let Some(token) = refresh.as_ref().or(access.as_ref()) else { return false };
                client.post(&provider.revoke_url).form(&[("token", token.expose_secret())])
            }
            (Platform::Twitch, Some(access), _) => {
                let form = [("client_id", provider.client_id.as_str()), ("token", access.expose_secret())];
                client.post(&provider.revoke_url).form(&form)
            }
            (Platform::Facebook, Some(access), _) => {
                client.delete(&provider.revoke_url).query(&[("access_token", access.expose_secret())])
            }
            _ => return false,
        };
        self.http.send(request).await.is_ok_and(|reply| reply.status.is_success())
    }
}
