//! Our registration with one platform: ids, addresses and permissions, and the page where a person signs in.

use std::fmt;

use domain::platform::Platform;
use oauth2::{
    AuthType, AuthUrl, ClientId, ClientSecret, CsrfToken, EndpointNotSet, EndpointSet, PkceCodeChallenge, RedirectUrl,
    StandardRevocableToken, TokenUrl,
    basic::{BasicRevocationErrorResponse, BasicTokenIntrospectionResponse},
};
use secret::{ExposeSecret, SecretString};

use super::{
    grant::{Answer, ErrorAnswer},
    scopes,
};
use crate::platforms::PlatformsConfig;

/// The `oauth2` crate's client with our answers: Twitch's `scope` is a list.
pub(super) type Client = oauth2::Client<
    ErrorAnswer,
    Answer,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

/// One platform with a sign-in.
pub(super) struct Provider {
    pub platform: Platform,
    pub client_id: String,
    pub client_secret: SecretString,
    client: Client,
    /// Where the code and the refresh token go.
    pub token_url: String,
    pub revoke_url: String,
    /// Twitch only.
    pub validate_url: String,
    /// Base of the API that knows the account's name.
    pub api: String,
}

/// A sign-in as it is begun.
pub(super) struct Page {
    pub url: String,
    /// For platforms with PKCE.
    pub verifier: Option<SecretString>,
}

impl Provider {
    /// `None` when the configuration lacks it, or it has no sign-in.
    pub(super) fn new(config: &PlatformsConfig, platform: Platform) -> Option<Self> {
        let below = |base: &str, path: &str| format!("{}{path}", base.trim_end_matches('/'));
        let (id, secret, redirect) = match platform {
            Platform::Youtube => {
                (&config.youtube_client_id, &config.youtube_client_secret, &config.youtube_redirect_uri)
            }
            Platform::Twitch => (&config.twitch_client_id, &config.twitch_client_secret, &config.twitch_redirect_uri),
            Platform::Facebook => (&config.facebook_app_id, &config.facebook_app_secret, &config.facebook_redirect_uri),
            Platform::Cloudflare | Platform::RtmpCustom => return None,
        };
        let (auth_url, token_url, revoke_url, validate_url, api) = match platform {
            Platform::Youtube => (
                config.google_auth_url.clone(),
                config.google_token_url.clone(),
                config.google_revoke_url.clone(),
                String::new(),
                config.youtube_api_url.clone(),
            ),
            Platform::Twitch => (
                below(&config.twitch_oauth_url, "/authorize"),
                below(&config.twitch_oauth_url, "/token"),
                below(&config.twitch_oauth_url, "/revoke"),
                below(&config.twitch_oauth_url, "/validate"),
                config.twitch_api_url.clone(),
            ),
            _ => (
                config.facebook_dialog_url.clone(),
                below(&config.facebook_graph_url, "/oauth/access_token"),
                below(&config.facebook_graph_url, "/me/permissions"),
                String::new(),
                config.facebook_graph_url.clone(),
            ),
        };
        let given = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
        let client_id = given(id)?;
        let client_secret = secret.clone().filter(|secret| !secret.expose_secret().trim().is_empty())?;
        let urls = (AuthUrl::new(auth_url), TokenUrl::new(token_url.clone()), RedirectUrl::new(given(redirect)?));
        let (Ok(auth), Ok(token), Ok(redirect)) = urls else {
            tracing::error!(%platform, "a URL of this platform's configuration is malformed: nobody can sign in to it");
            return None;
        };
        let client = oauth2::Client::new(ClientId::new(client_id.clone()))
            .set_client_secret(ClientSecret::new(client_secret.expose_secret().to_owned()))
            .set_auth_type(AuthType::RequestBody)
            .set_auth_uri(auth)
            .set_token_uri(token)
            .set_redirect_uri(redirect);
        let api = api.trim_end_matches('/').to_owned();
        Some(Self { platform, client_id, client_secret, client, token_url, revoke_url, validate_url, api })
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// The page for this state.
    ///
    /// Google: without `access_type=offline` there is no refresh token, without `prompt=consent` there is one only the
    /// first time. Twitch and Facebook: the person is asked again, so that another account or a permission that was
    /// refused before can be chosen.
    pub(super) fn page(&self, state: &str) -> Page {
        let request = self.client.authorize_url(|| CsrfToken::new(state.to_owned()));
        let asked = scopes::asked(self.platform);
        match self.platform {
            Platform::Youtube => {
                // Documented for installed apps; a confidential client may send it too, and whoever steals the code can't
                // use it without the verifier.
                let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
                let request = request
                    .set_pkce_challenge(challenge)
                    .add_extra_param("access_type", "offline")
                    .add_extra_param("prompt", "consent")
                    .add_extra_param("include_granted_scopes", "true")
                    .add_extra_param("scope", asked.join(" "));
                Page { url: request.url().0.into(), verifier: Some(SecretString::from(verifier.into_secret())) }
            }
            Platform::Twitch => {
                let request = request.add_extra_param("scope", asked.join(" ")).add_extra_param("force_verify", "true");
                Page { url: request.url().0.into(), verifier: None }
            }
            _ => {
                let request =
                    request.add_extra_param("scope", asked.join(",")).add_extra_param("auth_type", "rerequest");
                Page { url: request.url().0.into(), verifier: None }
            }
        }
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Provider({})", self.platform)
    }
}
