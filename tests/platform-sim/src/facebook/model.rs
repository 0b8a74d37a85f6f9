//! Live videos as Facebook keeps them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::usage::Usage;
use crate::{
    clock::facebook_time,
    ingest::{Feed, Owner},
    viewers,
    world::World,
};

#[derive(Debug, Default)]
pub(crate) struct State {
    pub lives: Vec<Live>,
    pub usage: BTreeMap<String, Usage>,
}

/// `status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
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
}

impl Status {
    pub fn name(self) -> &'static str {
        match self {
            Self::Unpublished => "UNPUBLISHED",
            Self::LiveNow => "LIVE_NOW",
            Self::Live => "LIVE",
            Self::LiveStopped => "LIVE_STOPPED",
            Self::Processing => "PROCESSING",
            Self::Vod => "VOD",
            Self::ScheduledUnpublished => "SCHEDULED_UNPUBLISHED",
            Self::ScheduledLive => "SCHEDULED_LIVE",
            Self::ScheduledCanceled => "SCHEDULED_CANCELED",
            Self::ScheduledExpired => "SCHEDULED_EXPIRED",
        }
    }

    /// Nothing can be published any more.
    pub fn is_over(self) -> bool {
        matches!(
            self,
            Self::LiveStopped | Self::Processing | Self::Vod | Self::ScheduledCanceled | Self::ScheduledExpired
        )
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Live {
    pub id: String,
    pub video: String,
    /// A Page or a user.
    pub owner: String,
    pub person: String,
    pub title: String,
    pub description: String,
    pub privacy: String,
    pub embeddable: bool,
    pub status: Status,
    pub status_since: i64,
    pub created_at: i64,
    pub planned_at: Option<i64>,
    pub started_at: Option<i64>,
    pub first_media: Option<i64>,
    pub stop_on_delete: bool,
    /// Bare key and query: together they are the secret.
    pub key: (String, String),
    pub backup: bool,
    pub loss_reported: bool,
    pub errors: Vec<Value>,
    pub comments: Vec<Value>,
}

/// Video ids are told from live video ids by their first digit.
pub(super) fn is_video(id: &str) -> bool {
    id.len() == 16 && id.starts_with('8')
}

/// Fields of a LiveVideo.
pub(super) const FIELDS: &[&str] = &[
    "broadcast_start_time",
    "creation_time",
    "dash_ingest_url",
    "dash_preview_url",
    "description",
    "embed_html",
    "errors",
    "from",
    "id",
    "ingest_streams",
    "is_manual_mode",
    "is_reference_only",
    "live_views",
    "permalink_url",
    "planned_start_time",
    "privacy",
    "recommended_encoder_settings",
    "seconds_left",
    "secure_stream_url",
    "status",
    "stream_url",
    "title",
    "total_views",
    "video",
    "comments",
];

impl Live {
    pub fn enter(&mut self, status: Status, now: i64) {
        (self.status, self.status_since) = (status, now);
        if status == Status::Live {
            self.started_at = self.started_at.or(Some(now));
        }
    }

    pub fn feed<'w>(&self, world: &'w World) -> Option<&'w Feed> {
        world.ingests.feed(&Owner::Facebook(self.id.clone()))
    }

    pub fn stream_url(&self, base: &str) -> String {
        format!("{base}/rtmp/{}?{}", self.key.0, self.key.1)
    }

    pub fn permalink(&self) -> String {
        format!("/{}/videos/{}/", self.owner, self.video)
    }

    pub fn embed(&self) -> String {
        let href = format!("https%3A%2F%2Fwww.facebook.com%2F{}%2Fvideos%2F{}%2F", self.owner, self.video);
        format!(
            "<iframe src=\"https://www.facebook.com/plugins/video.php?href={href}&width=1280\" width=\"1280\" height=\"720\" allowfullscreen=\"true\"></iframe>"
        )
    }

    pub fn viewers(&self, world: &World) -> u64 {
        match (self.status, self.started_at) {
            (Status::Live, Some(at)) => viewers::count(&self.id, world.now - at, world.options.timing.viewers_after),
            _ => 0,
        }
    }

    /// The whole object.
    pub fn object(&self, world: &World) -> Value {
        let name = |id: &str| {
            let pages = world.accounts.iter().flat_map(|account| &account.pages);
            let page = pages.clone().find(|page| page.id == id).map(|page| page.name.clone());
            page.or_else(|| world.accounts.iter().find(|a| a.facebook_id == id).map(|a| a.display.clone()))
        };
        let mut object = json!({
            "id": self.id, "status": self.status.name(), "title": self.title, "description": self.description,
            "creation_time": facebook_time(self.created_at), "embed_html": self.embed(),
            "permalink_url": self.permalink(), "live_views": self.viewers(world),
            "total_views": (self.viewers(world) * 2).to_string(), "seconds_left": 8 * 3_600,
            "from": {"id": self.owner, "name": name(&self.owner)}, "video": {"id": self.video},
            "privacy": {"value": self.privacy}, "is_manual_mode": false, "is_reference_only": false,
            "errors": {"data": self.errors}, "comments": {"data": self.comments},
            "dash_preview_url": format!("https://video.xx.fbcdn.net/hvideo/{}/dash-abr.mpd", self.video),
            "recommended_encoder_settings": {
                "streaming_protocol": "rtmps",
                "video_codec_settings": {"codec": "h264", "max_bitrate": 9_000_000, "gop_size_in_seconds": 2},
                "audio_codec_settings": {"codec": "aac", "bitrate": 128_000},
            },
            "ingest_streams": self.ingest_streams(world),
        });
        if !self.status.is_over() {
            object["stream_url"] = self.stream_url(&world.hosts.rtmp).into();
            object["secure_stream_url"] = self.stream_url(&world.hosts.rtmps).into();
        }
        for (name, at) in [("planned_start_time", self.planned_at), ("broadcast_start_time", self.started_at)] {
            if let Some(at) = at {
                object[name] = facebook_time(at).into();
            }
        }
        object
    }

    fn ingest_streams(&self, world: &World) -> Value {
        let feed = self.feed(world).filter(|feed| feed.since.is_some());
        let health = feed.map_or_else(
            || json!({"video_bitrate": 0, "video_framerate": 0, "video_gop_size": 0, "video_height": 0, "video_width": 0, "audio_bitrate": 0}),
            |feed| {
                let m = &feed.measured;
                json!({
                    "video_bitrate": m.video_kbps * 1_000, "video_framerate": m.fps, "video_gop_size": m.gop_ms,
                    "video_height": m.height, "video_width": m.width, "audio_bitrate": m.audio_kbps * 1_000,
                })
            },
        );
        let one = |n: u32| {
            json!({
                "stream_id": n.to_string(), "is_master": n == 0, "stream_health": health,
                "stream_url": self.stream_url(&world.hosts.rtmp), "secure_stream_url": self.stream_url(&world.hosts.rtmps),
            })
        };
        let streams = json!([one(0)]);
        match world.account(&self.person).is_some_and(|account| account.flags.facebook_ingest_as_object) {
            true => json!({ "data": streams }),
            false => streams,
        }
    }
}
