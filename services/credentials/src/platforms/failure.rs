//! Why a platform did not do it, classified where it is first seen.

use std::time::Duration;

use domain::{
    fault::{Blame, Fault, Retry},
    platform::Platform,
};

use crate::http::Trouble;

/// A fault, with what only the caller needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// For people.
    pub fault: Fault,
    /// The platform's own word on when to try again.
    pub after: Option<Duration>,
    /// Whether a write may have been applied all the same: list before it is repeated.
    pub ambiguous: bool,
}

impl Failure {
    /// The platform refused, and a person must act.
    pub fn permanent(code: &str, message: impl Into<String>) -> Self {
        Self::of(Fault::new(Blame::Platform, Retry::Permanent, code, message))
    }

    /// The platform could not do it now.
    pub fn transient(code: &str, message: impl Into<String>) -> Self {
        Self::of(Fault::new(Blame::Platform, Retry::Transient, code, message))
    }

    /// Our own side could not do it now: database or vault.
    pub fn ours() -> Self {
        let message = "Something on our side is not reachable. It is tried again by itself.";
        Self::of(Fault::new(Blame::Us, Retry::Transient, "vault_unavailable", message))
    }

    /// With nothing else known.
    pub fn of(fault: Fault) -> Self {
        Self { fault, after: None, ambiguous: false }
    }

    /// Not before this has passed.
    #[must_use]
    pub fn after(mut self, pause: Option<Duration>) -> Self {
        self.after = pause;
        self
    }

    /// The write may have been applied.
    #[must_use]
    pub fn ambiguous(mut self) -> Self {
        self.ambiguous = true;
        self
    }

    /// No usable answer came.
    pub fn trouble(platform: Platform, trouble: Trouble) -> Self {
        let message =
            format!("{} does not answer properly at the moment. It is tried again by itself.", name(platform));
        let failure = Self::transient("platform_unavailable", message);
        if trouble == Trouble::NotSent { failure } else { failure.ambiguous() }
    }

    /// The person must sign in again.
    pub fn reauth(platform: Platform, why: &str) -> Self {
        let name = name(platform);
        let message = format!("{why} Sign in to {name} again, then start the destination again.");
        Self::permanent("reauth_required", message)
    }

    /// Too many calls.
    pub fn rate_limited(platform: Platform, after: Option<Duration>) -> Self {
        let message = format!("{} limits how often we may ask. It is tried again by itself.", name(platform));
        Self::transient("platform_rate_limited", message).after(after)
    }

    /// The platform has this nowhere in its API.
    pub fn not_offered(platform: Platform, what: &str) -> Self {
        Self::permanent("not_offered_by_platform", format!("{} does not offer {what} by its API.", name(platform)))
    }

    /// The stable code.
    pub fn code(&self) -> &str {
        &self.fault.code
    }

    /// Whether trying again can help.
    pub fn is_transient(&self) -> bool {
        self.fault.is_transient()
    }
}

/// A platform's name as people write it.
pub fn name(platform: Platform) -> &'static str {
    match platform {
        Platform::Youtube => "YouTube",
        Platform::Twitch => "Twitch",
        Platform::Facebook => "Facebook",
        Platform::Cloudflare => "Cloudflare",
        Platform::RtmpCustom => "The RTMP server",
    }
}
