//! Who has signed in: the account's id, name and picture, so that people recognise it; and Facebook's list of what was
//! granted, which its token answer lacks.

use domain::platform::Platform;
use reqwest::RequestBuilder;
use secret::{ExposeSecret, SecretString};
use serde_json::Value;

use super::{
    provider::Provider,
    refused::{FACEBOOK_DEAD, Refused, refused},
};
use crate::{
    http::{Http, Reply, Trouble},
    platforms::{Failure, name},
};

/// Longer names are cut.
const MAX_NAME_CHARS: usize = 200;
const MAX_ID_BYTES: usize = 256;
/// A longer picture address is left out.
const MAX_URL_BYTES: usize = 2_048;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Profile {
    pub external_id: String,
    pub name: String,
    pub picture_url: String,
}

/// Asks the platform whose token this is. On YouTube: one quota unit.
pub(super) async fn profile(provider: &Provider, http: &Http, token: &SecretString) -> Result<Profile, Failure> {
    let platform = provider.platform;
    let body = ask(platform, http, request(provider, http, token)).await?;
    let (id, named, picture) = match platform {
        Platform::Youtube => {
            let channel = body["items"].get(0).ok_or_else(no_channel)?;
            let snippet = &channel["snippet"];
            let picture =
                ["medium", "default", "high"].iter().find_map(|size| snippet["thumbnails"][size]["url"].as_str());
            (&channel["id"], &snippet["title"], picture)
        }
        Platform::Twitch => {
            let user = &body["data"][0];
            let shown = if user["display_name"].as_str().is_some_and(|name| !name.is_empty()) {
                "display_name"
            } else {
                "login"
            };
            (&user["id"], &user[shown], user["profile_image_url"].as_str())
        }
        _ => (&body["id"], &body["name"], body["picture"]["data"]["url"].as_str()),
    };
    let id = id.as_str().filter(|id| !id.is_empty() && id.len() <= MAX_ID_BYTES);
    let external_id = id.ok_or_else(|| Failure::trouble(platform, Trouble::Nonsense))?.to_owned();
    let name = cut(named.as_str().unwrap_or_default());
    let name = if name.is_empty() { external_id.clone() } else { name };
    Ok(Profile { external_id, name, picture_url: picture_url(picture) })
}

/// Facebook: the permissions that were granted.
pub(super) async fn granted(provider: &Provider, http: &Http, token: &SecretString) -> Result<Vec<String>, Failure> {
    let url = format!("{}/me/permissions", provider.api);
    let request = http.client().get(url).query(&[("access_token", token.expose_secret())]);
    let body = ask(provider.platform, http, request).await?;
    let listed = body["data"].as_array().ok_or_else(|| Failure::trouble(provider.platform, Trouble::Nonsense))?;
    let granted = listed.iter().filter(|one| one["status"] == "granted");
    Ok(granted.filter_map(|one| one["permission"].as_str().map(str::to_owned)).collect())
}

fn request(provider: &Provider, http: &Http, token: &SecretString) -> RequestBuilder {
    let (api, client) = (&provider.api, http.client());
    match provider.platform {
        Platform::Youtube => client
            .get(format!("{api}/channels"))
            .query(&[("part", "id,snippet"), ("mine", "true")])
            .bearer_auth(token.expose_secret()),
        Platform::Twitch => client
            .get(format!("{api}/users"))
            .header("client-id", &provider.client_id)
            .bearer_auth(token.expose_secret()),
        // Whether Graph takes the header is documented nowhere.
        _ => client
            .get(format!("{api}/me"))
            .query(&[("fields", "id,name,picture"), ("access_token", token.expose_secret())]),
    }
}

async fn ask(platform: Platform, http: &Http, request: RequestBuilder) -> Result<Value, Failure> {
    let reply = http.send(request).await.map_err(|trouble| Failure::trouble(platform, trouble))?;
    if reply.status.is_success() {
        return reply.json().map_err(|trouble| Failure::trouble(platform, trouble));
    }
    Err(failed(platform, &reply))
}

fn failed(platform: Platform, reply: &Reply) -> Failure {
    let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let reason = body["error"]["errors"][0]["reason"].as_str().unwrap_or_default();
    match platform {
        Platform::Youtube => match reason {
            "youtubeSignupRequired" => return no_channel(),
            "quotaExceeded" | "dailyLimitExceeded" => {
                let message = "YouTube answers no more calls of this installation today. Sign in again tomorrow.";
                return Failure::transient("platform_quota_exceeded", message);
            }
            "rateLimitExceeded" | "userRateLimitExceeded" => {
                return Failure::rate_limited(platform, reply.retry_after());
            }
            _ => {}
        },
        Platform::Facebook => {
            if body["error"]["code"].as_i64().is_some_and(|code| FACEBOOK_DEAD.contains(&code)) {
                return Failure::reauth(platform, "Facebook ended the sign-in at once.");
            }
            if let Refused::Later(failure) = refused(platform, Ok(reply)) {
                return failure;
            }
        }
        _ => {}
    }
    if reply.status.as_u16() == 429 {
        return Failure::rate_limited(platform, reply.retry_after());
    }
    if reply.status.is_client_error() && body.is_object() {
        let message = format!("{} does not say who has signed in. Begin the sign-in again.", name(platform));
        return Failure::permanent("platform_refused", message);
    }
    Failure::trouble(platform, Trouble::Nonsense)
}

fn no_channel() -> Failure {
    let message = "This Google account has no YouTube channel. Create a channel first (youtube.com/create_channel), then sign in again.";
    Failure::permanent("platform_refused", message)
}

/// Platforms' names go to people's screens: no control characters, and not longer than a line.
fn cut(name: &str) -> String {
    let plain: String = name.chars().filter(|c| !c.is_control()).take(MAX_NAME_CHARS).collect();
    plain.trim().to_owned()
}

/// Shown by browsers: nothing but http(s).
fn picture_url(url: Option<&str>) -> String {
    let fit = |url: &&str| url.len() <= MAX_URL_BYTES && (url.starts_with("https://") || url.starts_with("http://"));
    url.filter(fit).filter(|url| url::Url::parse(url).is_ok()).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_see_is_plain() {
        assert_eq!(cut(" A\u{0}li\nce "), "Alice");
        assert_eq!(cut(&"é".repeat(300)).chars().count(), MAX_NAME_CHARS);
        assert_eq!(picture_url(Some("javascript:alert(1)")), "");
        assert_eq!(picture_url(Some("https://x.example/a.png")), "https://x.example/a.png");
        assert_eq!(picture_url(Some(&format!("https://x/{}", "a".repeat(MAX_URL_BYTES)))), "");
        assert_eq!(picture_url(None), "");
    }
}
