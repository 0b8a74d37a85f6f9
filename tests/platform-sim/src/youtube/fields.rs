//! Reads the parts of a written resource: checks them and fills in what an insert leaves out.
//!
//! The same rules serve update, where an omitted field falls back to its default: a PUT replaces every mutable field
//! of each part that it names.

use serde_json::{Map, Value, json};

use super::error::{Refusal, bad_broadcast, bad_request, bad_stream};
use crate::{clock::parse_rfc3339, http::Request};

/// The body, which must not hold a part that the call does not name.
pub(super) fn body(request: &Request, parts: &[&str]) -> Result<Value, Refusal> {
    let body = request.json().filter(Value::is_object).ok_or(bad_request("parseError", "Parse Error"))?;
    let free = ["id", "kind", "etag"];
    let members = body.as_object().into_iter().flat_map(Map::keys);
    for part in members {
        if !free.contains(&part.as_str()) && !parts.contains(&part.as_str()) {
            return Err(bad_request(
                "unexpectedPart",
                "The request body contains a part that the part parameter does not name.",
            ));
        }
    }
    Ok(body)
}

fn text(part: &Value, name: &str) -> Option<String> {
    part.get(name).and_then(Value::as_str).map(str::to_owned)
}

fn length(text: &str) -> usize {
    text.chars().count()
}

/// One of the allowed words, or the default when left out.
fn word(part: &Value, name: &str, allowed: &[&str], default: &str, wrong: Refusal) -> Result<Value, Refusal> {
    match part.get(name) {
        None | Some(Value::Null) => Ok(default.into()),
        Some(Value::String(word)) if allowed.contains(&word.as_str()) => Ok(word.clone().into()),
        Some(_) => Err(wrong),
    }
}

fn flag(part: &Value, name: &str, default: bool, wrong: Refusal) -> Result<Value, Refusal> {
    match part.get(name) {
        None | Some(Value::Null) => Ok(default.into()),
        Some(Value::Bool(flag)) => Ok((*flag).into()),
        Some(_) => Err(wrong),
    }
}

/// A broadcast's `snippet`. `now`: start times must not lie before it (an update of a begun broadcast passes 0).
pub(super) fn broadcast_snippet(part: &Value, now: i64) -> Result<Map<String, Value>, Refusal> {
    let title = text(part, "title").ok_or(bad_broadcast("titleRequired", "Title is required"))?;
    if !(1..=100).contains(&length(title.trim())) || title.contains(['<', '>']) {
        return Err(bad_broadcast("invalidTitle", "Title is invalid"));
    }
    let description = text(part, "description").unwrap_or_default();
    if length(&description) > 5_000 {
        return Err(bad_broadcast("invalidDescription", "Description is invalid"));
    }
    let start = text(part, "scheduledStartTime")
        .ok_or(bad_broadcast("scheduledStartTimeRequired", "Scheduled start time is required"))?;
    let invalid = bad_broadcast("invalidScheduledStartTime", "Scheduled start time is invalid");
    let start_ms = parse_rfc3339(&start).ok_or(invalid)?;
    if start_ms / 1_000 < now / 1_000 {
        return Err(invalid);
    }
    let mut snippet = Map::new();
    if let Some(end) = text(part, "scheduledEndTime") {
        let after = parse_rfc3339(&end).is_some_and(|end| end > start_ms);
        if !after {
            return Err(bad_broadcast("invalidScheduledEndTime", "Scheduled end time is invalid"));
        }
        snippet.insert("scheduledEndTime".to_owned(), end.into());
    }
    snippet.insert("title".to_owned(), title.into());
    snippet.insert("description".to_owned(), description.into());
    snippet.insert("scheduledStartTime".to_owned(), start.into());
    Ok(snippet)
}

/// A broadcast's `status`.
pub(super) fn broadcast_status(part: &Value) -> Result<Map<String, Value>, Refusal> {
    let required = bad_broadcast("privacyStatusRequired", "Privacy status is required");
    let privacy = text(part, "privacyStatus").ok_or(required)?;
    if !["public", "unlisted", "private"].contains(&privacy.as_str()) {
        return Err(bad_broadcast("invalidPrivacyStatus", "Privacy status is invalid"));
    }
    let kids = flag(part, "selfDeclaredMadeForKids", false, bad_request("invalidValue", "selfDeclaredMadeForKids"))?;
    Ok(Map::from_iter([("privacyStatus".to_owned(), privacy.into()), ("selfDeclaredMadeForKids".to_owned(), kids)]))
}

/// A broadcast's `contentDetails`. An update must say `monitorStream.enableMonitorStream`.
pub(super) fn broadcast_details(part: &Value, update: bool) -> Result<Map<String, Value>, Refusal> {
    let monitor = part.get("monitorStream").cloned().unwrap_or(Value::Null);
    if update && monitor.get("enableMonitorStream").and_then(Value::as_bool).is_none() {
        return Err(bad_broadcast(
            "enableMonitorStreamRequired",
            "contentDetails.monitorStream.enableMonitorStream is required",
        ));
    }
    let embed = bad_broadcast("invalidEmbedSetting", "Embed setting is invalid");
    let latency = bad_broadcast("invalidLatencyPreferenceOptions", "Latency preference is invalid");
    let captions = text(part, "closedCaptionsType").unwrap_or_else(|| "closedCaptionsDisabled".to_owned());
    let preference = word(part, "latencyPreference", &["normal", "low", "ultraLow"], "normal", latency)?;
    if preference == "ultraLow" && captions != "closedCaptionsDisabled" {
        return Err(latency);
    }
    let other = bad_request("invalidValue", "Invalid value in contentDetails");
    let projection = bad_broadcast("invalidProjection", "Projection is invalid");
    let details = json!({
        "monitorStream": {
            "enableMonitorStream": flag(&monitor, "enableMonitorStream", true, other)?,
            "broadcastStreamDelayMs": monitor.get("broadcastStreamDelayMs").and_then(Value::as_u64).unwrap_or(0),
        },
        "enableAutoStart": flag(part, "enableAutoStart", false, bad_broadcast("invalidAutoStart", "Auto start is invalid"))?,
        "enableAutoStop": flag(part, "enableAutoStop", false, bad_broadcast("invalidAutoStop", "Auto stop is invalid"))?,
        "enableDvr": flag(part, "enableDvr", true, other)?,
        "enableEmbed": flag(part, "enableEmbed", true, embed)?,
        "enableContentEncryption": flag(part, "enableContentEncryption", false, other)?,
        "recordFromStart": flag(part, "recordFromStart", true, other)?,
        "startWithSlate": false,
        "closedCaptionsType": captions,
        "enableClosedCaptions": captions != "closedCaptionsDisabled",
        "enableLowLatency": preference != "normal",
        "latencyPreference": preference,
        "projection": word(part, "projection", &["rectangular", "360", "mesh"], "rectangular", projection)?,
    });
    Ok(object(details))
}

/// A stream's `snippet`.
pub(super) fn stream_snippet(part: &Value) -> Result<Map<String, Value>, Refusal> {
    let title = text(part, "title").ok_or(bad_stream("titleRequired", "Title is required"))?;
    if !(1..=128).contains(&length(title.trim())) {
        return Err(bad_stream("invalidTitle", "Title is invalid"));
    }
    let description = text(part, "description").unwrap_or_default();
    if length(&description) > 10_000 {
        return Err(bad_stream("invalidDescription", "Description is invalid"));
    }
    Ok(object(json!({"title": title, "description": description})))
}

/// A stream's `cdn`.
pub(super) fn stream_cdn(part: Option<&Value>) -> Result<Map<String, Value>, Refusal> {
    let part = part.filter(|part| part.is_object()).ok_or(bad_stream("cdnRequired", "The cdn object is required"))?;
    let need = |name: &str, allowed: &[&str], missing: Refusal, wrong: Refusal| match text(part, name) {
        None => Err(missing),
        Some(value) if allowed.contains(&value.as_str()) => Ok(value),
        Some(_) => Err(wrong),
    };
    let kind = need(
        "ingestionType",
        &["rtmp", "dash", "hls", "webrtc"],
        bad_stream("ingestionTypeRequired", "Ingestion type is required"),
        bad_stream("invalidIngestionType", "Ingestion type is invalid"),
    )?;
    let resolution = need(
        "resolution",
        &["240p", "360p", "480p", "720p", "1080p", "1440p", "2160p", "variable"],
        bad_stream("resolutionRequired", "Resolution is required"),
        bad_stream("invalidResolution", "Resolution is invalid"),
    )?;
    let rate = need(
        "frameRate",
        &["30fps", "60fps", "variable"],
        bad_stream("frameRateRequired", "Frame rate is required"),
        bad_stream("invalidFrameRate", "Frame rate is invalid"),
    )?;
    Ok(object(json!({"ingestionType": kind, "resolution": resolution, "frameRate": rate})))
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snippets() {
        let now = parse_rfc3339("2026-11-23T12:00:00Z").unwrap();
        let check = |snippet: Value, reason: Option<&str>| {
            assert_eq!(broadcast_snippet(&snippet, now).err().map(|refusal| refusal.reason), reason, "{snippet}");
        };
        let start = "2026-11-23T12:00:00Z";
        check(json!({"title": "t", "scheduledStartTime": start}), None);
        check(json!({"scheduledStartTime": start}), Some("titleRequired"));
        check(json!({"title": "x".repeat(101), "scheduledStartTime": start}), Some("invalidTitle"));
        check(json!({"title": "t"}), Some("scheduledStartTimeRequired"));
        check(json!({"title": "t", "scheduledStartTime": "2026-11-23T11:59:00Z"}), Some("invalidScheduledStartTime"));
        check(
            json!({"title": "t", "scheduledStartTime": start, "scheduledEndTime": start}),
            Some("invalidScheduledEndTime"),
        );
    }

    #[test]
    fn details() {
        let monitor = json!({"monitorStream": {"enableMonitorStream": false}});
        assert!(broadcast_details(&monitor, true).is_ok());
        assert_eq!(broadcast_details(&json!({}), true).unwrap_err().reason, "enableMonitorStreamRequired");
        assert_eq!(
            broadcast_details(&json!({"enableAutoStart": "yes"}), false).unwrap_err().reason,
            "invalidAutoStart"
        );
        let captions = json!({"latencyPreference": "ultraLow", "closedCaptionsType": "closedCaptionsEmbedded"});
        assert_eq!(broadcast_details(&captions, false).unwrap_err().reason, "invalidLatencyPreferenceOptions");
    }
}
