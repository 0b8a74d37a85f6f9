//! A platform's daily allowance of calls, shared by everybody who uses our project.

use super::Failure;

/// What a call is for. Going live keeps a reserve that looking never touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Without it a broadcast can't begin or end.
    GoLive,
    /// It only tells more.
    Look,
}

/// The allowance of one project.
#[tonic::async_trait]
pub trait Budget: Send + Sync {
    /// Takes `units`, or says why not.
    ///
    /// # Errors
    /// `platform_quota_exceeded` (transient, `after` the reset), or the database is away.
    async fn spend(&self, units: u32, purpose: Purpose) -> Result<(), Failure>;

    /// The platform says that nothing is left: nobody asks again before the reset.
    async fn exhausted(&self);
}
