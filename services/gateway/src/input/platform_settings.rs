//! A destination's `platform_settings`: what it asks of its platform beyond the picture.

use axum::http::StatusCode;
use domain::{
    platform::Platform,
    platform_settings::{
        FACEBOOK_AHEAD_S, Latency, Objection, OnStop, PlatformSettings, Privacy, TWITCH_TAG, TWITCH_TAGS, Why,
        YOUTUBE_DESCRIPTION,
    },
};
use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use utoipa::ToSchema;

use crate::{
    codes::{INVALID, NOT_OFFERED_BY_PLATFORM},
    error::{ApiError, FieldError},
    fields::Fields,
};

const START: &str = "scheduled_start";
/// The longest title of any platform, in characters.
const MAX_TITLE_CHARS: usize = 254;
/// The longest id of a platform's, in characters.
pub const MAX_ID_CHARS: usize = 64;
/// No platform plans further ahead, in seconds.
const MAX_AHEAD_S: i64 = 365 * 86_400;

/// What a destination asks of its platform. A field that the platform does not have is refused.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, ToSchema)]
#[schema(as = PlatformSettings, example = json!({"title": "Friday show", "privacy": "unlisted", "dvr": true}))]
pub struct PlatformSettingsBody {
    /// Title there; the stream's title when left out. YouTube 100, Twitch 140, Facebook 254 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// youtube, facebook: description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// youtube: public, unlisted or private. facebook: public, friends or private.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub privacy: Option<String>,
    /// youtube: whether it is made for kids.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub made_for_kids: Option<bool>,
    /// youtube: viewers may pause and rewind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dvr: Option<bool>,
    /// youtube: content encryption, where YouTube lets us set it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_encryption: Option<bool>,
    /// youtube: normal, low or ultra_low.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<String>,
    /// youtube: the broadcast goes live when media arrives. Default true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub go_live_automatically: Option<bool>,
    /// youtube: the broadcast ends by itself about a minute after media stops. Default true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_automatically: Option<bool>,
    /// twitch: id of the category, from the category search.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category_id: Option<String>,
    /// twitch: at most 10 of at most 25 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// twitch: ISO 639-1 in lower case, or other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// facebook: the Page to go live on; the person's own profile when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page_id: Option<String>,
    /// youtube, facebook: when it is announced to begin, RFC 3339. Facebook: at most 7 days ahead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduled_start: Option<String>,
    /// cloudflare: whether it is recorded, and can be played back over HLS and DASH. Default true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recording: Option<bool>,
    /// cloudflare: low-latency HLS (beta).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub low_latency: Option<bool>,
    /// cloudflare: what becomes of the live input at stop: keep, disable or delete. Default keep.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_stop: Option<String>,
}

/// Reads the fields of a `platform_settings` object, each strictly of its type. Which of them the platform takes is for
/// [`check`].
pub fn read(fields: &mut Fields<'_>) -> PlatformSettings {
    let id = |text: Option<&str>| text.map(str::to_owned);
    PlatformSettings {
        title: fields.text("title", MAX_TITLE_CHARS).map(str::to_owned),
        description: fields.lines("description", YOUTUBE_DESCRIPTION).map(str::to_owned),
        privacy: one_of(fields, "privacy", &PRIVACIES),
        made_for_kids: fields.boolean("made_for_kids"),
        dvr: fields.boolean("dvr"),
        content_encryption: fields.boolean("content_encryption"),
        latency: one_of(fields, "latency", &LATENCIES),
        go_live_automatically: fields.boolean("go_live_automatically"),
        end_automatically: fields.boolean("end_automatically"),
        category_id: id(fields.text("category_id", MAX_ID_CHARS)),
        tags: fields.texts("tags", TWITCH_TAGS, TWITCH_TAG),
        language: fields.string("language").map(str::to_owned),
        page_id: id(fields.text("page_id", MAX_ID_CHARS)),
        scheduled_start_s: fields.parsed(START, time),
        recording: fields.boolean("recording"),
        low_latency: fields.boolean("low_latency"),
        on_stop: one_of(fields, "on_stop", &ON_STOPS),
    }
}

/// Checks settings against what the platform takes. `before` is what is stored already: a start that lies in the past by
/// now may stay. `prefix` is the path of the object in the body, `""` for the body.
///
/// # Errors
/// 422 with every field at fault; `not_offered_by_platform` when the platform has none of them in its API.
pub fn check(
    settings: &PlatformSettings,
    before: &PlatformSettings,
    platform: Platform,
    prefix: &str,
    now_s: i64,
) -> Result<(), ApiError> {
    let mut objections = settings.check(platform);
    let start = settings.scheduled_start_s.filter(|_| settings.scheduled_start_s != before.scheduled_start_s);
    objections.extend(start.and_then(|start| start_objection(start.saturating_sub(now_s), platform)));
    if objections.is_empty() {
        return Ok(());
    }
    let none_offered = objections.iter().all(|objection| objection.why == Why::NotOffered);
    let faults: Vec<_> = objections.into_iter().map(|objection| fault(objection, prefix)).collect();
    if !none_offered {
        return Err(ApiError::validation(faults));
    }
    let sentence = |fault: &FieldError| format!("{} {}.", fault.field, fault.message);
    let message = faults.iter().map(sentence).collect::<Vec<_>>().join(" ");
    Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, NOT_OFFERED_BY_PLATFORM, message).with_fields(faults))
}

fn start_objection(ahead_s: i64, platform: Platform) -> Option<Objection> {
    let message = match platform {
        // These have no such field, which is said already.
        Platform::Twitch | Platform::Cloudflare | Platform::RtmpCustom => return None,
        Platform::Facebook if ahead_s > FACEBOOK_AHEAD_S => "must be at most 7 days ahead: Facebook plans no further",
        Platform::Youtube | Platform::Facebook if (1..=MAX_AHEAD_S).contains(&ahead_s) => return None,
        Platform::Youtube | Platform::Facebook => "must be in the future, at most a year ahead",
    };
    Some(Objection { field: START, why: Why::Invalid, message: message.to_owned() })
}

fn fault(objection: Objection, prefix: &str) -> FieldError {
    let code = match objection.why {
        Why::NotOffered => NOT_OFFERED_BY_PLATFORM,
        Why::Invalid => INVALID,
    };
    let field = if prefix.is_empty() { objection.field.to_owned() } else { format!("{prefix}.{}", objection.field) };
    FieldError { field, code: code.to_owned(), message: objection.message }
}

const PRIVACIES: [(&str, Privacy); 4] = [
    ("public", Privacy::Public),
    ("unlisted", Privacy::Unlisted),
    ("private", Privacy::Private),
    ("friends", Privacy::Friends),
];
const LATENCIES: [(&str, Latency); 3] =
    [("normal", Latency::Normal), ("low", Latency::Low), ("ultra_low", Latency::UltraLow)];
const ON_STOPS: [(&str, OnStop); 3] =
    [("keep", OnStop::Keep), ("disable", OnStop::Disable), ("delete", OnStop::Delete)];

fn one_of<T: Copy>(fields: &mut Fields<'_>, name: &'static str, words: &[(&'static str, T)]) -> Option<T> {
    fields.parsed(name, |text| {
        let known = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        known.ok_or_else(|| format!("must be one of {}", words.iter().map(|(w, _)| *w).collect::<Vec<_>>().join(", ")))
    })
}

fn word<T: PartialEq>(value: Option<T>, words: &[(&'static str, T)]) -> Option<String> {
    words.iter().find(|(_, known)| value.as_ref() == Some(known)).map(|(word, _)| (*word).to_owned())
}

fn time(text: &str) -> Result<i64, &'static str> {
    let time = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| "must be a time such as 2026-12-24T18:00:00Z")?;
    Ok(time.unix_timestamp())
}

impl From<PlatformSettings> for PlatformSettingsBody {
    fn from(s: PlatformSettings) -> Self {
        Self {
            title: s.title,
            description: s.description,
            privacy: word(s.privacy, &PRIVACIES),
            made_for_kids: s.made_for_kids,
            dvr: s.dvr,
            content_encryption: s.content_encryption,
            latency: word(s.latency, &LATENCIES),
            go_live_automatically: s.go_live_automatically,
            end_automatically: s.end_automatically,
            category_id: s.category_id,
            tags: s.tags,
            language: s.language,
            page_id: s.page_id,
            scheduled_start: s.scheduled_start_s.and_then(|s| crate::view::rfc3339(s.saturating_mul(1_000))),
            recording: s.recording,
            low_latency: s.low_latency,
            on_stop: word(s.on_stop, &ON_STOPS),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// 2026-11-18.
    const NOW_S: i64 = 1_795_000_000;
    static NONE: std::sync::LazyLock<PlatformSettings> = std::sync::LazyLock::new(PlatformSettings::default);

    fn read_body(body: &Value) -> Result<PlatformSettings, Vec<String>> {
        let faults = |e: ApiError| e.body("").error.fields.into_iter().map(|f| f.field).collect::<Vec<_>>();
        let mut fields = Fields::of(body).map_err(faults)?;
        let settings = read(&mut fields);
        fields.finish().map_err(faults)?;
        Ok(settings)
    }

    #[test]
    fn what_goes_in_comes_out() {
        let bodies = [
            json!({"title": "t", "description": "a\nb", "privacy": "unlisted", "made_for_kids": false, "dvr": true,
                "content_encryption": true, "latency": "ultra_low", "go_live_automatically": true,
                "end_automatically": false, "scheduled_start": "2026-12-24T18:00:00Z"}),
            json!({"category_id": "509658", "tags": ["a", "b"], "language": "other", "page_id": "1"}),
            json!({"tags": []}),
            json!({"recording": false, "low_latency": true, "on_stop": "delete"}),
            json!({}),
        ];
        for body in bodies {
            let settings = read_body(&body).unwrap();
            assert_eq!(serde_json::to_value(PlatformSettingsBody::from(settings)).unwrap(), body);
        }
    }

    #[test]
    fn types_and_words_are_exact() {
        for (field, bad) in [
            ("title", json!("")),
            ("title", json!(7)),
            ("title", json!("a\nb")),
            ("description", json!("a\u{0}")),
            ("description", json!("x".repeat(5_001))),
            ("privacy", json!("Public")),
            ("privacy", json!(null)),
            ("dvr", json!("true")),
            ("dvr", json!(1)),
            ("tags", json!("a")),
            ("tags", json!([1])),
            ("tags", json!([""])),
            ("tags", json!(vec!["a"; 11])),
            ("scheduled_start", json!("tomorrow")),
            ("scheduled_start", json!(1_795_000_100)),
            ("scheduled_start_s", json!(1_795_000_100)),
            ("on_stop", json!("explode")),
            ("stream_key", json!("x")),
        ] {
            let mut body = json!({});
            body[field] = bad.clone();
            assert_eq!(read_body(&body), Err(vec![field.to_owned()]), "{field}: {bad}");
        }
    }

    #[test]
    fn what_a_platform_lacks_says_so() {
        let refused = |body: Value, platform| {
            let settings = read_body(&body).unwrap();
            let error = check(&settings, &NONE, platform, "platform_settings", NOW_S).expect_err("refused");
            let body = error.body("").error;
            (body.code, body.fields.into_iter().map(|f| (f.field, f.code)).collect::<Vec<_>>(), body.message)
        };
        let (code, fields, message) = refused(json!({"low_latency": true}), Platform::Twitch);
        assert_eq!(code, "not_offered_by_platform");
        assert_eq!(fields, [("platform_settings.low_latency".to_owned(), "not_offered_by_platform".to_owned())]);
        assert!(message.contains("dashboard"), "{message}");
        let (code, fields, _) = refused(json!({"privacy": "friends", "tags": []}), Platform::Youtube);
        assert_eq!((code.as_str(), fields.len()), ("validation_failed", 2));
    }

    #[test]
    fn a_start_lies_ahead_unless_it_is_stored_already() {
        let good = |start: &str, before: &PlatformSettings, platform| {
            let settings = read_body(&json!({"scheduled_start": start})).unwrap();
            check(&settings, before, platform, "", NOW_S).is_ok()
        };
        for (start, youtube, facebook) in [
            ("2020-01-01T00:00:00Z", false, false),
            ("2026-11-20T00:00:00Z", true, true),
            ("2027-06-01T00:00:00+02:00", true, false),
            ("2028-06-01T00:00:00Z", false, false),
            ("9999-01-01T00:00:00Z", false, false),
        ] {
            assert_eq!(good(start, &NONE, Platform::Youtube), youtube, "{start}");
            assert_eq!(good(start, &NONE, Platform::Facebook), facebook, "{start}");
        }
        let past = read_body(&json!({"scheduled_start": "2020-01-01T00:00:00Z"})).unwrap();
        assert!(good("2020-01-01T00:00:00Z", &past, Platform::Facebook));
        assert!(!good("2020-01-01T00:00:00Z", &past, Platform::Twitch), "it has none");
    }
}
