//! Helix' token bucket: it fills within a minute.

/// Points of one client and user.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    points: f64,
    at: i64,
}

impl Bucket {
    pub fn full(size: u32, now: i64) -> Self {
        Self { points: f64::from(size), at: now }
    }

    /// Takes one point if there is one. The headers come with every answer.
    pub fn take(&mut self, size: u32, now: i64) -> (bool, [(&'static str, String); 3]) {
        let per_ms = f64::from(size) / 60_000.0;
        self.points = f64::from(size).min(self.points + (now - self.at) as f64 * per_ms);
        self.at = now;
        let allowed = self.points >= 1.0;
        if allowed {
            self.points -= 1.0;
        }
        let full_in_ms = (f64::from(size) - self.points) / per_ms;
        let reset = (now as f64 + full_in_ms) / 1_000.0;
        let headers = [
            ("ratelimit-limit", size.to_string()),
            ("ratelimit-remaining", format!("{:.0}", self.points.floor())),
            ("ratelimit-reset", format!("{:.0}", reset.ceil())),
        ];
        (allowed, headers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empties_and_fills() {
        let mut bucket = Bucket::full(2, 0);
        assert!(bucket.take(2, 0).0 && bucket.take(2, 0).0);
        let (allowed, headers) = bucket.take(2, 0);
        assert!(!allowed);
        assert_eq!((headers[1].1.as_str(), headers[2].1.as_str()), ("0", "60"));
        assert!(bucket.take(2, 30_000).0);
    }
}
