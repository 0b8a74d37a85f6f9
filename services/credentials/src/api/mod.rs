//! The gRPC surface: the only way to a secret.

mod refusal;
mod request;
mod vault_service;

pub(crate) use refusal::chain;
pub use vault_service::VaultService;
