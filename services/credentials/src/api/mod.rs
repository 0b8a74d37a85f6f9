//! The gRPC surface: the only way to a secret.

mod platforms;
mod refusal;
mod request;
mod vault_service;

pub use platforms::PlatformsService;
pub(crate) use refusal::chain;
pub use vault_service::VaultService;
