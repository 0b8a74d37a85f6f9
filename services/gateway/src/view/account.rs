//! Linked accounts and sign-ins, as people see them. Tokens are nowhere.

use serde::Serialize;
use utoipa::ToSchema;
use wire::v1;

use super::{
    destination::{FaultView, platform_name},
    rfc3339, some_text,
};

/// A linked account of a platform.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Account)]
pub struct AccountView {
    /// Its id here, a UUID: the `account_id` of destinations.
    pub id: String,
    /// youtube, twitch or facebook.
    #[schema(example = "youtube")]
    pub platform: &'static str,
    /// The platform's id of the person or channel.
    pub external_id: String,
    /// The platform's name of the person or channel.
    pub name: String,
    /// Its picture there.
    pub picture_url: Option<String>,
    /// What was allowed.
    pub scopes: Vec<String>,
    /// ok, or reauth_required: sign in again.
    #[schema(example = "ok")]
    pub status: String,
    /// When the present access token ends, RFC 3339; it is renewed by itself before. `null`: never, or unknown.
    pub token_expires_at: Option<String>,
    /// RFC 3339.
    pub linked_at: Option<String>,
    /// Why a person must sign in again.
    pub error: Option<FaultView>,
}

impl From<v1::Account> for AccountView {
    fn from(account: v1::Account) -> Self {
        Self {
            id: account.id,
            platform: platform_name(account.platform),
            external_id: account.external_id,
            name: account.name,
            picture_url: some_text(account.picture_url),
            scopes: account.scopes,
            status: some_text(account.status).unwrap_or_else(|| "ok".to_owned()),
            token_expires_at: rfc3339(account.token_expires_at_ms),
            linked_at: rfc3339(account.linked_at_ms),
            error: account.fault.and_then(FaultView::of),
        }
    }
}

/// Where a sign-in begins.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SignIn {
    /// Send the person there. Good for ten minutes and once.
    #[schema(example = "https://accounts.google.com/o/oauth2/v2/auth?…")]
    pub auth_url: String,
    /// Comes back with the code; compare it, and send both.
    #[schema(example = "random_state_token")]
    pub state: String,
}

/// A destination and the account it belongs to now.
#[derive(Debug, Serialize, ToSchema)]
pub struct LinkedDestination {
    /// The destination's id, a UUID.
    pub id: String,
    /// The stream it belongs to.
    pub stream_id: String,
    /// youtube, twitch or facebook.
    #[schema(example = "youtube")]
    pub platform: &'static str,
    /// The destination's name.
    pub name: String,
    /// When the access token ends, RFC 3339; it is renewed by itself before. `null`: never, or unknown.
    pub token_expires_at: Option<String>,
    /// The account.
    pub account: AccountView,
}

impl LinkedDestination {
    /// Of a destination and its account.
    pub fn of(destination: v1::Destination, account: v1::Account) -> Self {
        let account = AccountView::from(account);
        Self {
            id: destination.id,
            stream_id: destination.stream_id,
            platform: platform_name(destination.platform),
            name: destination.name,
            token_expires_at: account.token_expires_at.clone(),
            account,
        }
    }
}

/// An account that is linked no longer.
#[derive(Debug, Serialize, ToSchema)]
pub struct Unlinked {
    /// The account's id.
    pub id: String,
    /// Whether the platform confirmed that our access is withdrawn. If not, withdraw it in the platform's own settings.
    pub revoked: bool,
}
