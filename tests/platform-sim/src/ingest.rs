//! What arrives by RTMP: who publishes for which key, since when media flows, and what it is made of.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use media::rtmp::server::Refusal;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::{cloudflare, facebook, twitch, world::World, youtube};

pub(crate) use media::flv::probe::SourceProbe;

/// No tag for so long (real time): media is gone, although the connection stands.
const STALLED: Duration = Duration::from_millis(1_500);
/// Ended publishes kept for tests to look at.
const KEPT: usize = 2_000;

/// What a key belongs to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "platform", content = "id", rename_all = "lowercase")]
pub enum Owner {
    /// A `liveStream` by id.
    Youtube(String),
    /// A channel by its person's name.
    Twitch(String),
    /// A live video by id.
    Facebook(String),
    /// A live input by uid.
    Cloudflare(String),
}

/// What is measured of the media.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// `h264`, …
    pub video_codec: String,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Frames per second.
    pub fps: f64,
    /// Of the video.
    pub video_kbps: u32,
    /// Longest distance of two keyframes lately.
    pub gop_ms: u32,
    /// `aac`, …; empty without sound.
    pub audio_codec: String,
    /// Of the sound.
    pub audio_kbps: u32,
}

impl Measured {
    pub(crate) fn of(probe: &SourceProbe) -> Self {
        let info = probe.info();
        Self {
            video_codec: info.video_codec,
            width: info.width,
            height: info.height,
            fps: info.fps,
            video_kbps: info.video_kbps,
            gop_ms: info.gop_ms,
            audio_codec: info.audio_codec,
            audio_kbps: info.audio_kbps,
        }
    }
}

/// One publish, for tests to look at. Times are Unix ms on the simulator's clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Publish {
    /// From 1.
    pub number: u64,
    /// What its key belongs to.
    pub owner: Owner,
    /// It came over TLS.
    pub tls: bool,
    /// Accepted.
    pub since_ms: i64,
    /// The first media tag came.
    pub media_ms: Option<i64>,
    /// The first picture was a keyframe.
    pub began_with_keyframe: Option<bool>,
    /// Over.
    pub ended_ms: Option<i64>,
    /// Over with a good-bye.
    pub clean: bool,
    /// Received so far.
    pub bytes: u64,
    /// The newest measurement.
    pub measured: Measured,
}

/// What a platform sees of one owner's media, across publishes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Feed {
    /// Media flows since.
    pub since: Option<i64>,
    /// Media is gone since; `None` also when it never came.
    pub gone: Option<i64>,
    /// `bandwidthtest=true` and the like.
    pub query: String,
    pub measured: Measured,
    publish: u64,
    connected: bool,
    last: Option<Instant>,
    cut: CancellationToken,
}

impl Feed {
    /// Media has been flowing for at least `duration` at `now`.
    pub fn flowing(&self, now: i64, duration: Duration) -> bool {
        self.since.is_some_and(|since| now - since >= crate::clock::millis(duration))
    }

    /// A publisher is connected, with or without media.
    pub fn connected(&self) -> bool {
        self.connected
    }
}

#[derive(Debug, Default)]
pub(crate) struct Ingests {
    feeds: BTreeMap<Owner, Feed>,
    publishes: Vec<Publish>,
    next: u64,
    /// Publishes refused, with the reason.
    pub refused: Vec<String>,
    /// The next so many publishes are refused whatever their key.
    pub refuse_next: u32,
}

impl Ingests {
    /// What is seen of an owner's media.
    pub fn feed(&self, owner: &Owner) -> Option<&Feed> {
        self.feeds.get(owner)
    }

    /// A publish was accepted; an older one of the same key is cut, as the platforms do. Returns its number and the
    /// signal that cuts it.
    pub fn begin(&mut self, owner: Owner, query: String, tls: bool, now: i64) -> (u64, CancellationToken) {
        self.next += 1;
        let cut = CancellationToken::new();
        let feed = self.feeds.entry(owner.clone()).or_default();
        feed.cut.cancel();
        (feed.publish, feed.connected, feed.query, feed.cut) = (self.next, true, query, cut.clone());
        if self.publishes.len() >= KEPT {
            self.publishes.remove(0);
        }
        self.publishes.push(Publish {
            number: self.next,
            owner,
            tls,
            since_ms: now,
            media_ms: None,
            began_with_keyframe: None,
            ended_ms: None,
            clean: false,
            bytes: 0,
            measured: Measured::default(),
        });
        (self.next, cut)
    }

    /// Media came; `key` says whether the first picture was a keyframe, once known.
    pub fn media(&mut self, number: u64, now: i64, bytes: u64, key: Option<bool>, measured: Measured) {
        let Some(publish) = self.publishes.iter_mut().rev().find(|publish| publish.number == number) else { return };
        publish.media_ms.get_or_insert(now);
        publish.bytes = bytes;
        publish.began_with_keyframe = publish.began_with_keyframe.or(key);
        publish.measured = measured.clone();
        if let Some(feed) = self.feeds.get_mut(&publish.owner).filter(|feed| feed.publish == number) {
            feed.since.get_or_insert(now);
            (feed.gone, feed.last, feed.measured) = (None, Some(Instant::now()), measured);
        }
    }

    /// A publish is over.
    pub fn end(&mut self, number: u64, now: i64, clean: bool) {
        let Some(publish) = self.publishes.iter_mut().rev().find(|publish| publish.number == number) else { return };
        (publish.ended_ms, publish.clean) = (Some(now), clean);
        if let Some(feed) = self.feeds.get_mut(&publish.owner).filter(|feed| feed.publish == number) {
            (feed.connected, feed.last) = (false, None);
            if feed.since.take().is_some() {
                feed.gone = Some(now);
            }
        }
    }

    /// Connections that stand without media count as gone.
    pub fn tick(&mut self, now: i64) {
        for feed in self.feeds.values_mut() {
            if feed.last.is_some_and(|last| last.elapsed() > STALLED) && feed.since.take().is_some() {
                feed.gone = Some(now);
            }
        }
    }

    /// Cuts whoever publishes for `owner`.
    pub fn cut(&mut self, owner: &Owner) {
        if let Some(feed) = self.feeds.get(owner) {
            feed.cut.cancel();
        }
    }

    pub fn cut_all(&mut self) {
        self.feeds.values().for_each(|feed| feed.cut.cancel());
    }

    /// All publishes, oldest first.
    pub fn publishes(&self) -> &[Publish] {
        &self.publishes
    }
}

/// Who owns a key, as the platforms say.
pub(crate) fn authorize(world: &mut World, app: &str, key: &str, query: &str) -> Result<Owner, Refusal> {
    let app = app.split('?').next().unwrap_or_default().trim_matches('/');
    let found = match app {
        _ if world.ingests.refuse_next > 0 => {
            world.ingests.refuse_next -= 1;
            Err("refused on purpose")
        }
        "live2" => youtube::owner_of(world, key),
        "app" => twitch::owner_of(world, key),
        "rtmp" => facebook::owner_of(world, key, query),
        "live" => cloudflare::owner_of(world, key),
        _ => Err("no such application"),
    };
    found.map_err(|why| {
        if world.ingests.refused.len() < KEPT {
            world.ingests.refused.push(format!("{app}: {why}"));
        }
        Refusal::bad_name(why)
    })
}
