//! What a broadcast is made like, and what is given up when YouTube does not take it.
//!
//! Defaults of ours: public, not made for kids, live and over by itself, viewers may rewind, no monitor stream (with one
//! a broadcast has to pass through `testing`, 5 to 60 s more).

use domain::platform_settings::{Latency, PlatformSettings, Privacy, YOUTUBE_DESCRIPTION, YOUTUBE_TITLE};

use super::model::{BroadcastDetails, BroadcastStatus, Monitor};
use crate::platforms::Run;

/// The title; YouTube refuses angle brackets in it.
pub(super) fn title(run: &Run) -> String {
    let title: String = run.title(YOUTUBE_TITLE).chars().filter(|c| !matches!(c, '<' | '>')).collect();
    let title = title.trim();
    if title.is_empty() { "Live".to_owned() } else { title.to_owned() }
}

/// The description, likewise.
pub(super) fn description(settings: &PlatformSettings) -> String {
    let given = settings.description.as_deref().unwrap_or_default();
    given.chars().filter(|c| !matches!(c, '<' | '>')).take(YOUTUBE_DESCRIPTION).collect()
}

pub(super) fn status(settings: &PlatformSettings) -> BroadcastStatus {
    BroadcastStatus {
        privacy_status: privacy(settings.privacy.unwrap_or(Privacy::Public)).to_owned(),
        self_declared_made_for_kids: settings.made_for_kids.unwrap_or(false),
        ..BroadcastStatus::default()
    }
}

pub(super) fn details(settings: &PlatformSettings) -> BroadcastDetails {
    BroadcastDetails {
        monitor_stream: Monitor { enable_monitor_stream: false, broadcast_stream_delay_ms: None },
        enable_auto_start: Some(settings.go_live_automatically.unwrap_or(true)),
        enable_auto_stop: Some(settings.end_automatically.unwrap_or(true)),
        enable_dvr: Some(settings.dvr.unwrap_or(true)),
        enable_content_encryption: settings.content_encryption,
        record_from_start: Some(true),
        latency_preference: settings.latency.map(|latency| self::latency(latency).to_owned()),
        ..BroadcastDetails::default()
    }
}

/// `friends` is Facebook's; the settings' own check refuses it here. Nobody sees too much if it gets through.
pub(super) fn privacy(privacy: Privacy) -> &'static str {
    match privacy {
        Privacy::Public => "public",
        Privacy::Unlisted => "unlisted",
        Privacy::Private | Privacy::Friends => "private",
    }
}

pub(super) fn latency(latency: Latency) -> &'static str {
    match latency {
        Latency::Normal => "normal",
        Latency::Low => "low",
        Latency::UltraLow => "ultraLow",
    }
}

/// Takes out what `reason` refuses and says so; `None` when the refusal is about something else.
pub(super) fn relax(details: &mut BroadcastDetails, reason: &str) -> Option<&'static str> {
    let lower = reason.to_ascii_lowercase();
    let about = |word: &str| lower.contains(word);
    if about("autostart") && details.enable_auto_start.take().is_some() {
        return Some("YouTube does not start broadcasts of this channel by itself: we start it when media is there.");
    }
    if about("autostop") && details.enable_auto_stop.take().is_some() {
        return Some("YouTube does not end broadcasts of this channel by itself: it ends with the stream.");
    }
    if about("contentencryption") && details.enable_content_encryption.take().is_some() {
        return Some("YouTube does not take content encryption for this broadcast: it is made without.");
    }
    if about("latency") && details.latency_preference.take().is_some() {
        return Some("YouTube does not take this latency for this broadcast: it uses its own.");
    }
    if about("dvr") && details.enable_dvr.take().is_some() {
        return Some("YouTube does not take the setting for rewinding for this broadcast: it uses its own.");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_is_left_out_once() {
        let mut given = details(&PlatformSettings { content_encryption: Some(true), ..PlatformSettings::default() });
        assert!(relax(&mut given, "invalidTitle").is_none());
        assert!(relax(&mut given, "invalidAutoStart").is_some());
        assert!(relax(&mut given, "enableContentEncryptionModificationNotAllowed").is_some());
        assert!(relax(&mut given, "enableContentEncryptionModificationNotAllowed").is_none());
        assert_eq!((given.enable_auto_start, given.enable_auto_stop), (None, Some(true)));
    }
}
