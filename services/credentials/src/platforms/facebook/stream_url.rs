//! A live video's stream URL, taken apart: the address, and the key behind it.
//!
//! By text, never by a URL parser: the key has a query (`FB-…?s_bl=1&…`) that belongs to it as it stands.

use secret::StreamKey;

const APP: &str = "/rtmp/";

/// `rtmps://any-host:443/rtmp/FB-1-0-x?s_bl=1` → `rtmps://any-host:443/rtmp` and `FB-1-0-x?s_bl=1`.
pub(super) fn split(url: &str) -> Option<(String, StreamKey)> {
    let rest = url.strip_prefix("rtmps://").or_else(|| url.strip_prefix("rtmp://"))?;
    let (host, key) = rest.split_once(APP)?;
    let is_host = !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || ".-:[]_".contains(c));
    let key = StreamKey::new(key.to_owned()).ok()?;
    is_host.then(|| (url[..url.len() - key.expose().len()].trim_end_matches('/').to_owned(), key))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_query_belongs_to_the_key() {
        let (address, key) =
            split("rtmps://live-api-s.facebook.com:443/rtmp/FB-1-0-Ab?s_bl=1&s_fbp=sea1-1&a=x/y").unwrap();
        assert_eq!(address, "rtmps://live-api-s.facebook.com:443/rtmp");
        assert_eq!(key.expose(), "FB-1-0-Ab?s_bl=1&s_fbp=sea1-1&a=x/y");
    }

    #[test]
    fn others_are_refused() {
        for url in [
            "",
            "rtmps://",
            "rtmps:///rtmp/key",
            "rtmps://host/rtmp/",
            "rtmps://host/app/key",
            "https://host/rtmp/key",
            "rtmps://host/other/rtmp/key",
            "rtmps://user:pw@host/rtmp/key",
            "rtmps://host/rtmp/ke\ny",
        ] {
            assert!(split(url).is_none(), "{url}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(url in "(rtmps?://)?\\PC{0,80}(/rtmp/)?\\PC{0,80}") {
            if let Some((address, key)) = split(&url) {
                prop_assert_eq!(format!("{address}/{}", key.expose()), url);
            }
        }
    }
}
