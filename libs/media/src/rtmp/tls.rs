//! Whom we trust on RTMPS, and what a failed certificate is called.
//!
//! The certificate and the host name are always verified, before a byte of RTMP (and so of the stream key) is sent.
//! There is no switch to turn that off; a private installation adds its own CA.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    CertificateError, ClientConfig, RootCertStore,
    pki_types::{CertificateDer, InvalidDnsNameError, ServerName, pem::PemObject},
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// The certificate authorities that may vouch for a destination. Load once per process: it reads the system's store.
#[derive(Clone)]
pub struct Trust(Arc<ClientConfig>);

impl std::fmt::Debug for Trust {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Trust")
    }
}

/// Why the trusted certificates could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The extra CA file cannot be read or is not PEM.
    #[error("cannot read certificates from {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// The extra CA file holds no certificate.
    #[error("no certificate in {0}")]
    Empty(PathBuf),
    /// The TLS library refused a certificate or its own defaults.
    #[error("unusable certificate authority")]
    Unusable(#[source] rustls::Error),
}

impl Trust {
    /// The system's authorities (the bundled Mozilla list where the system has none) and those of a PEM file.
    ///
    /// # Errors
    /// The extra file is unreadable, empty or holds an unusable certificate.
    pub fn system(extra_ca: Option<&Path>) -> Result<Self, TrustError> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        if let Some(path) = extra_ca {
            add_file(&mut roots, path)?;
        }
        Self::from_roots(roots)
    }

    /// Only the authorities of a PEM file.
    ///
    /// # Errors
    /// The file is unreadable, empty or holds an unusable certificate.
    pub fn only(ca: &Path) -> Result<Self, TrustError> {
        let mut roots = RootCertStore::empty();
        add_file(&mut roots, ca)?;
        Self::from_roots(roots)
    }

    fn from_roots(roots: RootCertStore) -> Result<Self, TrustError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TrustError::Unusable)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }
}

fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), TrustError> {
    let unreadable = |source| TrustError::Unreadable { path: path.to_owned(), source };
    let before = roots.len();
    for certificate in CertificateDer::pem_file_iter(path).map_err(unreadable)? {
        roots.add(certificate.map_err(unreadable)?).map_err(TrustError::Unusable)?;
    }
    if roots.len() == before { Err(TrustError::Empty(path.to_owned())) } else { Ok(()) }
}

/// Why no TLS session came about. Nothing of the key has been sent.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Unknown authority, self-signed, expired, revoked or otherwise not to be believed.
    #[error("untrusted certificate")]
    UntrustedCertificate(#[source] rustls::Error),
    /// A certificate to be believed, of somebody else.
    #[error("certificate of another host")]
    WrongHost(#[source] rustls::Error),
    /// The host cannot stand in a certificate.
    #[error("not a host name")]
    BadHost(#[source] InvalidDnsNameError),
    /// Anything else: not a TLS server, no common version, connection lost.
    #[error("TLS failed")]
    Other(#[source] io::Error),
}

/// Opens a TLS session for `host` (a DNS name, sent as SNI, or an IP address) over `socket`.
///
/// # Errors
/// See [`TlsError`].
pub async fn connect<S>(trust: &Trust, host: &str, socket: S) -> Result<TlsStream<S>, TlsError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let bare = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
    let name = ServerName::try_from(bare.to_owned()).map_err(TlsError::BadHost)?;
    TlsConnector::from(trust.0.clone()).connect(name, socket).await.map_err(classify)
}

fn classify(error: io::Error) -> TlsError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(tls @ rustls::Error::InvalidCertificate(reason)) => match reason {
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                TlsError::WrongHost(tls.clone())
            }
            _ => TlsError::UntrustedCertificate(tls.clone()),
        },
        _ => TlsError::Other(error),
    }
}
