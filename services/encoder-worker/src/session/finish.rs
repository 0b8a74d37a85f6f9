//! The last thing a session does: give its lease back.

use crate::{session::spec::Spec, work::context::Context};

/// Releases the lease. Without Redis it ends by itself.
pub(super) async fn give_back(context: &Context, spec: &Spec) {
    if let Err(error) = context.leases.release(spec.session, spec.epoch, &context.worker).await {
        tracing::warn!(error = &error as &dyn std::error::Error, "lease not released, it will end by itself");
    }
}
