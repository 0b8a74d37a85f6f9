//! Everything that is logged at any level, and a check that no secret of the simulator is in it.

use std::{
    fmt::{Debug, Write},
    sync::{Arc, Mutex},
};

use platform_sim::Sim;
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
    subscriber::DefaultGuard,
};

/// Longer than chance allows, shorter than what anybody could use.
const PIECE: usize = 12;

/// What was logged, and what was said to it besides.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<String>>);

impl Log {
    /// Takes what this thread logs until the guard is dropped.
    pub fn begin() -> (Self, DefaultGuard) {
        let log = Self::default();
        let guard = tracing::subscriber::set_default(log.clone());
        (log, guard)
    }

    /// Something that is shown to somebody.
    pub fn say(&self, what: &dyn Debug) {
        let _ = write!(self.0.lock().unwrap(), "\n{what:?}");
    }

    /// The log was looked at: it has this.
    #[track_caller]
    pub fn assert_holds(&self, text: &str) {
        assert!(self.0.lock().unwrap().contains(text), "{text} is not in the log");
    }

    /// `public` may be there although secrets contain it.
    #[track_caller]
    pub fn assert_no_secret(&self, sim: &Sim, public: &[&str]) {
        let mut text = self.0.lock().unwrap().clone();
        for known in public {
            text = text.replace(known, "{public}");
        }
        for secret in sim.secrets() {
            for piece in secret.as_bytes().windows(PIECE).filter_map(|piece| std::str::from_utf8(piece).ok()) {
                assert!(!text.contains(piece), "{piece} of a secret is in {text}");
            }
        }
    }
}

impl Visit for Log {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0.lock().unwrap(), " {field}={value:?}");
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // The simulator serves with hyper in this process.
        !["platform_sim", "hyper"].iter().any(|other| metadata.target().starts_with(other))
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        attributes.record(&mut self.clone());
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, values: &span::Record<'_>) {
        values.record(&mut self.clone());
    }

    fn event(&self, event: &Event<'_>) {
        let _ = write!(self.0.lock().unwrap(), "\n{}", event.metadata().target());
        event.record(&mut self.clone());
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}
