//! Rates over the last seconds of one kind of tags.

use std::collections::VecDeque;

/// Rates are taken over so much media time.
const WINDOW_MS: u32 = 4_000;
/// Below this much media time no rate is given: it would be a guess.
const MIN_SPAN_MS: u32 = 900;
/// At most so many tags are remembered (4 s at 240 fps fit).
const MAX_TAGS: usize = 1_024;
/// A larger step between two tags is a break in time, and the window starts anew.
const BREAK_MS: u32 = 10_000;

#[derive(Default)]
pub(super) struct Meter {
    tags: VecDeque<(u32, usize)>,
    bytes: usize,
}

impl Meter {
    pub(super) fn push(&mut self, ts: u32, bytes: usize) {
        if self.tags.back().is_some_and(|(last, _)| ts.wrapping_sub(*last) > BREAK_MS) {
            self.tags.clear(); // also when time ran backwards: the difference wraps to a large one
            self.bytes = 0;
        }
        self.tags.push_back((ts, bytes));
        self.bytes += bytes;
        while self.span() > WINDOW_MS || self.tags.len() > MAX_TAGS {
            self.bytes -= self.tags.pop_front().map_or(0, |(_, bytes)| bytes);
        }
    }

    fn span(&self) -> u32 {
        match (self.tags.front(), self.tags.back()) {
            (Some((first, _)), Some((last, _))) => last.wrapping_sub(*first),
            _ => 0,
        }
    }

    /// Tags per second, or `None` while too little was seen.
    pub(super) fn rate(&self) -> Option<f64> {
        let span = self.span();
        (span >= MIN_SPAN_MS).then(|| (self.tags.len() - 1) as f64 * 1000.0 / f64::from(span))
    }

    /// kbit/s, or `None` while too little was seen. The last tag's bytes belong to the time after it.
    pub(super) fn kbps(&self) -> Option<u32> {
        let span = self.span();
        let last = self.tags.back().map_or(0, |(_, bytes)| *bytes);
        (span >= MIN_SPAN_MS).then(|| ((self.bytes - last) as f64 * 8.0 / f64::from(span)).round() as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_over_a_wrap_and_a_break() {
        let mut meter = Meter::default();
        for n in 0..300u32 {
            meter.push((u32::MAX - 3000).wrapping_add(n * 20), 250);
        }
        assert_eq!((meter.rate(), meter.kbps()), (Some(50.0), Some(100)));
        meter.push(5, 1);
        assert_eq!(meter.rate(), None);
        for n in 1..=200 {
            meter.push(5 + n * 40, 1000);
        }
        assert_eq!((meter.rate(), meter.kbps()), (Some(25.0), Some(200)));
    }

    #[test]
    fn memory_is_bounded() {
        let mut meter = Meter::default();
        for _ in 0..10 * MAX_TAGS {
            meter.push(0, 1);
        }
        assert_eq!(meter.tags.len(), MAX_TAGS);
    }
}
