//! A relay in a few lines: serves a looped clip as a live source, with a GOP cache and a fence.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::BytesMut;
use domain::{
    ids::{RelayId, StreamId},
    source::SourceInfo,
};
use futures::stream;
use lease::{Directory, Location};
use media::flv::{self, Decoder, Tag, TagKind};
use testkit::live_source::{self, clip};
use tokio::{sync::broadcast, time::sleep};

/// The real relay writes to its readers so often.
const BURST_MS: u32 = 25;

/// The fake relay. Dropping it stops everything.
pub struct FakeRelay {
    inner: Arc<Inner>,
    /// Where it serves the stream.
    pub flv_url: String,
    tasks: Vec<tokio::task::AbortHandle>,
}

struct Inner {
    stream: StreamId,
    info: SourceInfo,
    tags: Vec<Tag>,
    duration_ms: u32,
    state: Mutex<Live>,
}

#[derive(Default)]
struct Live {
    on: bool,
    headers: Vec<Bytes>,
    gop: Vec<Bytes>,
    out: Option<broadcast::Sender<Message>>,
    fence: HashMap<String, u64>,
    reads: usize,
}

#[derive(Clone)]
enum Message {
    Data(Bytes),
    End,
    /// Breaks every reader, or those of one session below an epoch.
    Break(Option<(String, u64)>),
}

impl FakeRelay {
    pub async fn start(stream: StreamId, directory: Directory, options: &live_source::Options) -> anyhow::Result<Self> {
        let mut bytes = BytesMut::from(&std::fs::read(clip(options)?)?[..]);
        let mut decoder = Decoder::default();
        let mut tags = Vec::new();
        while let Some(tag) = decoder.next(&mut bytes)? {
            tags.push(tag);
        }
        let duration_ms = tags.last().map_or(0, |tag| tag.ts) + 1000 / options.fps;
        let (width, height) = options.size.split_once('x').unwrap();
        let info = SourceInfo {
            video_codec: "h264".into(),
            width: width.parse()?,
            height: height.parse()?,
            fps: f64::from(options.fps),
            video_kbps: options.kbps,
            gop_ms: options.gop_seconds * 1000,
            audio_codec: if options.no_audio { String::new() } else { "aac".into() },
            audio_rate_hz: 48_000,
            audio_channels: 2,
            ..SourceInfo::default()
        };
        let inner = Arc::new(Inner { stream, info, tags, duration_ms, state: Mutex::default() });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let app = Router::new().route("/live/{file}", get(read)).with_state(inner.clone());
        #[allow(clippy::disallowed_methods, reason = "a test's own server")]
        let serving = tokio::spawn(async move { axum::serve(listener, app).await }).abort_handle();
        let pacing = tokio::spawn(pace(inner.clone())).abort_handle();
        let advert = tokio::spawn(announce(inner.clone(), directory, url.clone())).abort_handle();
        let flv_url = format!("{url}/live/{stream}.flv");
        let relay = Self { inner, flv_url, tasks: vec![serving, pacing, advert] };
        relay.go_live();
        Ok(relay)
    }

    /// A source connects.
    pub fn go_live(&self) {
        let mut live = self.inner.live();
        live.on = true;
        live.out = Some(broadcast::Sender::new(4096));
        let headers = self.inner.tags.iter().filter(|tag| is_header(tag));
        live.headers = headers.map(|tag| flv::encode_tag(&Tag { ts: 0, ..tag.clone() })).collect();
        live.gop.clear();
    }

    /// The source ends: bodies end cleanly.
    pub fn end(&self) {
        let mut live = self.inner.live();
        live.on = false;
        if let Some(out) = live.out.take() {
            let _ = out.send(Message::End);
        }
    }

    /// The way to the relay breaks; the source goes on.
    pub fn break_readers(&self) {
        if let Some(out) = &self.inner.live().out {
            let _ = out.send(Message::Break(None));
        }
    }

    /// A newer epoch of a session reads.
    pub fn fence(&self, session: &str, epoch: u64) {
        let mut live = self.inner.live();
        live.fence.insert(session.to_owned(), epoch);
        if let Some(out) = &live.out {
            let _ = out.send(Message::Break(Some((session.to_owned(), epoch))));
        }
    }

    /// Accepted reads so far.
    pub fn reads(&self) -> usize {
        self.inner.live().reads
    }
}

impl Drop for FakeRelay {
    fn drop(&mut self) {
        self.tasks.iter().for_each(tokio::task::AbortHandle::abort);
    }
}

impl Inner {
    fn live(&self) -> MutexGuard<'_, Live> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, tag: &Tag) {
        let mut live = self.live();
        let bytes = flv::encode_tag(tag);
        if tag.is_keyframe() {
            live.gop.clear();
        }
        if tag.is_keyframe() || !live.gop.is_empty() {
            live.gop.push(bytes.clone());
        }
        if let Some(out) = &live.out {
            let _ = out.send(Message::Data(bytes));
        }
    }
}

async fn pace(inner: Arc<Inner>) {
    let began = tokio::time::Instant::now();
    for round in 0_u32.. {
        for tag in inner.tags.iter().filter(|tag| !is_header(tag)) {
            let ts = tag.ts + round * inner.duration_ms;
            // In bursts, as the real one.
            let due = ts.next_multiple_of(BURST_MS);
            tokio::time::sleep_until(began + Duration::from_millis(u64::from(due))).await;
            if inner.live().on {
                inner.publish(&Tag { ts, ..tag.clone() });
            }
        }
    }
}

fn is_header(tag: &Tag) -> bool {
    tag.kind == TagKind::Script || tag.is_sequence_header()
}

async fn announce(inner: Arc<Inner>, directory: Directory, http: String) {
    let mut epoch = 1;
    loop {
        if inner.live().on {
            let relay = RelayId("r-fake".into());
            let location = Location { stream: inner.stream, relay, http: http.clone(), source_epoch: epoch };
            let _ = directory.announce(&location).await;
        } else {
            let _ = directory.forget(inner.stream, epoch).await;
            epoch += 1;
            while !inner.live().on {
                sleep(Duration::from_millis(10)).await;
            }
            continue;
        }
        for _ in 0..50 {
            sleep(Duration::from_millis(10)).await;
            if !inner.live().on {
                break;
            }
        }
    }
}

async fn read(State(inner): State<Arc<Inner>>, Path(file): Path<String>, headers: HeaderMap) -> Response {
    let ticket = headers.get("authorization").and_then(|v| v.to_str().ok()).and_then(|v| v.strip_prefix("Bearer "));
    let Some((session, epoch)) = ticket.and_then(|t| t.split_once('/')) else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    let epoch: u64 = epoch.parse().unwrap_or(0);
    let (snapshot, receiver) = {
        let mut live = inner.live();
        let Some(out) = live.out.clone().filter(|_| live.on && file == format!("{}.flv", inner.stream)) else {
            return StatusCode::NOT_FOUND.into_response();
        };
        if live.fence.get(session).is_some_and(|newest| *newest > epoch) {
            return StatusCode::CONFLICT.into_response();
        }
        live.fence.insert(session.to_owned(), epoch);
        if live.gop.is_empty() {
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
        live.reads += 1;
        let mut snapshot = BytesMut::from(&flv::header(true, !inner.info.audio_codec.is_empty())[..]);
        live.headers.iter().chain(&live.gop).for_each(|tag| snapshot.extend_from_slice(tag));
        (snapshot.freeze(), out.subscribe())
    };
    let reader = Reader { session: session.to_owned(), epoch, first: Some(snapshot), receiver, pending: None };
    let body = stream::unfold(reader, |mut reader| async move { reader.next().await.map(|item| (item, reader)) });
    let info = serde_json::to_string(&inner.info).unwrap();
    ([("x-source-info", info)], Body::from_stream(body)).into_response()
}

struct Reader {
    session: String,
    epoch: u64,
    first: Option<Bytes>,
    receiver: broadcast::Receiver<Message>,
    pending: Option<Message>,
}

impl Reader {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        if let Some(first) = self.first.take() {
            return Some(Ok(first));
        }
        loop {
            let message = match self.pending.take() {
                Some(message) => message,
                None => self.receiver.recv().await.ok()?,
            };
            match message {
                Message::Data(bytes) => return Some(Ok(self.burst(bytes))),
                Message::Break(Some((whose, newest))) if whose != self.session || newest <= self.epoch => {}
                Message::Break(_) => return Some(Err(io::Error::other("broken"))),
                Message::End => return None,
            }
        }
    }

    /// All that is there, as one piece.
    fn burst(&mut self, first: Bytes) -> Bytes {
        let mut burst = BytesMut::from(&first[..]);
        while let Ok(message) = self.receiver.try_recv() {
            match message {
                Message::Data(bytes) => burst.extend_from_slice(&bytes),
                other => {
                    self.pending = Some(other);
                    break;
                }
            }
        }
        burst.freeze()
    }
}
