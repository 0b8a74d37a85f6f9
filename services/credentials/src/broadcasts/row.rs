//! A broadcast as it is stored.

use domain::{platform::Platform, platform_settings::PlatformSettings};
use serde_json::Value;
use sqlx::types::Json;
use uuid::Uuid;

use super::{Known, Reference};
use crate::platforms::Failure;

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The platform is being made ready.
    Preparing,
    /// It takes the stream.
    Ready,
    /// It is being ended.
    Finishing,
    /// It is over.
    Finished,
}

impl Phase {
    const ALL: [Self; 4] = [Self::Preparing, Self::Ready, Self::Finishing, Self::Finished];

    /// The stored word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Preparing => "preparing",
            Self::Ready => "ready",
            Self::Finishing => "finishing",
            Self::Finished => "finished",
        }
    }
}

/// Not a phase of ours.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("an unknown phase of a broadcast")]
pub struct UnknownPhase;

impl TryFrom<String> for Phase {
    type Error = UnknownPhase;

    fn try_from(text: String) -> Result<Self, UnknownPhase> {
        Self::ALL.into_iter().find(|phase| phase.as_str() == text).ok_or(UnknownPhase)
    }
}

/// See the migration for what each column means.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(super) struct Row {
    pub(super) destination_id: Uuid,
    pub(super) tenant_id: String,
    pub(super) platform: String,
    pub(super) account_id: Option<Uuid>,
    pub(super) run_ms: i64,
    pub(super) take: i32,
    #[sqlx(try_from = "String")]
    pub(super) phase: Phase,
    pub(super) title: String,
    pub(super) settings: Value,
    pub(super) progress: Value,
    pub(super) rtmp_url: String,
    pub(super) backup_urls: Json<Vec<String>>,
    pub(super) playback_url: String,
    pub(super) notes: Json<Vec<String>>,
    pub(super) version: i64,
    pub(super) publishing_ms: i64,
    pub(super) truth: Value,
    pub(super) failures: i32,
    pub(super) forget: bool,
}

impl Row {
    pub(super) fn reference(&self) -> Reference {
        let take = u32::try_from(self.take).unwrap_or_default();
        Reference { destination: self.destination_id.into(), run_ms: self.run_ms, take }
    }

    /// # Errors
    /// A newer release has stored a platform that this one doesn't know.
    pub(super) fn platform(&self) -> Result<Platform, Failure> {
        self.platform.parse().map_err(|_| Failure::ours())
    }

    /// # Errors
    /// A newer release has stored settings that this one doesn't know: better nothing than something else than asked for.
    pub(super) fn settings(&self) -> Result<PlatformSettings, Failure> {
        serde_json::from_value(self.settings.clone()).map_err(|_| Failure::ours())
    }

    /// What was known last; nothing, if a newer release has stored it.
    pub(super) fn known(&self) -> Known {
        serde_json::from_value(self.truth.clone()).unwrap_or_default()
    }
}

impl Reference {
    /// Later runs and takes come after earlier ones.
    pub(super) fn order(&self) -> (i64, u32) {
        (self.run_ms, self.take)
    }

    pub(super) fn stored_take(&self) -> i32 {
        i32::try_from(self.take).unwrap_or(i32::MAX)
    }
}
