//! A certificate authority for tests, and good and bad certificates of it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose, date_time_ymd};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio_rustls::TlsAcceptor;

use crate::temp;

/// Which certificate a server shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// For `localhost` and 127.0.0.1, of the test CA.
    Valid,
    /// For `localhost`, of nobody.
    SelfSigned,
    /// Of the test CA, for `other.example`.
    WrongHost,
    /// Of the test CA, for `localhost`, until 2021.
    Expired,
}

/// The authority. Its PEM file goes into `RTMPS_CA_FILE`.
#[derive(Debug)]
pub struct TestCa {
    issuer: CertifiedIssuer<'static, KeyPair>,
    file: PathBuf,
    _dir: tempfile::TempDir,
}

impl TestCa {
    /// A new authority.
    ///
    /// # Errors
    /// When its file can't be written.
    pub fn new() -> anyhow::Result<Arc<Self>> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let dir = temp::dir("ca")?;
        let file = dir.path().join("ca.pem");
        std::fs::write(&file, issuer.pem())?;
        Ok(Arc::new(Self { issuer, file, _dir: dir }))
    }

    /// Its certificate in PEM.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// What a server needs to show `certificate`.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn acceptor(&self, certificate: Certificate) -> anyhow::Result<TlsAcceptor> {
        let (chain, key) = self.issue(certificate)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    fn issue(
        &self,
        certificate: Certificate,
    ) -> anyhow::Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
        let names: &[&str] = match certificate {
            Certificate::WrongHost => &["other.example"],
            _ => &["localhost", "127.0.0.1"],
        };
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names)?;
        if certificate == Certificate::Expired {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        }
        let key = KeyPair::generate()?;
        let leaf = match certificate {
            Certificate::SelfSigned => params.self_signed(&key)?,
            _ => params.signed_by(&key, &self.issuer)?,
        };
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        Ok((vec![leaf.der().clone()], key.into()))
    }
}
