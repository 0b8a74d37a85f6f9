//! Who is throttled, until when: nobody is asked again before, since asking makes it longer.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use uuid::Uuid;

/// At most so many are remembered; beyond that those that are over go first, then any.
const BOUND: usize = 4_096;
/// A throttle without a word on its end (code 4 names none).
pub(super) const UNNAMED: Duration = Duration::from_secs(60);

/// Whose allowance a call uses.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Allowance {
    /// The application's, shared by everybody.
    App,
    /// A person's.
    Person(Uuid),
    /// A Page's.
    Page(String),
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Gate(Mutex<HashMap<Allowance, i64>>);

impl Gate {
    /// How long this allowance is still shut.
    pub fn shut(&self, allowance: &Allowance, now_ms: i64) -> Option<Duration> {
        let shut = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let until = [allowance, &Allowance::App].into_iter().filter_map(|one| shut.get(one)).max()?;
        u64::try_from(until - now_ms).ok().filter(|left| *left > 0).map(Duration::from_millis)
    }

    /// Shuts it.
    pub fn shut_for(&self, allowance: Allowance, pause: Duration, now_ms: i64) {
        let mut shut = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if shut.len() >= BOUND {
            shut.retain(|_, until| *until > now_ms);
        }
        if shut.len() >= BOUND {
            shut.clear();
        }
        let until = now_ms.saturating_add(i64::try_from(pause.as_millis()).unwrap_or(i64::MAX));
        shut.insert(allowance, until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_own_and_the_app_shuts_all() {
        let (gate, page) = (Gate::default(), Allowance::Page("1".to_owned()));
        assert_eq!(gate.shut(&page, 0), None);
        gate.shut_for(page.clone(), Duration::from_secs(2), 1_000);
        assert_eq!(gate.shut(&page, 2_500), Some(Duration::from_millis(500)));
        assert_eq!(gate.shut(&Allowance::Page("2".to_owned()), 2_500), None);
        assert_eq!(gate.shut(&page, 3_000), None);
        gate.shut_for(Allowance::App, Duration::from_secs(9), 3_000);
        assert_eq!(gate.shut(&page, 3_000), Some(Duration::from_secs(9)));
    }

    #[test]
    fn it_stays_small() {
        let gate = Gate::default();
        for n in 0..2 * BOUND {
            gate.shut_for(Allowance::Page(n.to_string()), Duration::from_secs(1), 0);
        }
        assert!(gate.0.lock().unwrap().len() <= BOUND);
    }
}
