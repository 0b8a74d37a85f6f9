//! What is remembered of a destination between calls and across crashes. `live_video_id` is also read by other
//! destinations' searches (see [`super::search`]).

use serde::{Deserialize, Serialize};

use super::session::Target;
use crate::platforms::{Failure, Run};

/// The field that others look at.
pub(super) const LIVE_VIDEO_ID: &str = "live_video_id";

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Progress {
    /// Which run and take the rest belongs to.
    pub run_ms: i64,
    pub take: u32,
    /// Where the live video is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// A create was sent, or is about to be, and its answer has not been seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intent: Option<Intent>,
    /// A create that was given up; it may still show itself. Looked for at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub doubt: Option<Intent>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live_video_id: Option<String>,
    /// Announced for then, ms since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub planned_ms: Option<i64>,
    /// Media was seen flowing since, ms since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_ms: Option<i64>,
    /// It was set to `LIVE_NOW`, or seen live.
    pub published: bool,
    /// It has ended, by us or by itself.
    pub ended: bool,
}

/// A create as it was meant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Intent {
    /// Its title.
    pub title: String,
    /// When it was sent at the earliest, ms since 1970.
    pub since_ms: i64,
}

impl Progress {
    /// What the run's book holds; a book of another shape counts as empty.
    pub fn of(run: &Run) -> Self {
        run.remembered()
    }

    /// Whether it is of this run and take.
    pub fn is_of(&self, run: &Run) -> bool {
        (self.run_ms, self.take) == (run.run_ms, run.take)
    }

    /// The live video that may still be open.
    pub fn open(&self) -> Option<&str> {
        self.live_video_id.as_deref().filter(|_| !self.ended)
    }

    pub async fn save(&self, run: &Run) -> Result<(), Failure> {
        run.remember(self).await
    }
}
