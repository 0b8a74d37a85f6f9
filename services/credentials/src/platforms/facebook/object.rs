//! A live video as Graph shows it. Shapes differ between the guide, the reference and recorded answers, so fields are
//! read one by one, and one that is not as expected counts as missing.

use serde_json::Value;
use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

use super::{SITE, refusal::whole};

/// `2026-11-23T12:00:00+0000`
const TIME: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second][offset_hour sign:mandatory][offset_minute]");
/// Graph's ids are decimal; some are two joined by `_`.
const LONGEST_ID: usize = 64;

/// `status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Unpublished,
    /// Asked to go live; waits for media.
    LiveNow,
    Live,
    LiveStopped,
    Processing,
    Vod,
    ScheduledUnpublished,
    ScheduledLive,
    ScheduledCanceled,
    ScheduledExpired,
    /// One that is not documented, or none.
    Other,
}

impl Status {
    fn of(text: &str) -> Self {
        match text {
            "UNPUBLISHED" => Self::Unpublished,
            "LIVE_NOW" => Self::LiveNow,
            "LIVE" => Self::Live,
            "LIVE_STOPPED" => Self::LiveStopped,
            "PROCESSING" => Self::Processing,
            "VOD" => Self::Vod,
            "SCHEDULED_UNPUBLISHED" => Self::ScheduledUnpublished,
            "SCHEDULED_LIVE" => Self::ScheduledLive,
            "SCHEDULED_CANCELED" => Self::ScheduledCanceled,
            "SCHEDULED_EXPIRED" => Self::ScheduledExpired,
            _ => Self::Other,
        }
    }

    /// Its stream URL is dead.
    pub fn is_over(self) -> bool {
        matches!(
            self,
            Self::LiveStopped | Self::Processing | Self::Vod | Self::ScheduledCanceled | Self::ScheduledExpired
        )
    }
}

/// One ingest's measurements; what Facebook does not tell is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Ingest {
    /// Bit/s.
    pub video_bitrate: Option<f64>,
    /// Bit/s.
    pub audio_bitrate: Option<f64>,
    /// Keyframe distance, ms.
    pub gop_ms: Option<f64>,
}

/// One entry of `errors`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Complaint {
    pub code: Option<i64>,
    /// Code and type as text, to find the string codes in.
    pub kind: String,
    pub message: String,
    pub at_ms: Option<i64>,
}

/// What was asked of a live video.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Object {
    pub id: String,
    pub status: Status,
    pub title: Option<String>,
    pub created_ms: Option<i64>,
    pub stream_url: Option<String>,
    /// Complete, with the host.
    pub permalink: Option<String>,
    pub embed_html: Option<String>,
    pub viewers: u64,
    pub total_views: Option<u64>,
    pub seconds_left: Option<u64>,
    /// The ingest with the most video.
    pub ingest: Option<Ingest>,
    pub complaints: Vec<Complaint>,
    pub video: Option<String>,
}

impl Object {
    /// `None` without a usable id.
    pub fn read(value: &Value) -> Option<Self> {
        let text = |name: &str| value[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        Some(Self {
            id: id(&value["id"])?,
            status: Status::of(value["status"].as_str().unwrap_or_default()),
            title: text("title"),
            created_ms: time(&value["creation_time"]),
            stream_url: text("secure_stream_url").or_else(|| text("stream_url")),
            permalink: text("permalink_url").and_then(permalink),
            embed_html: text("embed_html"),
            viewers: count(&value["live_views"]).unwrap_or(0),
            total_views: count(&value["total_views"]),
            seconds_left: count(&value["seconds_left"]),
            ingest: items(&value["ingest_streams"]).iter().map(ingest).max_by(|a, b| bits(a).total_cmp(&bits(b))),
            complaints: items(&value["errors"]).iter().map(complaint).collect(),
            video: id(&value["video"]["id"]),
        })
    }

    /// Facebook measures a picture.
    pub fn has_picture(&self) -> bool {
        self.ingest.is_some_and(|ingest| bits(&ingest) > 0.0)
    }
}

/// The objects of a list's page.
pub(super) fn objects(page: &Value) -> Vec<Object> {
    items(page).iter().filter_map(Object::read).collect()
}

/// An id that may be put into a path.
pub(super) fn id(value: &Value) -> Option<String> {
    let text = value.as_str().map(str::to_owned).or_else(|| value.as_u64().map(|number| number.to_string()))?;
    let fits = !text.is_empty() && text.len() <= LONGEST_ID && text.chars().all(|c| c.is_ascii_digit() || c == '_');
    fits.then_some(text)
}

/// A bare array, or `{"data": […]}`.
pub(super) fn items(value: &Value) -> &[Value] {
    let array = value.as_array().or_else(|| value.get("data")?.as_array());
    array.map_or(&[], Vec::as_slice)
}

fn ingest(value: &Value) -> Ingest {
    let health = &value["stream_health"];
    let of = |name: &str| health[name].as_f64().or_else(|| health[name].as_str()?.parse().ok());
    let of = |name: &str| of(name).filter(|number| number.is_finite() && *number >= 0.0);
    Ingest { video_bitrate: of("video_bitrate"), audio_bitrate: of("audio_bitrate"), gop_ms: of("video_gop_size") }
}

fn bits(ingest: &Ingest) -> f64 {
    ingest.video_bitrate.unwrap_or(0.0)
}

fn complaint(value: &Value) -> Complaint {
    let text = |name: &str| value[name].as_str().unwrap_or_default();
    Complaint {
        code: whole(&value["error_code"]),
        kind: format!("{} {}", text("error_code"), text("error_type")),
        message: text("error_message").to_owned(),
        at_ms: time(&value["creation_time"]),
    }
}

fn count(value: &Value) -> Option<u64> {
    whole(value).and_then(|number| u64::try_from(number).ok())
}

/// Facebook's form, or Unix seconds.
fn time(value: &Value) -> Option<i64> {
    if let Some(seconds) = value.as_i64() {
        return seconds.checked_mul(1_000);
    }
    let at = OffsetDateTime::parse(value.as_str()?, TIME).ok()?;
    i64::try_from(at.unix_timestamp_nanos() / 1_000_000).ok()
}

/// A path on facebook.com, or a URL there; anything else is not shown to people.
fn permalink(link: String) -> Option<String> {
    if link.starts_with('/') && !link.starts_with("//") {
        return Some(format!("{SITE}{link}"));
    }
    let host = url::Url::parse(&link).ok().filter(|url| url.scheme() == "https")?.host_str()?.to_owned();
    (host == "facebook.com" || host.ends_with(".facebook.com")).then_some(link)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_shapes_of_ingest_streams() {
        let streams = json!([
            {"stream_id": "0", "stream_health": {"video_bitrate": 0}},
            {"stream_id": "1", "stream_health": {"video_bitrate": 3e6, "audio_bitrate": "128000", "video_gop_size": 2000}},
        ]);
        let expected = Ingest { video_bitrate: Some(3e6), audio_bitrate: Some(128_000.0), gop_ms: Some(2_000.0) };
        for shape in [streams.clone(), json!({ "data": streams })] {
            let object = Object::read(&json!({"id": "1", "ingest_streams": shape})).unwrap();
            assert_eq!(object.ingest, Some(expected));
            assert!(object.has_picture());
        }
        assert!(!Object::read(&json!({"id": "1"})).unwrap().has_picture());
    }

    #[test]
    fn times_ids_and_links() {
        assert_eq!(time(&json!("2026-11-23T12:00:00+0000")), Some(1_795_435_200_000));
        assert_eq!(time(&json!("2026-11-23T13:00:00+0100")), Some(1_795_435_200_000));
        assert_eq!(time(&json!(1_795_435_200)), Some(1_795_435_200_000));
        assert_eq!(time(&json!("yesterday")), None);
        assert_eq!(id(&json!("12_3")), Some("12_3".to_owned()));
        assert_eq!(id(&json!(123)), Some("123".to_owned()));
        for bad in [json!(""), json!("../me"), json!("1?x"), json!("9".repeat(65)), json!(null)] {
            assert_eq!(id(&bad), None, "{bad}");
        }
        let link = |text: &str| permalink(text.to_owned());
        assert_eq!(link("/1/videos/2/").as_deref(), Some("https://www.facebook.com/1/videos/2/"));
        assert_eq!(link("https://www.facebook.com/1").as_deref(), Some("https://www.facebook.com/1"));
        for bad in ["//evil.example/x", "https://evil.example/", "javascript:alert(1)", "https://notfacebook.com/"] {
            assert_eq!(link(bad), None, "{bad}");
        }
    }
}
