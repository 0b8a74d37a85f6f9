//! `https://customer-<CODE>.cloudflarestream.com`: what viewers ask, without a token and without a limit.

use domain::platform::Platform;
use serde::Deserialize;
use url::Url;

use crate::{
    http::{Http, Trouble},
    platforms::Failure,
};

/// Longest customer code that is believed (they have 16 characters).
const CODE: usize = 64;

/// The host of this account's viewers.
pub(super) struct Customer {
    http: Http,
    template: String,
    code: Option<String>,
}

/// `/lifecycle` of an input.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Cycle {
    #[serde(default)]
    pub live: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Views {
    #[serde(default)]
    live_viewers: u64,
}

impl Customer {
    pub fn new(http: Http, template: &str, code: Option<String>) -> Self {
        Self { http, template: template.trim_end_matches('/').to_owned(), code: code.filter(|code| is_code(code)) }
    }

    /// Where everything about `uid` is; `None` while the customer code is unknown. A configured code goes before one
    /// that was found.
    pub fn base(&self, uid: &str, found: Option<&str>) -> Option<String> {
        if !self.template.contains("{code}") {
            return Some(format!("{}/{uid}", self.template));
        }
        let code = self.code.as_deref().or(found)?;
        Some(format!("{}/{uid}", self.template.replace("{code}", code)))
    }

    /// Whether viewers are shown something now.
    pub async fn cycle(&self, base: &str) -> Result<Cycle, Failure> {
        self.get(&format!("{base}/lifecycle")).await
    }

    /// Viewers now; 0 when they are hidden.
    pub async fn viewers(&self, base: &str) -> Result<u64, Failure> {
        self.get(&format!("{base}/views")).await.map(|views: Views| views.live_viewers)
    }

    async fn get<T: serde::de::DeserializeOwned>(&self, url: &str) -> Result<T, Failure> {
        let failed = |trouble| Failure::trouble(Platform::Cloudflare, trouble);
        let reply = self.http.send(self.http.client().get(url)).await.map_err(failed)?;
        if !reply.status.is_success() {
            return Err(failed(Trouble::NotSent));
        }
        reply.json().map_err(failed)
    }
}

/// The customer code in the host of a URL that the API gave.
pub(super) fn code_in(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    let code = url.host_str()?.strip_prefix("customer-")?.strip_suffix(".cloudflarestream.com")?;
    is_code(code).then(|| code.to_owned())
}

fn is_code(code: &str) -> bool {
    (1..=CODE).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configured_code_goes_before_the_one_that_was_found() {
        let check = |template: &str, given: Option<&str>, found: Option<&str>, expected: Option<&str>| {
            service_kit::install_crypto();
            let http = Http::new(crate::http::Options::default()).unwrap();
            let customer = Customer::new(http, template, given.map(str::to_owned));
            assert_eq!(customer.base("uid", found).as_deref(), expected);
        };
        let real = "https://customer-{code}.cloudflarestream.com";
        check(real, Some("mine"), Some("other"), Some("https://customer-mine.cloudflarestream.com/uid"));
        check(real, None, Some("other"), Some("https://customer-other.cloudflarestream.com/uid"));
        check(real, None, None, None);
        check(real, Some("no/code"), None, None);
        check("http://127.0.0.1:1/customer/", None, None, Some("http://127.0.0.1:1/customer/uid"));
    }

    #[test]
    fn the_code_is_found_in_the_host_alone() {
        let check = |url: &str, code: Option<&str>| assert_eq!(code_in(url).as_deref(), code, "{url}");
        check("https://customer-m033z5x00ks6nunl.cloudflarestream.com/secret/webRTC/publish", Some("m033z5x00ks6nunl"));
        check("https://customer-a.b.cloudflarestream.com/x", None);
        check("https://customer-.cloudflarestream.com/x", None);
        check("https://evil.example/customer-a.cloudflarestream.com", None);
        check("", None);
    }
}
