//! Live inputs and videos as Cloudflare keeps them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::limit::Window;
use crate::{clock::rfc3339, ingest::Owner, viewers, world::World};

#[derive(Debug, Default)]
pub(crate) struct State {
    pub inputs: Vec<Input>,
    pub videos: Vec<Video>,
    pub windows: BTreeMap<String, Window>,
    /// Person → notification URL.
    pub webhooks: BTreeMap<String, String>,
    /// What a Notifications policy would have been told, newest last.
    pub notifications: Vec<Value>,
}

#[derive(Clone, Debug)]
pub(crate) struct Input {
    pub uid: String,
    pub person: String,
    pub created_at: i64,
    pub modified_at: i64,
    pub rotated_at: Option<i64>,
    pub enabled: bool,
    pub low_latency: bool,
    pub meta: Value,
    pub delete_after_days: Value,
    pub default_creator: Option<String>,
    pub mode: String,
    pub signed: bool,
    pub origins: Value,
    pub timeout_s: u32,
    pub hide_viewers: bool,
    pub key: String,
    pub srt: String,
    pub outputs: Vec<Output>,
    /// `connected`, `client_disconnect`, …; `None` before the first connection.
    pub status: Option<(&'static str, i64)>,
    /// Since when it is connected.
    pub live_since: Option<i64>,
}

#[derive(Clone, Debug)]
pub(crate) struct Output {
    pub uid: String,
    pub url: String,
    pub key: String,
    pub enabled: bool,
}

impl Output {
    pub fn to_value(&self) -> Value {
        json!({"uid": self.uid, "url": self.url, "streamKey": self.key, "enabled": self.enabled})
    }
}

/// A recording.
#[derive(Clone, Debug)]
pub(crate) struct Video {
    pub uid: String,
    pub input: String,
    pub person: String,
    pub created_at: i64,
    pub ended_at: Option<i64>,
    pub ready: bool,
    pub size: (u32, u32),
}

impl Input {
    pub fn owner(&self) -> Owner {
        Owner::Cloudflare(self.uid.clone())
    }

    pub fn records(&self) -> bool {
        self.mode == "automatic"
    }

    /// Viewers now; playback exists only when recording is automatic.
    pub fn viewers(&self, world: &World) -> u64 {
        match self.live_since {
            Some(at) if self.records() => viewers::count(&self.uid, world.now - at, world.options.timing.viewers_after),
            _ => 0,
        }
    }

    /// As the list shows it: without credentials.
    pub fn listed(&self) -> Value {
        let mut value = json!({
            "uid": self.uid, "created": rfc3339(self.created_at), "modified": rfc3339(self.modified_at),
            "meta": self.meta, "enabled": self.enabled,
        });
        if !self.delete_after_days.is_null() {
            value["deleteRecordingAfterDays"] = self.delete_after_days.clone();
        }
        value
    }

    /// As create, get and update show it: with credentials.
    pub fn full(&self, world: &World) -> Value {
        let mut value = self.listed();
        let (rtmps, host) =
            (format!("{}/live/", world.hosts.rtmps), format!("{}/cloudflare-customer", world.hosts.http));
        let more = json!({
            "recording": {
                "mode": self.mode, "requireSignedURLs": self.signed, "allowedOrigins": self.origins,
                "timeoutSeconds": self.timeout_s, "hideLiveViewerCount": self.hide_viewers,
            },
            "preferLowLatency": self.low_latency,
            "rtmps": {"url": rtmps, "streamKey": self.key},
            "rtmpsPlayback": {"url": rtmps, "streamKey": format!("p{}", self.key)},
            "srt": {"url": "srt://127.0.0.1:778", "streamId": self.uid, "passphrase": self.srt},
            "srtPlayback": {"url": "srt://127.0.0.1:778", "streamId": format!("play{}", self.uid), "passphrase": format!("p{}", self.srt)},
            "webRTC": {"url": format!("{host}/{}k{}/webRTC/publish", &self.key[..8], self.uid)},
            "webRTCPlayback": {"url": format!("{host}/{}/webRTC/play", self.uid)},
            "status": self.status_value(world),
        });
        if let (Value::Object(value), Value::Object(more)) = (&mut value, more) {
            value.extend(more);
        }
        if let Some(at) = self.rotated_at {
            value["keysRotatedAt"] = rfc3339(at).into();
        }
        value
    }

    fn status_value(&self, world: &World) -> Value {
        let Some((status, since)) = self.status else { return Value::Null };
        if !world.account(&self.person).is_some_and(|account| account.flags.cloudflare_status_as_object) {
            return status.into();
        }
        let current = json!({
            "state": status, "ingestProtocol": "rtmp", "reason": status, "statusEnteredAt": rfc3339(since),
            "statusLastSeen": rfc3339(world.now),
        });
        json!({"current": current, "history": []})
    }
}

impl Video {
    pub fn to_value(&self, world: &World) -> Value {
        let host = format!("{}/cloudflare-customer/{}", world.hosts.http, self.uid);
        let state = match (self.ended_at, self.ready) {
            (None, _) => "live-inprogress",
            (Some(_), false) => "inprogress",
            (Some(_), true) => "ready",
        };
        let duration = self.ended_at.filter(|_| self.ready).map_or(-1.0, |at| (at - self.created_at) as f64 / 1_000.0);
        let mut value = json!({
            "uid": self.uid, "liveInput": self.input, "created": rfc3339(self.created_at), "modified": rfc3339(world.now),
            "uploaded": rfc3339(self.created_at), "creator": "", "duration": duration, "meta": {"name": "live"}, "size": 0,
            "preview": format!("{host}/watch"), "thumbnail": format!("{host}/thumbnails/thumbnail.jpg"),
            "thumbnailTimestampPct": 0, "playback": {"hls": format!("{host}/manifest/video.m3u8"), "dash": format!("{host}/manifest/video.mpd")},
            "readyToStream": true, "requireSignedURLs": false, "allowedOrigins": [],
            "input": {"width": self.size.0, "height": self.size.1}, "status": {"state": state, "errorReasonCode": "", "errorReasonText": ""},
        });
        if self.ready {
            value["status"]["pctComplete"] = "100.000000".into();
            value["readyToStreamAt"] = rfc3339(self.ended_at.unwrap_or(self.created_at)).into();
        }
        value
    }
}
