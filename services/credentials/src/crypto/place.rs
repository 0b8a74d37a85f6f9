//! Where a sealed value belongs.

use domain::ids::TenantId;
use uuid::Uuid;

/// The kind of record that holds a secret. The names are stored; never change one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Table {
    /// Of a destination.
    Destination,
    /// Of a stream.
    Stream,
    /// Of an account on a platform.
    Account,
    /// Of a sign-in that a person has begun.
    Authorization,
    /// The vault's own key check.
    Vault,
}

impl Table {
    /// The stored name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Destination => "destination",
            Self::Stream => "stream",
            Self::Account => "account",
            Self::Authorization => "authorization",
            Self::Vault => "vault",
        }
    }
}

/// The secret's role in its record. The names are stored; never change one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// The key a destination takes.
    StreamKey,
    /// The key our ingest takes.
    IngestKey,
    /// What a platform's API takes.
    AccessToken,
    /// What a platform gives the next access token for.
    RefreshToken,
    /// The secret half of a sign-in's PKCE pair.
    Verifier,
    /// The vault's own key check.
    Check,
}

impl Field {
    /// The stored name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StreamKey => "stream_key",
            Self::IngestKey => "ingest_key",
            Self::AccessToken => "access_token",
            Self::RefreshToken => "refresh_token",
            Self::Verifier => "verifier",
            Self::Check => "check",
        }
    }
}

/// Tenant, table, record and field of a secret. Part of the seal, as additional authenticated data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Whose secret it is.
    pub tenant: TenantId,
    /// Kind of record.
    pub table: String,
    /// Which record.
    pub record: Uuid,
    /// Role in the record.
    pub field: String,
}

impl Place {
    /// A place that the code knows by name.
    pub fn new(tenant: TenantId, table: Table, record: Uuid, field: Field) -> Self {
        Self { tenant, table: table.as_str().to_owned(), record, field: field.as_str().to_owned() }
    }

    /// An unambiguous encoding: each part behind its length, so that no two places share one.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let record = self.record.as_bytes().as_slice();
        for part in [self.tenant.as_str().as_bytes(), self.table.as_bytes(), record, self.field.as_bytes()] {
            out.extend_from_slice(&(part.len() as u64).to_be_bytes());
            out.extend_from_slice(part);
        }
    }
}
