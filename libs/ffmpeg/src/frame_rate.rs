//! Measured frame rates swing; encoders want the exact one that was meant.

use std::fmt;

/// A frame rate as a fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameRate {
    /// Frames in `denominator` seconds.
    pub numerator: u32,
    /// Seconds; 1 or 1001.
    pub denominator: u32,
}

/// How far a measurement may lie from the rate that was meant: 30.3 is 30, and 29.97 is closer to itself than to 30.
const TOLERANCE: f64 = 0.4;

/// The rates in use: film, PAL, NTSC and what screen recorders do.
const KNOWN: [(u32, u32); 13] = [
    (10, 1),
    (12, 1),
    (15, 1),
    (20, 1),
    (24_000, 1001),
    (24, 1),
    (25, 1),
    (30_000, 1001),
    (30, 1),
    (48, 1),
    (50, 1),
    (60_000, 1001),
    (60, 1),
];

impl FrameRate {
    /// A whole number of frames per second.
    pub fn whole(fps: u32) -> Self {
        Self { numerator: fps, denominator: 1 }
    }

    /// The rate that was meant by a measurement; `None` when none in use is near (variable frame rate, or unknown).
    pub fn near(measured: f64) -> Option<Self> {
        KNOWN
            .into_iter()
            .map(|(numerator, denominator)| Self { numerator, denominator })
            .map(|rate| (rate, (rate.per_second() - measured).abs()))
            .filter(|(_, distance)| *distance <= TOLERANCE)
            .min_by(|a, b| a.1.total_cmp(&b.1))
            .map(|(rate, _)| rate)
    }

    /// Frames per second.
    pub fn per_second(self) -> f64 {
        f64::from(self.numerator) / f64::from(self.denominator)
    }

    /// Frames in a group of pictures of so many seconds, rounded up.
    pub fn frames_in(self, seconds: u32) -> u32 {
        (seconds * self.numerator).div_ceil(self.denominator)
    }
}

impl fmt::Display for FrameRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.denominator {
            1 => write!(f, "{}", self.numerator),
            denominator => write!(f, "{}/{denominator}", self.numerator),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(measured: f64, expected: Option<&str>) {
        assert_eq!(FrameRate::near(measured).map(|rate| rate.to_string()).as_deref(), expected, "{measured}");
    }

    #[test]
    fn measurements_snap_to_what_was_meant() {
        check(30.0, Some("30"));
        check(30.3, Some("30"));
        check(29.97, Some("30000/1001"));
        check(29.9, Some("30000/1001"));
        check(23.98, Some("24000/1001"));
        check(60.2, Some("60"));
        check(25.0, Some("25"));
        check(17.3, None);
        check(0.0, None);
        check(f64::NAN, None);
    }

    #[test]
    fn a_group_of_pictures_is_counted_in_frames() {
        assert_eq!(FrameRate::whole(25).frames_in(2), 50);
        assert_eq!(FrameRate { numerator: 30_000, denominator: 1001 }.frames_in(2), 60);
    }
}
