//! The issuer's public keys: fetched from `JWKS_URL`, cached, and fetched again when they are old or a token names a
//! key that is not among them. However many strange tokens come, the issuer is asked at most once per
//! [`Options::min_refresh`].

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse},
};
use tokio::{sync::Mutex, time::Instant};

/// Bounds of the cache.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the keys are.
    pub url: String,
    /// Keys older than this are fetched again.
    pub max_age: Duration,
    /// The least time between two fetches.
    pub min_refresh: Duration,
    /// The longest a fetch may take.
    pub timeout: Duration,
    /// Old keys serve so long while the issuer can't be reached.
    pub max_stale: Duration,
}

/// The largest key set that is read, in bytes.
const MAX_BODY_BYTES: usize = 256 * 1024;
/// The most keys that are kept of a set.
const MAX_KEYS: usize = 64;

/// The cache. Cheap to clone.
#[derive(Clone)]
pub struct Jwks(Arc<Inner>);

struct Inner {
    options: Options,
    http: reqwest::Client,
    known: RwLock<Arc<Known>>,
    /// Held while fetching: when the last attempt was.
    tried: Mutex<Option<Instant>>,
}

#[derive(Default)]
struct Known {
    keys: Keys,
    fetched: Option<Instant>,
}

type Keys = HashMap<Option<String>, Vec<(Algorithm, Arc<DecodingKey>)>>;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The issuer has no such key.
    #[error("the issuer has no such key")]
    UnknownKey,
    /// There are no keys at all, or only ones that are too old.
    #[error("the issuer's keys can't be fetched")]
    Unreachable,
}

impl Jwks {
    /// A cache that fetches when it is first asked.
    ///
    /// # Errors
    /// The HTTP client can't be built.
    pub fn new(options: Options) -> Result<Self, reqwest::Error> {
        let http =
            reqwest::Client::builder().timeout(options.timeout).redirect(reqwest::redirect::Policy::none()).build()?;
        Ok(Self(Arc::new(Inner { options, http, known: RwLock::default(), tried: Mutex::default() })))
    }

    /// The key a token names. Without a `kid` the set must hold exactly one key for the algorithm.
    ///
    /// A known key is returned at once, also while its successor set is being fetched.
    ///
    /// # Errors
    /// [`Error::UnknownKey`] or [`Error::Unreachable`].
    pub async fn key(&self, kid: Option<&str>, algorithm: Algorithm) -> Result<Arc<DecodingKey>, Error> {
        if let Some((key, age)) = self.look(kid, algorithm) {
            if age > self.0.options.max_age {
                let this = self.clone();
                tokio::spawn(async move { this.refresh().await });
            }
            return Ok(key);
        }
        self.refresh().await;
        match self.look(kid, algorithm) {
            Some((key, _)) => Ok(key),
            None if self.age().is_none_or(|age| age > self.0.options.max_stale) => Err(Error::Unreachable),
            None => Err(Error::UnknownKey),
        }
    }

    fn known(&self) -> Arc<Known> {
        self.0.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn age(&self) -> Option<Duration> {
        self.known().fetched.map(|at| at.elapsed())
    }

    fn look(&self, kid: Option<&str>, algorithm: Algorithm) -> Option<(Arc<DecodingKey>, Duration)> {
        let known = self.known();
        let age = known.fetched?.elapsed();
        let fresh = age <= self.0.options.max_stale;
        find(&known.keys, kid, algorithm).filter(|_| fresh).map(|key| (key, age))
    }

    /// Fetches, unless somebody did within [`Options::min_refresh`]. Callers wait for the one fetch that runs.
    async fn refresh(&self) {
        let mut tried = self.0.tried.lock().await;
        if tried.is_some_and(|at| at.elapsed() < self.0.options.min_refresh) {
            return;
        }
        *tried = Some(Instant::now());
        match self.fetch().await {
            Ok(keys) => {
                tracing::info!(keys = keys.values().map(Vec::len).sum::<usize>(), "fetched the issuer's keys");
                let known = Arc::new(Known { keys, fetched: Some(Instant::now()) });
                *self.0.known.write().unwrap_or_else(PoisonError::into_inner) = known;
            }
            Err(error) => tracing::warn!(%error, "could not fetch the issuer's keys"),
        }
    }

    async fn fetch(&self) -> Result<Keys, FetchError> {
        let mut response = self.0.http.get(&self.0.options.url).send().await?.error_for_status()?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_BODY_BYTES {
                return Err(FetchError::TooLarge);
            }
        }
        read(&body)
    }
}

#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("{}", .0.to_string().split(" for url").next().unwrap_or_default())]
    Http(#[from] reqwest::Error),
    #[error("larger than {MAX_BODY_BYTES} bytes")]
    TooLarge,
    #[error("no key set")]
    NotAKeySet,
    #[error("no key in it that we can use")]
    NoKeys,
}

fn find(keys: &Keys, kid: Option<&str>, algorithm: Algorithm) -> Option<Arc<DecodingKey>> {
    let fitting = |(with, key): &(Algorithm, Arc<DecodingKey>)| (*with == algorithm).then(|| key.clone());
    match kid {
        Some(kid) => keys.get(&Some(kid.to_owned()))?.iter().find_map(fitting),
        None => {
            let mut all = keys.values().flatten().filter_map(fitting);
            all.next().filter(|_| all.next().is_none())
        }
    }
}

/// Keys we can't use (other curves, encryption keys, symmetric keys, unknown types) are left out, not an error.
fn read(body: &[u8]) -> Result<Keys, FetchError> {
    #[derive(serde::Deserialize)]
    struct Set {
        keys: Vec<serde_json::Value>,
    }
    let set: Set = serde_json::from_slice(body).map_err(|_| FetchError::NotAKeySet)?;
    let mut keys = Keys::new();
    for jwk in set.keys.into_iter().take(MAX_KEYS).filter_map(|raw| serde_json::from_value::<Jwk>(raw).ok()) {
        if let Some((algorithm, key)) = usable(&jwk) {
            keys.entry(jwk.common.key_id.clone()).or_default().push((algorithm, Arc::new(key)));
        }
    }
    if keys.is_empty() { Err(FetchError::NoKeys) } else { Ok(keys) }
}

fn usable(jwk: &Jwk) -> Option<(Algorithm, DecodingKey)> {
    if !matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature)) {
        return None;
    }
    let (algorithm, name) = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
        AlgorithmParameters::EllipticCurve(ec) if ec.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        _ => return None,
    };
    if jwk.common.key_algorithm.is_some_and(|declared| declared != name) {
        return None;
    }
    Some((algorithm, DecodingKey::from_jwk(jwk).ok()?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keeps_what_it_can_use() {
        let ec = |kid: &str, more: serde_json::Value| {
            let mut key = json!({"kty": "EC", "crv": "P-256", "kid": kid,
                "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"});
            key.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            key
        };
        let set = json!({"keys": [
            ec("good", json!({"use": "sig", "alg": "ES256"})),
            ec("enc", json!({"use": "enc"})),
            ec("other-alg", json!({"alg": "ES384"})),
            {"kty": "oct", "kid": "secret", "k": "AAAA"},
            {"kty": "future", "kid": "x"},
            {"kty": "RSA", "kid": "rsa", "n": "AQAB", "e": "AQAB"},
        ]});
        let keys = read(set.to_string().as_bytes()).unwrap();
        assert!(find(&keys, Some("good"), Algorithm::ES256).is_some());
        assert!(find(&keys, None, Algorithm::ES256).is_some());
        assert!(find(&keys, Some("rsa"), Algorithm::RS256).is_some());
        for (kid, algorithm) in [
            ("good", Algorithm::RS256),
            ("good", Algorithm::HS256),
            ("rsa", Algorithm::HS256),
            ("enc", Algorithm::ES256),
            ("other-alg", Algorithm::ES256),
            ("secret", Algorithm::HS256),
            ("nobody", Algorithm::ES256),
        ] {
            assert!(find(&keys, Some(kid), algorithm).is_none(), "{kid} {algorithm:?}");
        }
    }

    #[test]
    fn refuses_what_is_no_key_set() {
        for body in ["", "{}", "[]", r#"{"keys":[]}"#, r#"{"keys":7}"#, "<html>"] {
            assert!(read(body.as_bytes()).is_err(), "{body}");
        }
    }
}
