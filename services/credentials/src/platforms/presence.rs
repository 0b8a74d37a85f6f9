//! Since when a platform does not show what we publish. A blip of its answer must not cost the connection.

use serde::{Deserialize, Serialize};

/// What is remembered of it between looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Presence {
    /// The publish that was shown: its beginning, ms since 1970.
    shown: i64,
    /// When it was missed first since it was shown last.
    missed_ms: i64,
}

impl Presence {
    /// One look at what is published since `publishing_ms`. Returns how long it has not been shown, ms.
    pub fn seen(&mut self, is_shown: bool, publishing_ms: i64, now_ms: i64) -> i64 {
        if is_shown {
            *self = Self { shown: publishing_ms, missed_ms: 0 };
            return 0;
        }
        if self.shown != publishing_ms {
            return (now_ms - publishing_ms).max(0);
        }
        if self.missed_ms == 0 {
            self.missed_ms = now_ms;
        }
        (now_ms - self.missed_ms).max(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absence_counts_from_the_publish_or_from_the_last_sight() {
        let mut presence = Presence::default();
        assert_eq!(presence.seen(false, 100, 150), 50);
        assert_eq!(presence.seen(true, 100, 200), 0);
        assert_eq!(presence.seen(false, 100, 900), 0);
        assert_eq!(presence.seen(false, 100, 950), 50);
        assert_eq!(presence.seen(true, 100, 960), 0);
        assert_eq!(presence.seen(false, 100, 990), 0);
        assert_eq!(presence.seen(false, 2_000, 2_010), 10, "another publish");
    }
}
