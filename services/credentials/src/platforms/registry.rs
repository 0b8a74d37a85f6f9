//! The platforms that this installation has credentials for.

use std::{collections::HashMap, fmt, sync::Arc};

use domain::{
    fault::{Blame, Fault, Retry},
    platform::Platform,
};

use super::{Failure, Features, Lifecycle, name};

/// Cheap to clone.
#[derive(Clone, Default)]
pub struct Platforms {
    all: Arc<HashMap<Platform, One>>,
}

#[derive(Clone)]
struct One {
    lifecycle: Arc<dyn Lifecycle>,
    features: Arc<dyn Features>,
}

impl fmt::Debug for Platforms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.all.keys()).finish()
    }
}

impl Platforms {
    /// One more.
    #[must_use]
    pub fn with<P: Lifecycle + Features + 'static>(self, platform: P) -> Self {
        let platform = Arc::new(platform);
        let one = One { lifecycle: platform.clone(), features: platform.clone() };
        let mut all = Arc::unwrap_or_clone(self.all);
        all.insert(platform.platform(), one);
        Self { all: Arc::new(all) }
    }

    /// Whether there are credentials for it.
    pub fn is_configured(&self, platform: Platform) -> bool {
        self.all.contains_key(&platform)
    }

    /// How broadcasts live there.
    ///
    /// # Errors
    /// `platform_not_configured`.
    pub fn lifecycle(&self, platform: Platform) -> Result<Arc<dyn Lifecycle>, Failure> {
        self.all.get(&platform).map(|one| Arc::clone(&one.lifecycle)).ok_or_else(|| not_configured(platform))
    }

    /// What else people can do there.
    ///
    /// # Errors
    /// `platform_not_configured`.
    pub fn features(&self, platform: Platform) -> Result<Arc<dyn Features>, Failure> {
        self.all.get(&platform).map(|one| Arc::clone(&one.features)).ok_or_else(|| not_configured(platform))
    }
}

/// There are no credentials for it.
pub fn not_configured(platform: Platform) -> Failure {
    let message = format!("{} is not set up on this installation.", name(platform));
    Failure::of(Fault::new(Blame::Us, Retry::Permanent, "platform_not_configured", message))
}
