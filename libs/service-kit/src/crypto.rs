//! The process-wide TLS provider.

/// Makes ring the process's rustls provider. First line of every `main`: without it the first TLS use panics.
/// Calling it again does nothing.
pub fn install_crypto() {
    // An error only says that a provider is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
