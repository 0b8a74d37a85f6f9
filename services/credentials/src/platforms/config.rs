//! The platforms' part of the configuration: what the product guide names, and every base URL.

use secret::SecretString;

/// Environment variables of all platforms. A platform without its id and secret is not configured.
#[derive(Clone, Debug, clap::Args)]
#[allow(missing_docs)] // the names say it
pub struct PlatformsConfig {
    #[arg(long, env = "YOUTUBE_CLIENT_ID")]
    pub youtube_client_id: Option<String>,
    #[arg(long, env = "YOUTUBE_CLIENT_SECRET", hide_env_values = true)]
    pub youtube_client_secret: Option<SecretString>,
    #[arg(long, env = "YOUTUBE_REDIRECT_URI")]
    pub youtube_redirect_uri: Option<String>,
    #[arg(long, env = "TWITCH_CLIENT_ID")]
    pub twitch_client_id: Option<String>,
    #[arg(long, env = "TWITCH_CLIENT_SECRET", hide_env_values = true)]
    pub twitch_client_secret: Option<SecretString>,
    #[arg(long, env = "TWITCH_REDIRECT_URI")]
    pub twitch_redirect_uri: Option<String>,
    #[arg(long, env = "FACEBOOK_APP_ID")]
    pub facebook_app_id: Option<String>,
    #[arg(long, env = "FACEBOOK_APP_SECRET", hide_env_values = true)]
    pub facebook_app_secret: Option<SecretString>,
    #[arg(long, env = "FACEBOOK_REDIRECT_URI")]
    pub facebook_redirect_uri: Option<String>,
    #[arg(long, env = "CLOUDFLARE_ACCOUNT_ID")]
    pub cloudflare_account_id: Option<String>,
    #[arg(long, env = "CLOUDFLARE_API_TOKEN", hide_env_values = true)]
    pub cloudflare_api_token: Option<SecretString>,
    /// `customer-<CODE>.cloudflarestream.com`'s CODE; found from the API's answers when left out.
    #[arg(long, env = "CLOUDFLARE_CUSTOMER_CODE")]
    pub cloudflare_customer_code: Option<String>,

    /// Refuse an exchange without `state`, which the product guide's sample leaves out.
    #[arg(long, env = "OAUTH_REQUIRE_STATE", default_value_t = false, action = clap::ArgAction::Set)]
    pub oauth_require_state: bool,
    /// Units a day that Google grants this project.
    #[arg(long, env = "YOUTUBE_DAILY_QUOTA", default_value_t = 10_000)]
    pub youtube_daily_quota: i64,

    #[arg(long, env = "GOOGLE_AUTH_URL", default_value = "https://accounts.google.com/o/oauth2/v2/auth")]
    pub google_auth_url: String,
    #[arg(long, env = "GOOGLE_TOKEN_URL", default_value = "https://oauth2.googleapis.com/token")]
    pub google_token_url: String,
    #[arg(long, env = "GOOGLE_REVOKE_URL", default_value = "https://oauth2.googleapis.com/revoke")]
    pub google_revoke_url: String,
    #[arg(long, env = "YOUTUBE_API_URL", default_value = "https://www.googleapis.com/youtube/v3")]
    pub youtube_api_url: String,
    #[arg(long, env = "YOUTUBE_UPLOAD_URL", default_value = "https://www.googleapis.com/upload/youtube/v3")]
    pub youtube_upload_url: String,
    /// Below it: `/authorize`, `/token`, `/validate`, `/revoke`.
    #[arg(long, env = "TWITCH_OAUTH_URL", default_value = "https://id.twitch.tv/oauth2")]
    pub twitch_oauth_url: String,
    #[arg(long, env = "TWITCH_API_URL", default_value = "https://api.twitch.tv/helix")]
    pub twitch_api_url: String,
    #[arg(long, env = "TWITCH_INGESTS_URL", default_value = "https://ingest.twitch.tv/ingests")]
    pub twitch_ingests_url: String,
    #[arg(long, env = "FACEBOOK_DIALOG_URL", default_value = "https://www.facebook.com/v26.0/dialog/oauth")]
    pub facebook_dialog_url: String,
    #[arg(long, env = "FACEBOOK_GRAPH_URL", default_value = "https://graph.facebook.com/v26.0")]
    pub facebook_graph_url: String,
    #[arg(long, env = "CLOUDFLARE_API_URL", default_value = "https://api.cloudflare.com/client/v4")]
    pub cloudflare_api_url: String,
    /// `{code}` is replaced by the customer code.
    #[arg(long, env = "CLOUDFLARE_CUSTOMER_URL", default_value = "https://customer-{code}.cloudflarestream.com")]
    pub cloudflare_customer_url: String,
}
