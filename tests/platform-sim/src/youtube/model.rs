//! Broadcasts and streams as YouTube keeps them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{health, quota::Quota};
use crate::{
    clock::rfc3339,
    ingest::{Feed, Owner},
    viewers,
    world::World,
};

#[derive(Debug, Default)]
pub(crate) struct State {
    pub broadcasts: Vec<Broadcast>,
    pub streams: Vec<Stream>,
    pub quota: Quota,
    /// Chat id → messages.
    pub chats: BTreeMap<String, Vec<Value>>,
}

/// `status.lifeCycleStatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    Created,
    Ready,
    TestStarting,
    Testing,
    LiveStarting,
    Live,
    Complete,
}

impl Life {
    pub fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Ready => "ready",
            Self::TestStarting => "testStarting",
            Self::Testing => "testing",
            Self::LiveStarting => "liveStarting",
            Self::Live => "live",
            Self::Complete => "complete",
        }
    }

    /// Not yet on its way to live.
    pub fn is_early(self) -> bool {
        matches!(self, Self::Created | Self::Ready)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Broadcast {
    pub id: String,
    pub channel: String,
    pub created_at: i64,
    /// The mutable members of each part.
    pub snippet: Map<String, Value>,
    pub details: Map<String, Value>,
    pub status: Map<String, Value>,
    pub life: Life,
    pub life_since: i64,
    pub bound: Option<(String, i64)>,
    pub started_at: Option<i64>,
    pub ended_at: Option<i64>,
    pub thumbnails: u32,
}

impl Broadcast {
    pub fn enter(&mut self, life: Life, now: i64) {
        (self.life, self.life_since) = (life, now);
        match life {
            Life::Live => self.started_at = self.started_at.or(Some(now)),
            Life::Complete => self.ended_at = Some(now),
            _ => {}
        }
    }

    pub fn chat_id(&self) -> String {
        format!("Cg0KC{}", self.id)
    }

    pub fn flag(&self, name: &str) -> bool {
        self.details.get(name).and_then(Value::as_bool).unwrap_or(false)
    }

    pub fn monitored(&self) -> bool {
        let monitor = self.details.get("monitorStream").and_then(|monitor| monitor.get("enableMonitorStream"));
        monitor.and_then(Value::as_bool).unwrap_or(true)
    }

    /// Viewers now; 0 when it isn't live.
    pub fn viewers(&self, world: &World) -> u64 {
        match (self.life, self.started_at) {
            (Life::Live, Some(at)) => viewers::count(&self.id, world.now - at, world.options.timing.viewers_after),
            _ => 0,
        }
    }

    /// The resource with only the named parts.
    pub fn resource(&self, world: &World, parts: &[&str]) -> Value {
        let mut resource = json!({"kind": "youtube#liveBroadcast", "etag": format!("etag-{}-{}", self.id, self.life_since), "id": self.id});
        for part in parts {
            match *part {
                "snippet" => resource["snippet"] = self.snippet(),
                "contentDetails" => resource["contentDetails"] = self.details(),
                "status" => resource["status"] = self.status(),
                "statistics" => {
                    let viewers = self.viewers(world);
                    resource["statistics"] =
                        if viewers > 0 { json!({"concurrentViewers": viewers.to_string()}) } else { json!({}) };
                }
                _ => {}
            }
        }
        resource
    }

    fn snippet(&self) -> Value {
        let mut snippet = Value::Object(self.snippet.clone());
        let size = |w: u32, h: u32| json!({"url": format!("https://i.ytimg.com/vi/{}/{w}_live.jpg?v={}", self.id, self.thumbnails), "width": w, "height": h});
        snippet["publishedAt"] = rfc3339(self.created_at).into();
        snippet["channelId"] = self.channel.clone().into();
        snippet["isDefaultBroadcast"] = false.into();
        snippet["liveChatId"] = self.chat_id().into();
        snippet["thumbnails"] = json!({"default": size(120, 90), "medium": size(320, 180), "high": size(480, 360)});
        for (name, at) in [("actualStartTime", self.started_at), ("actualEndTime", self.ended_at)] {
            if let Some(at) = at {
                snippet[name] = rfc3339(at).into();
            }
        }
        snippet
    }

    fn details(&self) -> Value {
        let mut details = Value::Object(self.details.clone());
        if let Some((stream, at)) = &self.bound {
            details["boundStreamId"] = stream.clone().into();
            details["boundStreamLastUpdateTimeMs"] = rfc3339(*at).into();
        }
        if self.monitored() {
            details["monitorStream"]["embedHtml"] = format!(
                "<iframe width=\"425\" height=\"344\" src=\"https://www.youtube.com/embed/{}?autoplay=1&livemonitor=1\"></iframe>",
                self.id
            )
            .into();
        }
        details
    }

    fn status(&self) -> Value {
        let mut status = Value::Object(self.status.clone());
        let kids = self.status.get("selfDeclaredMadeForKids").and_then(Value::as_bool).unwrap_or(false);
        status["madeForKids"] = kids.into();
        status["lifeCycleStatus"] = self.life.name().into();
        status["recordingStatus"] = match self.life {
            Life::Live => "recording",
            Life::Complete if self.started_at.is_some() => "recorded",
            _ => "notRecording",
        }
        .into();
        status
    }
}

/// `status.streamStatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    Created,
    Ready,
    Active,
    Inactive,
}

#[derive(Clone, Debug)]
pub(crate) struct Stream {
    pub id: String,
    pub channel: String,
    pub created_at: i64,
    pub key: String,
    pub snippet: Map<String, Value>,
    pub cdn: Map<String, Value>,
    pub reusable: bool,
    pub flow: Flow,
    pub flow_since: i64,
}

impl Stream {
    pub fn feed<'w>(&self, world: &'w World) -> Option<&'w Feed> {
        world.ingests.feed(&Owner::Youtube(self.id.clone()))
    }

    /// The resource with only the named parts.
    pub fn resource(&self, world: &World, parts: &[&str]) -> Value {
        let mut resource = json!({"kind": "youtube#liveStream", "etag": format!("etag-{}-{}", self.id, self.flow_since), "id": self.id});
        for part in parts {
            match *part {
                "snippet" => {
                    let mut snippet = Value::Object(self.snippet.clone());
                    snippet["publishedAt"] = rfc3339(self.created_at).into();
                    snippet["channelId"] = self.channel.clone().into();
                    snippet["isDefaultStream"] = false.into();
                    resource["snippet"] = snippet;
                }
                "cdn" => resource["cdn"] = self.cdn(world),
                "status" => resource["status"] = self.status(world),
                "contentDetails" => {
                    let captions = format!("http://upload.youtube.com/closedcaption?cid={}", self.id);
                    resource["contentDetails"] =
                        json!({"isReusable": self.reusable, "closedCaptionsIngestionUrl": captions});
                }
                _ => {}
            }
        }
        resource
    }

    fn cdn(&self, world: &World) -> Value {
        let mut cdn = Value::Object(self.cdn.clone());
        let (rtmp, rtmps) = (&world.hosts.rtmp, &world.hosts.rtmps);
        cdn["ingestionInfo"] = json!({
            "streamName": self.key,
            "ingestionAddress": format!("{rtmp}/live2"),
            "backupIngestionAddress": format!("{rtmp}/live2?backup=1"),
            "rtmpsIngestionAddress": format!("{rtmps}/live2"),
            "rtmpsBackupIngestionAddress": format!("{rtmps}/live2?backup=1"),
        });
        cdn
    }

    fn status(&self, world: &World) -> Value {
        let name = match self.flow {
            Flow::Created => "created",
            Flow::Ready => "ready",
            Flow::Active => "active",
            Flow::Inactive => "inactive",
        };
        let measured = self.feed(world).filter(|feed| feed.since.is_some()).map(|feed| &feed.measured);
        let resolution = self.cdn.get("resolution").and_then(Value::as_str).unwrap_or("variable");
        json!({"streamStatus": name, "healthStatus": health::judge(measured.filter(|_| self.flow == Flow::Active), resolution, world.now)})
    }
}
