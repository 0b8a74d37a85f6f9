//! Why something failed, whose fault it is and whether trying again can help.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Whose fault a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Blame {
    /// The place we send to.
    Destination,
    /// The stream that comes in.
    Source,
    /// A platform's API.
    Platform,
    /// This product.
    Us,
}

/// Whether trying again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retry {
    /// Try again, with backoff.
    Transient,
    /// A person must change something first.
    Permanent,
}

/// A failure, classified where it was first seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Whose fault.
    pub blame: Blame,
    /// Whether to try again.
    pub retry: Retry,
    /// Stable, `snake_case`, with a page in `docs/errors`.
    pub code: String,
    /// A sentence for the streamer, with the next step. Never a secret.
    pub message: String,
}

impl Fault {
    /// A fault from its four parts.
    pub fn new(blame: Blame, retry: Retry, code: &str, message: impl Into<String>) -> Self {
        Self { blame, retry, code: code.to_owned(), message: message.into() }
    }

    /// Whether trying again can help.
    pub fn is_transient(&self) -> bool {
        self.retry == Retry::Transient
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}
