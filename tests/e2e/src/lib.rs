//! Cross-service tests on real servers: what they share.

pub mod platforms;
pub mod scene;

pub use scene::Scene;
