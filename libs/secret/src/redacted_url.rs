//! A URL as logs may show it.

use std::fmt;

use url::Url;

/// Displays `scheme://host[:port]/app/***`: user info, query, fragment and everything behind the first path segment
/// are left out, because people paste keys into any of them. With a single segment even that is hidden. A text that is
/// no URL with a host prints as `***`.
#[derive(Clone, Copy)]
pub struct RedactedUrl<'a>(pub &'a str);

impl fmt::Display for RedactedUrl<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(url) = Url::parse(self.0) else { return f.write_str("***") };
        let Some(host) = url.host_str().filter(|host| !host.is_empty()) else { return f.write_str("***") };
        write!(f, "{}://{host}", url.scheme())?;
        if let Some(port) = url.port() {
            write!(f, ":{port}")?;
        }
        match segments(&url).as_slice() {
            [] => Ok(()),
            [_] => f.write_str("/***"),
            [app, ..] => write!(f, "/{app}/***"),
        }
    }
}

impl fmt::Debug for RedactedUrl<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn segments(url: &Url) -> Vec<&str> {
    url.path_segments().into_iter().flatten().filter(|segment| !segment.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, expected: &str) {
        assert_eq!(RedactedUrl(url).to_string(), expected, "{url}");
        assert_eq!(format!("{:?}", RedactedUrl(url)), expected, "{url}");
    }

    #[test]
    fn hides_what_may_be_a_key() {
        check("rtmp://a.example/live/KEY", "rtmp://a.example/live/***");
        check("rtmps://a.example:443/app/inst/KEY", "rtmps://a.example:443/app/***");
        check("rtmp://user:KEY@a.example/live/x?token=KEY#KEY", "rtmp://a.example/live/***");
        check("rtmp://a.example/KEY", "rtmp://a.example/***");
        check("rtmp://a.example/KEY/", "rtmp://a.example/***");
        check("rtmp://a.example?KEY", "rtmp://a.example");
        check("rtmp://[::1]:1935/live/KEY", "rtmp://[::1]:1935/live/***");
        check("postgres://user:KEY@db:5432/live", "postgres://db:5432/***");
        check("not a url KEY", "***");
        check("mailto:KEY", "***");
        check("", "***");
    }
}
