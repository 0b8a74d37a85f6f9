//! What can go wrong with Redis. No variant carries an address: it may hold a password.

use std::time::Duration;

use redis::RedisError;

/// Why a call failed. The caller keeps what it has and tries again: without Redis nobody else can take a lease either.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is no `redis://host:port`.
    #[error("the Redis address is not valid")]
    BadUrl,
    /// There is no connection.
    #[error("redis is unreachable")]
    Unreachable(#[source] RedisError),
    /// No answer in time. Whether the server acted (or will, once it runs again) is unknown: repeat.
    #[error("redis did not answer within {0:?}")]
    Timeout(Duration),
    /// The server answered with an error, or with something we do not understand.
    #[error("redis refused the command")]
    Refused(#[source] RedisError),
    /// An advert could not be turned into JSON.
    #[error("the advert could not be encoded")]
    Encode(#[source] serde_json::Error),
}
