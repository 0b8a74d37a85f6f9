//! The pictures that people give for their broadcasts.

use domain::ids::{DestinationId, TenantId};
use sqlx::PgConnection;

use crate::{platforms::Thumbnail, store::Error};

/// Largest picture, bytes: YouTube's bound.
const MAX_BYTES: usize = 2 << 20;
const JPEG: &[u8] = &[0xff, 0xd8, 0xff];
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Why a picture is not taken; after "the picture" in a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Invalid {
    /// Above [`MAX_BYTES`].
    #[error("is larger than 2 MiB")]
    TooLarge,
    /// Its first bytes are of another format.
    #[error("is neither JPEG nor PNG")]
    Format,
    /// It is not what its `Content-Type` says.
    #[error("is not of the content type that it was sent with")]
    Type,
}

/// A picture whose bytes are what they are said to be.
///
/// # Errors
/// [`Invalid`].
pub(crate) fn check(content_type: &str, image: Vec<u8>) -> Result<Thumbnail, Invalid> {
    let found = if image.starts_with(JPEG) {
        "image/jpeg"
    } else if image.starts_with(PNG) {
        "image/png"
    } else {
        return Err(Invalid::Format);
    };
    if image.len() > MAX_BYTES {
        return Err(Invalid::TooLarge);
    }
    if !content_type.is_empty() && content_type != found {
        return Err(Invalid::Type);
    }
    Ok(Thumbnail { content_type: found.to_owned(), image })
}

pub(super) async fn find(
    conn: &mut PgConnection,
    tenant: &TenantId,
    id: DestinationId,
) -> Result<Option<Thumbnail>, Error> {
    let sql = "SELECT content_type, image FROM credentials.thumbnails WHERE destination_id = $1 AND tenant_id = $2";
    let found = sqlx::query_as::<_, (String, Vec<u8>)>(sql).bind(id.0).bind(tenant.as_str());
    let found = found.fetch_optional(conn).await?;
    Ok(found.map(|(content_type, image)| Thumbnail { content_type, image }))
}

/// Stores or replaces; `false` when the destination's picture is another tenant's.
pub(super) async fn put(
    conn: &mut PgConnection,
    tenant: &TenantId,
    id: DestinationId,
    thumbnail: &Thumbnail,
) -> Result<bool, Error> {
    let sql = "INSERT INTO credentials.thumbnails AS t (destination_id, tenant_id, content_type, image) \
               VALUES ($1, $2, $3, $4) ON CONFLICT (destination_id) DO UPDATE \
               SET content_type = excluded.content_type, image = excluded.image \
               WHERE t.tenant_id = excluded.tenant_id";
    let query = sqlx::query(sql).bind(id.0).bind(tenant.as_str());
    let done = query.bind(&thumbnail.content_type).bind(&thumbnail.image).execute(conn).await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn remove(conn: &mut PgConnection, tenant: &TenantId, id: DestinationId) -> Result<(), Error> {
    let sql = "DELETE FROM credentials.thumbnails WHERE destination_id = $1 AND tenant_id = $2";
    sqlx::query(sql).bind(id.0).bind(tenant.as_str()).execute(conn).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(content_type: &str, image: &[u8]) -> Option<Invalid> {
        check(content_type, image.to_vec()).err()
    }

    #[test]
    fn only_what_it_says_it_is() {
        let jpeg = [JPEG, b"rest"].concat();
        assert_eq!(refused("image/jpeg", &jpeg), None);
        assert_eq!(refused("", &[PNG, b"rest"].concat()), None);
        assert_eq!(refused("image/png", &jpeg), Some(Invalid::Type));
        assert_eq!(refused("image/jpeg", b"GIF89a"), Some(Invalid::Format));
        assert_eq!(refused("image/jpeg", b""), Some(Invalid::Format));
        let mut large = vec![0; MAX_BYTES + 1];
        large[..3].copy_from_slice(JPEG);
        assert_eq!(refused("image/jpeg", &large), Some(Invalid::TooLarge));
    }
}
