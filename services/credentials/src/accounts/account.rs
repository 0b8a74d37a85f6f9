//! A linked account, without its tokens.

use std::time::Duration;

use domain::{fault::Fault, ids::TenantId, platform::Platform};
use uuid::Uuid;
use wire::v1;

use super::millis;
use crate::platforms::AccountInfo;

/// Before a token's end, when a new one is taken; Twitch and YouTube.
const AHEAD: Duration = Duration::from_secs(5 * 60);
/// Facebook has no refresh token: a dead token can't be exchanged, so it is exchanged days ahead of its sixty.
const AHEAD_FACEBOOK: Duration = Duration::from_secs(10 * 86_400);

/// Whether its grant is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// As far as is known.
    Ok,
    /// It is gone: the person must sign in again.
    ReauthRequired,
}

impl Status {
    /// The name in the contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::ReauthRequired => "reauth_required",
        }
    }
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Ours; stays when the person signs in again.
    pub id: Uuid,
    /// Whose.
    pub tenant: TenantId,
    /// Where.
    pub platform: Platform,
    /// The platform's id of the person or channel.
    pub external_id: String,
    /// The platform's name of the person or channel.
    pub name: String,
    /// May be empty.
    pub picture_url: String,
    /// What was granted.
    pub scopes: Vec<String>,
    /// Whether it can be used.
    pub status: Status,
    /// Why not.
    pub fault: Option<Fault>,
    /// Grows with every new pair of tokens.
    pub token_version: i64,
    /// ms since 1970; 0: never, or unknown.
    pub token_expires_ms: i64,
    /// When it was first linked, ms since 1970.
    pub linked_ms: i64,
    pub(super) refreshed_ms: i64,
    pub(super) refresh_after_ms: i64,
    pub(super) refresh_failures: i32,
}

impl Account {
    /// What platforms' code is told of it.
    pub fn info(&self) -> AccountInfo {
        AccountInfo { id: self.id, external_id: self.external_id.clone(), name: self.name.clone() }
    }

    /// Whether a new token is due. Spread by account, so that those that were linked together don't all come at once.
    pub(super) fn is_due(&self, now_ms: i64) -> bool {
        self.token_expires_ms > 0 && self.token_expires_ms - now_ms <= self.ahead_ms()
    }

    /// Whether the token still works for so long.
    pub(super) fn lasts(&self, now_ms: i64, at_least: Duration) -> bool {
        self.token_expires_ms == 0 || self.token_expires_ms - now_ms > millis(at_least)
    }

    /// ± 10 %.
    fn ahead_ms(&self) -> i64 {
        let ahead = millis(if self.platform == Platform::Facebook { AHEAD_FACEBOOK } else { AHEAD });
        let spread = i64::from(self.id.as_bytes()[15]) - 128;
        ahead + ahead / 10 * spread / 128
    }
}

impl From<&Account> for v1::Account {
    fn from(account: &Account) -> Self {
        Self {
            id: account.id.to_string(),
            tenant_id: account.tenant.0.clone(),
            platform: v1::Platform::from(account.platform).into(),
            external_id: account.external_id.clone(),
            name: account.name.clone(),
            picture_url: account.picture_url.clone(),
            scopes: account.scopes.clone(),
            status: account.status.as_str().to_owned(),
            token_expires_at_ms: account.token_expires_ms,
            linked_at_ms: account.linked_ms,
            fault: account.fault.clone().map(v1::Fault::from),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(platform: Platform, last: u8, expires_ms: i64) -> Account {
        let mut id = *Uuid::nil().as_bytes();
        id[15] = last;
        Account {
            id: Uuid::from_bytes(id),
            tenant: TenantId("t".into()),
            platform,
            external_id: String::new(),
            name: String::new(),
            picture_url: String::new(),
            scopes: Vec::new(),
            status: Status::Ok,
            fault: None,
            token_version: 1,
            token_expires_ms: expires_ms,
            linked_ms: 0,
            refreshed_ms: 0,
            refresh_after_ms: 0,
            refresh_failures: 0,
        }
    }

    #[test]
    fn due_five_minutes_ahead_more_or_less() {
        let at = 1_000_000_000;
        for last in [0, 128, 255] {
            let twitch = account(Platform::Twitch, last, at);
            assert!(!twitch.is_due(at - 331_000) && twitch.is_due(at - 269_000) && twitch.is_due(at + 1), "{last}");
            let facebook = account(Platform::Facebook, last, at);
            assert!(!facebook.is_due(at - 86_400_000 * 12) && facebook.is_due(at - 86_400_000 * 9 + 1), "{last}");
        }
        assert!(!account(Platform::Facebook, 0, 0).is_due(at));
        assert!(account(Platform::Facebook, 0, 0).lasts(at, AHEAD));
    }
}
