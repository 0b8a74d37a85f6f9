//! What a destination asks of its platform, beyond the picture: title, privacy, category and the like.
//!
//! One flat object for all platforms: a field that a platform does not have is refused when the destination is made.

use serde::{Deserialize, Serialize};

use crate::platform::Platform;

/// A destination's wishes to its platform. A field left out means the platform's (or our documented) default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PlatformSettings {
    /// Title of the broadcast; the stream's title when left out. YouTube ≤ 100, Facebook ≤ 254, Twitch ≤ 140 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Description. YouTube ≤ 5000 characters; Facebook.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Who may see it: YouTube and Facebook.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub privacy: Option<Privacy>,
    /// YouTube: whether it is made for kids.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub made_for_kids: Option<bool>,
    /// YouTube: viewers may pause and rewind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dvr: Option<bool>,
    /// YouTube: content encryption, best effort.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_encryption: Option<bool>,
    /// YouTube: latency preference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
    /// YouTube: the broadcast goes live when media arrives. Our default is `true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub go_live_automatically: Option<bool>,
    /// YouTube: the broadcast ends by itself about a minute after media stops. Our default is `true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_automatically: Option<bool>,
    /// Twitch: the category's id, from the category search.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category_id: Option<String>,
    /// Twitch: at most 10 tags of at most 25 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// Twitch: the broadcast's language, ISO 639-1 or `other`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Facebook: the Page to go live on; the person's own profile when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page_id: Option<String>,
    /// YouTube and Facebook: when it is announced to begin, Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduled_start_s: Option<i64>,
    /// Cloudflare: whether the broadcast is recorded (and can be played back over HLS and DASH). Our default is `true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recording: Option<bool>,
    /// Cloudflare: low-latency HLS (beta).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub low_latency: Option<bool>,
    /// Cloudflare: what becomes of the live input at stop. Our default is `keep`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_stop: Option<OnStop>,
}

/// Who may see a broadcast.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Privacy {
    /// YouTube: everybody. Facebook: `EVERYONE`.
    Public,
    /// YouTube: who has the link.
    Unlisted,
    /// YouTube: invited people. Facebook: `SELF`.
    Private,
    /// Facebook: `ALL_FRIENDS`.
    Friends,
}

/// YouTube's latency preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Latency {
    /// Best quality.
    Normal,
    /// Some seconds.
    Low,
    /// Least; up to 1080p and without captions.
    UltraLow,
}

/// What becomes of a Cloudflare live input at stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnStop {
    /// It stays and is used again.
    Keep,
    /// It is disabled until the next start.
    Disable,
    /// It is deleted.
    Delete,
}

/// A field that the platform does not take, or not so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objection {
    /// The field's name in the REST contract.
    pub field: &'static str,
    /// Which of the two.
    pub why: Why,
    /// What is wrong, after the field's name in a sentence.
    pub message: String,
}

/// What is wrong with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The platform has no such thing in its API.
    NotOffered,
    /// It has, but not this value.
    Invalid,
}

/// YouTube's longest title, characters.
pub const YOUTUBE_TITLE: usize = 100;
/// YouTube's longest description, characters.
pub const YOUTUBE_DESCRIPTION: usize = 5_000;
/// Facebook's longest title, characters.
pub const FACEBOOK_TITLE: usize = 254;
/// The longest description we send to Facebook, characters; it publishes no limit.
pub const FACEBOOK_DESCRIPTION: usize = 5_000;
/// The longest name we give to a Cloudflare live input, characters; it publishes no limit.
pub const CLOUDFLARE_TITLE: usize = 200;
/// How far ahead Facebook lets a live video be announced, seconds (live-video-api/guides/scheduling: seven days).
pub const FACEBOOK_AHEAD_S: i64 = 7 * 86_400;
/// Twitch's longest title, characters (unverified; the product page shows 140).
pub const TWITCH_TITLE: usize = 140;
/// Twitch's most tags.
pub const TWITCH_TAGS: usize = 10;
/// Twitch's longest tag, characters.
pub const TWITCH_TAG: usize = 25;

impl PlatformSettings {
    /// What `platform` does not take of it; empty when all is well.
    pub fn check(&self, platform: Platform) -> Vec<Objection> {
        use Platform::{Cloudflare, Facebook, Twitch, Youtube};
        let given: [(&'static str, bool, &[Platform]); 17] = [
            ("title", self.title.is_some(), &[Youtube, Twitch, Facebook, Cloudflare]),
            ("description", self.description.is_some(), &[Youtube, Facebook]),
            ("privacy", self.privacy.is_some(), &[Youtube, Facebook]),
            ("made_for_kids", self.made_for_kids.is_some(), &[Youtube]),
            ("dvr", self.dvr.is_some(), &[Youtube]),
            ("content_encryption", self.content_encryption.is_some(), &[Youtube]),
            ("latency", self.latency.is_some(), &[Youtube]),
            ("go_live_automatically", self.go_live_automatically.is_some(), &[Youtube]),
            ("end_automatically", self.end_automatically.is_some(), &[Youtube]),
            ("category_id", self.category_id.is_some(), &[Twitch]),
            ("tags", self.tags.is_some(), &[Twitch]),
            ("language", self.language.is_some(), &[Twitch]),
            ("page_id", self.page_id.is_some(), &[Facebook]),
            ("scheduled_start", self.scheduled_start_s.is_some(), &[Youtube, Facebook]),
            ("recording", self.recording.is_some(), &[Cloudflare]),
            ("low_latency", self.low_latency.is_some(), &[Cloudflare]),
            ("on_stop", self.on_stop.is_some(), &[Cloudflare]),
        ];
        let mut objections: Vec<Objection> = given
            .into_iter()
            .filter(|(_, is_given, takers)| *is_given && !takers.contains(&platform))
            .map(|(field, ..)| Objection { field, why: Why::NotOffered, message: foreign(field, platform) })
            .collect();
        objections.extend(self.lengths(platform));
        if self.language.as_deref().is_some_and(|language| !is_language(language)) && platform == Twitch {
            objections
                .push(invalid("language", "must be a two-letter ISO 639-1 code in lower case, or other".to_owned()));
        }
        if let Some(privacy) = self.privacy {
            let fits = match platform {
                Youtube => privacy != Privacy::Friends,
                Facebook => privacy != Privacy::Unlisted,
                _ => true,
            };
            if !fits {
                objections.push(invalid(
                    "privacy",
                    format!("is not a privacy of {platform}: it has {}", privacies(platform)),
                ));
            }
        }
        objections
    }

    fn lengths(&self, platform: Platform) -> Vec<Objection> {
        let mut objections = Vec::new();
        let mut bound = |field: &'static str, text: Option<&String>, least: usize, most: usize| {
            if let Some(chars) = text.map(|t| t.chars().count()).filter(|n| !(least..=most).contains(n)) {
                let message = format!("has {chars} characters; {platform} takes {least} to {most}");
                objections.push(invalid(field, message));
            }
        };
        match platform {
            Platform::Youtube => {
                bound("title", self.title.as_ref(), 1, YOUTUBE_TITLE);
                bound("description", self.description.as_ref(), 0, YOUTUBE_DESCRIPTION);
            }
            Platform::Facebook => {
                bound("title", self.title.as_ref(), 0, FACEBOOK_TITLE);
                bound("description", self.description.as_ref(), 0, FACEBOOK_DESCRIPTION);
            }
            Platform::Twitch => {
                bound("title", self.title.as_ref(), 1, TWITCH_TITLE);
                for tag in self.tags.iter().flatten() {
                    bound("tags", Some(tag), 1, TWITCH_TAG);
                }
            }
            Platform::Cloudflare => bound("title", self.title.as_ref(), 0, CLOUDFLARE_TITLE),
            Platform::RtmpCustom => {}
        }
        if let Some(count) = self.tags.as_ref().map(Vec::len).filter(|n| *n > TWITCH_TAGS) {
            objections.push(invalid("tags", format!("has {count} entries; Twitch takes {TWITCH_TAGS}")));
        }
        objections
    }
}

fn invalid(field: &'static str, message: String) -> Objection {
    Objection { field, why: Why::Invalid, message }
}

/// Twitch: "ISO 639-1 two-letter language code or `other`".
fn is_language(text: &str) -> bool {
    text == "other" || (text.len() == 2 && text.bytes().all(|b| b.is_ascii_lowercase()))
}

fn privacies(platform: Platform) -> &'static str {
    match platform {
        Platform::Facebook => "public, friends and private",
        _ => "public, unlisted and private",
    }
}

macro_rules! field_by_field {
    ($($field:ident => $name:literal),+ $(,)?) => {
        impl PlatformSettings {
            /// The names of the fields that are given, as in the REST contract.
            pub fn given(&self) -> Vec<&'static str> {
                [$((self.$field.is_some(), $name)),+].into_iter().filter(|(given, _)| *given).map(|(_, name)| name).collect()
            }

            /// These settings with the fields of `changes` in their place.
            #[must_use]
            pub fn with(&self, changes: &Self) -> Self {
                Self { $($field: changes.$field.clone().or_else(|| self.$field.clone())),+ }
            }

            /// What is given here and was not so `before`.
            #[must_use]
            pub fn since(&self, before: &Self) -> Self {
                Self { $($field: if self.$field == before.$field { None } else { self.$field.clone() }),+ }
            }
        }
    };
}

field_by_field!(
    title => "title",
    description => "description",
    privacy => "privacy",
    made_for_kids => "made_for_kids",
    dvr => "dvr",
    content_encryption => "content_encryption",
    latency => "latency",
    go_live_automatically => "go_live_automatically",
    end_automatically => "end_automatically",
    category_id => "category_id",
    tags => "tags",
    language => "language",
    page_id => "page_id",
    scheduled_start_s => "scheduled_start",
    recording => "recording",
    low_latency => "low_latency",
    on_stop => "on_stop",
);

/// Why a field can't be given. What a platform has, but not in its API, is named as such.
fn foreign(field: &str, platform: Platform) -> String {
    match (field, platform) {
        ("low_latency" | "latency", Platform::Twitch) => {
            "is not offered by Twitch's API: switch it on in the channel's dashboard under Settings, Stream".to_owned()
        }
        _ => format!("is not offered by {platform}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(settings: &PlatformSettings, platform: Platform) -> Vec<&'static str> {
        settings.check(platform).into_iter().map(|o| o.field).collect()
    }

    #[test]
    fn each_platform_takes_its_own() {
        let youtube = PlatformSettings {
            title: Some("t".into()),
            privacy: Some(Privacy::Unlisted),
            dvr: Some(true),
            ..PlatformSettings::default()
        };
        assert_eq!(fields(&youtube, Platform::Youtube), [""; 0]);
        assert_eq!(fields(&youtube, Platform::Twitch), ["privacy", "dvr"]);
        assert_eq!(fields(&youtube, Platform::Facebook), ["dvr", "privacy"]);
        assert_eq!(fields(&youtube, Platform::RtmpCustom), ["title", "privacy", "dvr"]);
    }

    #[test]
    fn lengths_are_the_platforms() {
        let long = PlatformSettings { title: Some("x".repeat(101)), ..PlatformSettings::default() };
        assert_eq!(fields(&long, Platform::Youtube), ["title"]);
        assert_eq!(fields(&long, Platform::Facebook), [""; 0]);
        let tags = PlatformSettings { tags: Some(vec!["x".repeat(26); 11]), ..PlatformSettings::default() };
        assert_eq!(fields(&tags, Platform::Twitch).len(), 12);
    }

    #[test]
    fn what_twitch_has_only_in_its_dashboard_says_so() {
        let low = PlatformSettings { low_latency: Some(true), ..PlatformSettings::default() };
        let objections = low.check(Platform::Twitch);
        assert!(objections[0].message.contains("dashboard"));
        assert_eq!(objections[0].why, Why::NotOffered);
    }

    #[test]
    fn values_are_the_platforms() {
        let friends = PlatformSettings { privacy: Some(Privacy::Friends), ..PlatformSettings::default() };
        assert_eq!(fields(&friends, Platform::Youtube), ["privacy"]);
        assert_eq!(friends.check(Platform::Youtube)[0].why, Why::Invalid);
        assert_eq!(fields(&friends, Platform::Facebook), [""; 0]);
        for (language, good) in [("en", true), ("other", true), ("EN", false), ("eng", false), ("", false)] {
            let settings = PlatformSettings { language: Some(language.into()), ..PlatformSettings::default() };
            assert_eq!(settings.check(Platform::Twitch).is_empty(), good, "{language}");
        }
    }

    #[test]
    fn changes_are_told_apart() {
        let before = PlatformSettings { title: Some("a".into()), dvr: Some(true), ..PlatformSettings::default() };
        let changes =
            PlatformSettings { title: Some("b".into()), scheduled_start_s: Some(7), ..PlatformSettings::default() };
        let after = before.with(&changes);
        assert_eq!(after.given(), ["title", "dvr", "scheduled_start"]);
        assert_eq!(after.since(&before), changes);
        assert_eq!(before.since(&before), PlatformSettings::default());
    }
}
