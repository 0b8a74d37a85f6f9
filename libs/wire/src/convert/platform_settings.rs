//! A destination's wishes to its platform. The words of the enums are those of the REST contract.

use domain::platform_settings::{Latency, OnStop, PlatformSettings, Privacy};

use crate::{Malformed, v1};

impl From<PlatformSettings> for v1::PlatformSettings {
    fn from(s: PlatformSettings) -> Self {
        Self {
            title: s.title,
            description: s.description,
            privacy: s.privacy.map(|p| privacy_word(p).to_owned()),
            made_for_kids: s.made_for_kids,
            dvr: s.dvr,
            content_encryption: s.content_encryption,
            latency: s.latency.map(|l| latency_word(l).to_owned()),
            go_live_automatically: s.go_live_automatically,
            end_automatically: s.end_automatically,
            category_id: s.category_id,
            tags_given: s.tags.is_some(),
            tags: s.tags.unwrap_or_default(),
            language: s.language,
            page_id: s.page_id,
            scheduled_start_s: s.scheduled_start_s,
            recording: s.recording,
            low_latency: s.low_latency,
            on_stop: s.on_stop.map(|o| on_stop_word(o).to_owned()),
        }
    }
}

impl TryFrom<v1::PlatformSettings> for PlatformSettings {
    type Error = Malformed;

    fn try_from(s: v1::PlatformSettings) -> Result<Self, Malformed> {
        Ok(Self {
            title: s.title,
            description: s.description,
            privacy: s.privacy.as_deref().map(privacy).transpose()?,
            made_for_kids: s.made_for_kids,
            dvr: s.dvr,
            content_encryption: s.content_encryption,
            latency: s.latency.as_deref().map(latency).transpose()?,
            go_live_automatically: s.go_live_automatically,
            end_automatically: s.end_automatically,
            category_id: s.category_id,
            tags: s.tags_given.then_some(s.tags),
            language: s.language,
            page_id: s.page_id,
            scheduled_start_s: s.scheduled_start_s,
            recording: s.recording,
            low_latency: s.low_latency,
            on_stop: s.on_stop.as_deref().map(on_stop).transpose()?,
        })
    }
}

fn privacy_word(privacy: Privacy) -> &'static str {
    match privacy {
        Privacy::Public => "public",
        Privacy::Unlisted => "unlisted",
        Privacy::Private => "private",
        Privacy::Friends => "friends",
    }
}

fn privacy(word: &str) -> Result<Privacy, Malformed> {
    [Privacy::Public, Privacy::Unlisted, Privacy::Private, Privacy::Friends]
        .into_iter()
        .find(|p| privacy_word(*p) == word)
        .ok_or(Malformed::new("privacy"))
}

fn latency_word(latency: Latency) -> &'static str {
    match latency {
        Latency::Normal => "normal",
        Latency::Low => "low",
        Latency::UltraLow => "ultra_low",
    }
}

fn latency(word: &str) -> Result<Latency, Malformed> {
    [Latency::Normal, Latency::Low, Latency::UltraLow]
        .into_iter()
        .find(|l| latency_word(*l) == word)
        .ok_or(Malformed::new("latency"))
}

fn on_stop_word(on_stop: OnStop) -> &'static str {
    match on_stop {
        OnStop::Keep => "keep",
        OnStop::Disable => "disable",
        OnStop::Delete => "delete",
    }
}

fn on_stop(word: &str) -> Result<OnStop, Malformed> {
    [OnStop::Keep, OnStop::Disable, OnStop::Delete]
        .into_iter()
        .find(|o| on_stop_word(*o) == word)
        .ok_or(Malformed::new("on_stop"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_survive_the_wire() {
        let all = PlatformSettings {
            title: Some("t".into()),
            description: Some(String::new()),
            privacy: Some(Privacy::Friends),
            made_for_kids: Some(false),
            dvr: Some(true),
            content_encryption: Some(false),
            latency: Some(Latency::UltraLow),
            go_live_automatically: Some(false),
            end_automatically: Some(true),
            category_id: Some("1".into()),
            tags: Some(Vec::new()),
            language: Some("en".into()),
            page_id: Some("p".into()),
            scheduled_start_s: Some(7),
            recording: Some(false),
            low_latency: Some(true),
            on_stop: Some(OnStop::Delete),
        };
        for settings in [all, PlatformSettings::default()] {
            assert_eq!(v1::PlatformSettings::from(settings.clone()).try_into(), Ok(settings));
        }
        let unknown = v1::PlatformSettings { privacy: Some("hidden".into()), ..Default::default() };
        assert_eq!(PlatformSettings::try_from(unknown), Err(Malformed::new("privacy")));
    }
}
