//! Signing in to a simulated platform as a person would: the authorization URL from our API, the platform's page, and the
//! code back to our API.

use anyhow::{Context, bail};
use reqwest::{Url, header::LOCATION, redirect::Policy};
use serde_json::{Value, json};

use crate::Api;

/// What came back from the platform's page.
#[derive(Clone, Debug)]
pub struct Consented {
    /// The authorization code.
    pub code: String,
    /// The state that we had given.
    pub state: String,
}

/// Opens an authorization URL as `person`, who agrees to everything.
///
/// # Errors
/// When the page shows an error or the person is sent back without a code.
pub async fn consent(auth_url: &str, person: &str) -> anyhow::Result<Consented> {
    let mut url: Url = auth_url.parse().context("the authorization URL")?;
    url.query_pairs_mut().append_pair("sim_account", person);
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().redirect(Policy::none()).build()?;
    let answer = client.get(url).send().await?;
    let status = answer.status();
    let Some(to) = answer.headers().get(LOCATION).and_then(|to| to.to_str().ok()).map(str::to_owned) else {
        bail!("the page answered {status}: {}", answer.text().await.unwrap_or_default());
    };
    let to: Url = to.parse()?;
    let part = |name: &str| to.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    let code = part("code").with_context(|| format!("no code in {to}"))?;
    Ok(Consented { code, state: part("state").unwrap_or_default() })
}

impl Api {
    /// Links `person`'s account on `platform` and makes a destination of it; its id.
    ///
    /// # Errors
    /// When a step is refused.
    pub async fn link(&self, platform: &str, person: &str, stream: &str, name: &str) -> anyhow::Result<String> {
        let path = format!("/api/destinations/platforms/{platform}");
        let begun = self.get(&format!("{path}/auth-url")).await?.data().context("auth-url")?;
        let consented = consent(begun["authUrl"].as_str().context("no authUrl")?, person).await?;
        let body = json!({"code": consented.code, "state": consented.state, "stream_id": stream, "name": name});
        let made = self.post(&format!("{path}/exchange-token"), &body).await?.data().context("exchange-token")?;
        Ok(made["id"].as_str().context("no id")?.to_owned())
    }

    /// Makes a destination on a platform without sign-in of its own, or with an account that is linked already.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn create_on(&self, platform: &str, stream: &str, name: &str, more: Value) -> anyhow::Result<String> {
        let mut body = json!({"stream_id": stream, "platform": platform, "name": name, "is_enabled": true});
        for (field, value) in more.as_object().into_iter().flatten() {
            body[field] = value.clone();
        }
        let made = self.post("/api/destinations", &body).await?.data()?;
        Ok(made["id"].as_str().context("no id")?.to_owned())
    }
}
