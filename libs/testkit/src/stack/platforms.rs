//! The simulated platforms beside a stack: as a process of their own (for `./x`), or the environment that points the vault
//! at some that run elsewhere (in a test's own process).

use std::{fs, path::Path, time::Duration};

use anyhow::Context;
use serde::Deserialize;
use serde_json::Value;

use super::file;
use crate::{
    http,
    proc::{End, Proc, Spec},
};

/// The name of the package and binary.
pub const NAME: &str = "platform-sim";
const START: Duration = Duration::from_secs(20);
/// Whose Cloudflare account the installation uses.
const OWNER: &str = "alice";

/// A running `platform-sim` process. Dropping it ends it.
#[derive(Debug)]
pub struct PlatformSim {
    proc: Proc,
    addresses: file::PlatformSim,
    cloudflare: (String, String),
}

#[derive(Deserialize)]
struct Bound {
    http: String,
    rtmp: String,
}

impl PlatformSim {
    /// Starts one whose files go to `dir` and returns when it listens.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start(bin_dir: &Path, dir: &Path) -> anyhow::Result<Self> {
        let ready_file = dir.join("ready").join("platform-sim.json");
        let mut spec = Spec::new(NAME, bin_dir.join(NAME), dir.join("logs").join("platform-sim.log"));
        spec.clear_env = true;
        spec.end = End::Term;
        spec.env = vec![
            ("READY_FILE".to_owned(), ready_file.display().to_string()),
            ("RUST_LOG".to_owned(), "info".to_owned()),
        ];
        let _ = fs::remove_file(&ready_file);
        let proc = Proc::spawn(spec)?;
        proc.ready(START, async || ready_file.exists()).await.context(NAME)?;
        let bound: Bound = serde_json::from_slice(&fs::read(&ready_file)?)?;
        let cloudflare = cloudflare(&bound.http).await?;
        Ok(Self { proc, addresses: file::PlatformSim { url: bound.http, rtmp: bound.rtmp }, cloudflare })
    }

    /// Where it listens.
    pub fn addresses(&self) -> &file::PlatformSim {
        &self.addresses
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.proc.pid()
    }

    /// What the vault must be told to use it for every platform that `given` (the vault's other variables) does not set up.
    pub fn environment(&self, given: &[(String, String)]) -> Vec<(String, String)> {
        let all = environment(&self.addresses.url, &self.cloudflare.0, &self.cloudflare.1);
        all.into_iter().filter(|(name, _)| !is_set_up(name, given)).collect()
    }
}

/// The first words of each platform's variables, and the one that says that a platform is set up.
const PREFIXES: [(&[&str], &str); 4] = [
    (&["YOUTUBE_", "GOOGLE_"], "YOUTUBE_CLIENT_ID"),
    (&["TWITCH_"], "TWITCH_CLIENT_ID"),
    (&["FACEBOOK_"], "FACEBOOK_APP_ID"),
    (&["CLOUDFLARE_"], "CLOUDFLARE_ACCOUNT_ID"),
];

/// Whether `given` sets up the platform that the variable `name` belongs to.
fn is_set_up(name: &str, given: &[(String, String)]) -> bool {
    let key = PREFIXES.iter().find(|(prefixes, _)| prefixes.iter().any(|prefix| name.starts_with(prefix)));
    key.is_some_and(|(_, key)| given.iter().any(|(name, value)| name == key && !value.is_empty()))
}

/// Account id and API token of [`OWNER`], as the simulator tells them.
async fn cloudflare(base: &str) -> anyhow::Result<(String, String)> {
    let addr = base.strip_prefix("http://").context("an http address")?.parse()?;
    let accounts: Value = serde_json::from_str(&http::get(addr, "/__sim/accounts").await?)?;
    let all = accounts["accounts"].as_array().context("a list of accounts")?;
    let own = all.iter().find(|account| account["name"] == OWNER).context("no such account")?;
    let text = |field: &str| own["cloudflare"][field].as_str().map(str::to_owned).context("a Cloudflare account");
    Ok((text("account_id")?, text("api_token")?))
}

/// The platforms' part of the vault's environment, for a simulator at `base`. Its OAuth applications are fixed.
pub fn environment(base: &str, cloudflare_account: &str, cloudflare_token: &str) -> Vec<(String, String)> {
    let below = |path: &str| format!("{}/{path}", base.trim_end_matches('/'));
    let redirect = |platform: &str| format!("http://127.0.0.1/oauth/{platform}/callback");
    let env = [
        ("YOUTUBE_CLIENT_ID", "sim-google-client".to_owned()),
        ("YOUTUBE_CLIENT_SECRET", "sim-google-secret-4fQz81".to_owned()),
        ("YOUTUBE_REDIRECT_URI", redirect("youtube")),
        ("TWITCH_CLIENT_ID", "sim-twitch-client".to_owned()),
        ("TWITCH_CLIENT_SECRET", "sim-twitch-secret-4fQz81".to_owned()),
        ("TWITCH_REDIRECT_URI", redirect("twitch")),
        ("FACEBOOK_APP_ID", "sim-facebook-client".to_owned()),
        ("FACEBOOK_APP_SECRET", "sim-facebook-secret-4fQz81".to_owned()),
        ("FACEBOOK_REDIRECT_URI", redirect("facebook")),
        ("CLOUDFLARE_ACCOUNT_ID", cloudflare_account.to_owned()),
        ("CLOUDFLARE_API_TOKEN", cloudflare_token.to_owned()),
        ("GOOGLE_AUTH_URL", below("google-oauth/o/oauth2/v2/auth")),
        ("GOOGLE_TOKEN_URL", below("google-oauth/token")),
        ("GOOGLE_REVOKE_URL", below("google-oauth/revoke")),
        ("YOUTUBE_API_URL", below("youtube/v3")),
        ("YOUTUBE_UPLOAD_URL", below("upload/youtube/v3")),
        ("TWITCH_OAUTH_URL", below("twitch-id/oauth2")),
        ("TWITCH_API_URL", below("helix")),
        ("TWITCH_INGESTS_URL", below("twitch-ingest/ingests")),
        ("FACEBOOK_DIALOG_URL", below("facebook-dialog/v26.0/dialog/oauth")),
        ("FACEBOOK_GRAPH_URL", below("graph/v26.0")),
        ("CLOUDFLARE_API_URL", below("cloudflare/client/v4")),
        ("CLOUDFLARE_CUSTOMER_URL", below("cloudflare-customer")),
    ];
    env.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_platform_with_credentials_of_its_own_is_not_simulated() {
        let given = vec![("YOUTUBE_CLIENT_ID".to_owned(), "mine".to_owned())];
        let simulated = |name: &str| !is_set_up(name, &given);
        assert!(!simulated("GOOGLE_TOKEN_URL") && !simulated("YOUTUBE_API_URL") && !simulated("YOUTUBE_CLIENT_SECRET"));
        assert!(simulated("TWITCH_API_URL") && simulated("FACEBOOK_APP_ID") && simulated("CLOUDFLARE_API_URL"));
        let all = environment("http://127.0.0.1:1/", "account", "token");
        let known =
            |name: &str| PREFIXES.iter().any(|(prefixes, _)| prefixes.iter().any(|prefix| name.starts_with(prefix)));
        assert!(all.iter().all(|(name, value)| known(name) && !value.contains("1//")), "{all:?}");
    }
}
