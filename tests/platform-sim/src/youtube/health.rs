//! Stream health, judged from what really arrives.

use serde_json::{Value, json};

use crate::ingest::Measured;

/// `status.healthStatus`.
pub(super) fn judge(measured: Option<&Measured>, resolution: &str, now: i64) -> Value {
    let Some(measured) = measured else { return json!({"status": "noData"}) };
    let issues = issues(measured, resolution);
    let status = match issues.iter().map(|issue| issue.severity).max() {
        None => "good",
        Some(Severity::Info | Severity::Warning) => "ok",
        Some(Severity::Error) => "bad",
    };
    let issues: Vec<Value> = issues.iter().map(Issue::to_value).collect();
    json!({"status": status, "lastUpdateTimeSeconds": (now / 1_000).to_string(), "configurationIssues": issues})
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Severity {
    Info,
    Warning,
    Error,
}

struct Issue {
    kind: &'static str,
    severity: Severity,
    reason: &'static str,
    description: String,
}

impl Issue {
    fn to_value(&self) -> Value {
        let severity = match self.severity {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        json!({"type": self.kind, "severity": severity, "reason": self.reason, "description": self.description})
    }
}

fn issues(m: &Measured, resolution: &str) -> Vec<Issue> {
    let mut issues = Vec::new();
    let mut add = |kind, severity, reason, description| issues.push(Issue { kind, severity, reason, description });
    if m.video_codec.is_empty() {
        add("noVideoStream", Severity::Error, "Video stream not found", "Send a video stream.".to_owned());
    } else if !["h264", "hevc", "av1", "vp9"].contains(&m.video_codec.as_str()) {
        add("videoCodec", Severity::Error, "Incorrect video codec", format!("The codec is {}.", m.video_codec));
    }
    if m.audio_codec.is_empty() {
        add("noAudioStream", Severity::Error, "Audio stream not found", "Send an audio stream.".to_owned());
    } else if !["aac", "mp3"].contains(&m.audio_codec.as_str()) {
        add("audioCodec", Severity::Error, "Incorrect audio codec", format!("The codec is {}.", m.audio_codec));
    }
    if m.gop_ms > 4_200 {
        let text = format!("Please use a keyframe frequency of four seconds or less. It is {} ms.", m.gop_ms);
        add("gopSizeLong", Severity::Error, "Check video settings", text);
    }
    let least = least_kbps(m.height);
    if m.video_kbps > 0 && m.video_kbps < least {
        let text = format!("The bitrate of {} kbps is lower than the recommended {least}.", m.video_kbps);
        add("bitrateLow", Severity::Warning, "Video output low", text);
    }
    if m.video_kbps > 51_000 {
        add("bitrateHigh", Severity::Warning, "Video output high", format!("{} kbps.", m.video_kbps));
    }
    if m.height > 0 && resolution != "variable" && resolution != format!("{}p", m.height) {
        let text = format!("{}p is sent, {resolution} was set.", m.height);
        add("resolutionMismatch", Severity::Info, "Check video resolution", text);
    }
    issues
}

/// Below it YouTube complains. Lower than its published minimum, so that small test pictures count as good.
fn least_kbps(height: u32) -> u32 {
    match height {
        0..=360 => 100,
        361..=480 => 200,
        481..=720 => 500,
        _ => 1_500,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured() -> Measured {
        Measured {
            video_codec: "h264".to_owned(),
            width: 1280,
            height: 720,
            fps: 30.0,
            video_kbps: 2_500,
            gop_ms: 2_000,
            audio_codec: "aac".to_owned(),
            audio_kbps: 128,
        }
    }

    #[test]
    fn from_no_data_to_bad() {
        let check = |measured: Option<Measured>, status: &str, kinds: &[&str]| {
            let health = judge(measured.as_ref(), "variable", 0);
            let found: Vec<&str> = health["configurationIssues"]
                .as_array()
                .map(|issues| issues.iter().filter_map(|issue| issue["type"].as_str()).collect())
                .unwrap_or_default();
            assert_eq!((health["status"].as_str(), &found[..]), (Some(status), kinds));
        };
        check(None, "noData", &[]);
        check(Some(measured()), "good", &[]);
        check(Some(Measured { gop_ms: 8_000, ..measured() }), "bad", &["gopSizeLong"]);
        check(Some(Measured { audio_codec: String::new(), ..measured() }), "bad", &["noAudioStream"]);
        check(Some(Measured { video_kbps: 300, ..measured() }), "ok", &["bitrateLow"]);
    }
}
