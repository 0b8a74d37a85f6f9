//! Codes, access tokens and refresh tokens of all three providers.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

/// Who gave a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Provider {
    #[serde(alias = "youtube")]
    Google,
    Twitch,
    Facebook,
}

/// An authorization code.
#[derive(Clone, Debug)]
pub(crate) struct Code {
    pub provider: Provider,
    pub redirect_uri: String,
    pub person: String,
    pub scopes: Vec<String>,
    /// `code_challenge` and whether it is S256.
    pub challenge: Option<(String, bool)>,
    /// Whether a refresh token comes with it.
    pub refreshable: bool,
    pub expires_at: i64,
    pub used: bool,
}

impl Code {
    /// Whether `verifier` is what the challenge was made of. No challenge, no verifier needed.
    pub fn verified_by(&self, verifier: Option<&str>) -> bool {
        match (&self.challenge, verifier) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some((challenge, true)), Some(verifier)) => {
                URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes())) == *challenge
            }
            (Some((challenge, false)), Some(verifier)) => verifier == challenge,
        }
    }
}

/// Why a token died before its time, in Facebook's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Death {
    pub subcode: u32,
}

/// An access token.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    pub provider: Provider,
    pub client_id: String,
    pub person: String,
    pub scopes: Vec<String>,
    pub issued_at: i64,
    /// `None`: never.
    pub expires_at: Option<i64>,
    pub dead: Option<Death>,
    /// A Facebook Page token's Page.
    pub page: Option<String>,
    pub refresh: Option<String>,
}

impl Access {
    pub fn alive(&self, now: i64) -> bool {
        self.dead.is_none() && self.expires_at.is_none_or(|at| now < at)
    }

    pub fn has(&self, scope: &str) -> bool {
        self.scopes.iter().any(|given| given == scope)
    }
}

/// A refresh token.
#[derive(Clone, Debug)]
pub(crate) struct Refresh {
    pub provider: Provider,
    pub person: String,
    pub scopes: Vec<String>,
    pub dead: bool,
    /// Order of issue, for eviction.
    pub number: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Grants {
    pub codes: BTreeMap<String, Code>,
    pub access: BTreeMap<String, Access>,
    pub refresh: BTreeMap<String, Refresh>,
    /// Who agreed before, to which client: Google gives a refresh token only once without `prompt=consent`.
    pub consented: BTreeSet<(String, String)>,
    pub issued: u64,
    /// Refresh calls that were answered with tokens, per provider: how often did the product refresh?
    pub refreshes: BTreeMap<Provider, u64>,
}

impl Grants {
    /// The access token, when it is alive.
    pub fn alive(&self, provider: Provider, token: &str, now: i64) -> Option<&Access> {
        self.access.get(token).filter(|access| access.provider == provider && access.alive(now))
    }

    /// Kills everything that a person gave to any client.
    pub fn revoke_all(&mut self, provider: Provider, person: &str, death: Death) {
        for access in self.access.values_mut().filter(|a| a.provider == provider && a.person == person) {
            access.dead.get_or_insert(death);
        }
        for refresh in self.refresh.values_mut().filter(|r| r.provider == provider && r.person == person) {
            refresh.dead = true;
        }
        self.consented.retain(|(_, who)| provider != Provider::Google || who != person);
    }

    /// Makes a person's access tokens expire now; refresh tokens stay.
    pub fn expire(&mut self, provider: Provider, person: &str, now: i64) {
        for access in self.access.values_mut().filter(|a| a.provider == provider && a.person == person) {
            access.expires_at = Some(access.expires_at.map_or(now, |at| at.min(now)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pkce() {
        // The pair of RFC 7636, appendix B.
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let code = |challenge| Code {
            provider: Provider::Google,
            redirect_uri: String::new(),
            person: String::new(),
            scopes: vec![],
            challenge,
            refreshable: false,
            expires_at: 0,
            used: false,
        };
        let s256 = code(Some(("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM".to_owned(), true)));
        assert!(s256.verified_by(Some(verifier)));
        assert!(!s256.verified_by(Some("other")) && !s256.verified_by(None));
        assert!(code(None).verified_by(None));
    }
}
