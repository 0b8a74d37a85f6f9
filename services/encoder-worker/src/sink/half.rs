//! The sink half: resolve, vet, connect, publish, and keep acknowledged bytes flowing until something ends it.

use std::{
    pin::pin,
    sync::{Arc, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use domain::fault::Fault;
use media::{
    flv::{Tag, TagKind},
    rtmp::publisher::{self, PublishError, Publisher},
};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::{
    meter::Meter,
    outbox::{Headers, Item},
    resolve::resolve,
    retime::Retimer,
    target::Target,
};
use crate::{
    beat::beat,
    fault, metric,
    session::{
        events::Events,
        shared::Shared,
        state::{Attempt, Event, SinkGone},
    },
    work::context::Context,
};

/// Items taken from the outbox at once.
const BATCH: usize = 256;
/// Bytes waiting in the publisher above which tags stay in the outbox, where they can still be dropped in order.
const IN_FLIGHT: usize = 256 << 10;
/// How often acknowledged bytes are read once the stream runs, and before the first acknowledgement.
const LOOK_EVERY: Duration = Duration::from_millis(250);
const FIRST_LOOK_EVERY: Duration = Duration::from_millis(10);

/// Runs one attempt to its end, and says so exactly once. Closing: unpublish and leave.
pub async fn run(
    context: Arc<Context>,
    shared: Arc<Shared>,
    target: Target,
    attempt: Attempt,
    ever_connected: bool,
    events: Events,
    close: CancellationToken,
) {
    let half = Half { context: &context, shared: &shared, attempt, ever_connected, events: &events };
    let gone = half.run(target, close).await;
    if let SinkGone::Lost(fault) = &gone {
        metrics::counter!(metric::SINK_LOSSES, "code" => fault.code.clone()).increment(1);
    }
    events.send(Event::SinkGone(attempt, gone)).await;
}

struct Half<'a> {
    context: &'a Context,
    shared: &'a Shared,
    attempt: Attempt,
    ever_connected: bool,
    events: &'a Events,
}

impl Half<'_> {
    async fn run(&self, target: Target, close: CancellationToken) -> SinkGone {
        let span = self.shared.start_span(|parent| tracing::info_span!(parent: parent, "sink.connect"));
        let connected = tokio::select! {
            connected = self.connect(target).instrument(span) => connected,
            () = close.cancelled() => return SinkGone::Closed,
        };
        let mut publisher = match connected {
            Ok(publisher) => publisher,
            Err(fault) => return SinkGone::Lost(fault),
        };
        self.events.send(Event::SinkOpened(self.attempt)).await;
        let headers = self.shared.outbox.attach();
        self.meter().restart_window(self.shared.now());
        let end = self.publish(&mut publisher, headers, &close).await;
        self.shared.outbox.detach();
        let gone = match end {
            Ok(gone) => {
                // What is acknowledged during the goodbye counts as well.
                let acked = publisher.close().await;
                self.meter().acked(0, acked);
                gone
            }
            Err(PublishError::Fenced(_)) => SinkGone::Closed,
            Err(error) => SinkGone::Lost(self.judge(&error)),
        };
        self.meter().over();
        gone
    }

    async fn connect(&self, target: Target) -> Result<Publisher, Fault> {
        let url = target.url(self.attempt.0).clone();
        let found = resolve(&url, self.context.policy).await;
        let addresses = found.map_err(|error| error.fault(self.ever_connected))?;
        let mut last = None;
        for addr in addresses {
            let place = publisher::Target { url: url.clone(), key: target.key.clone(), addr };
            let mut options = self.context.publish.clone();
            options.gate = Some(self.shared.gate.clone());
            match publisher::connect(place, options, |_, _| {}).await {
                Ok(publisher) => return Ok(publisher),
                // Another address may be up; a refusal is a refusal.
                Err(error @ (PublishError::Connect(_) | PublishError::Timeout(publisher::Step::Connect))) => {
                    last = Some(self.judge(&error));
                }
                Err(error) => return Err(self.judge(&error)),
            }
        }
        Err(last.unwrap_or_else(|| fault::ResolveError::NoSuchHost.fault(self.ever_connected)))
    }

    fn judge(&self, error: &PublishError) -> Fault {
        let cause = std::error::Error::source(error).map(ToString::to_string);
        self.shared.span.in_scope(|| tracing::info!(%error, cause, attempt = self.attempt.0, "publish failed"));
        fault::of_publish(error, self.ever_connected)
    }

    /// Sends until the sink fails (an error), or we are done with it.
    async fn publish(
        &self,
        publisher: &mut Publisher,
        headers: Headers,
        close: &CancellationToken,
    ) -> Result<SinkGone, PublishError> {
        let began = Instant::now();
        let (video, retimer) = (headers.video.clone(), Retimer::default());
        let mut sending = Sending { shared: self.shared, video, retimer, began, first_media_until: None };
        for tag in headers.tags() {
            publisher.send(&tag).await?;
        }
        let mut first = Some(());
        // Tags are waiting for their one write.
        let mut unwritten = true;
        let mut look = pin!(sleep(Duration::ZERO));
        loop {
            let room = publisher.waiting() < IN_FLIGHT;
            tokio::select! {
                biased;
                () = close.cancelled() => return Ok(SinkGone::Closed),
                () = self.shared.outbox.filled(), if room => {
                    if sending.take(publisher).await? {
                        return Ok(SinkGone::Outdated);
                    }
                    unwritten = true;
                }
                () = look.as_mut() => {
                    self.meter().acked(publisher.acked(), publisher.media_acked());
                    if first.is_some() && sending.is_acked(publisher) {
                        first = None;
                        self.events.send(Event::SinkAcked(self.attempt)).await;
                    }
                    look.set(if first.is_some() { sleep(FIRST_LOOK_EVERY) } else { beat(LOOK_EVERY, Duration::ZERO) });
                    // What was left because the publisher was full.
                    if room && sending.take(publisher).await? {
                        return Ok(SinkGone::Outdated);
                    }
                    unwritten = true;
                }
                written = write(publisher, unwritten) => {
                    written?;
                    unwritten = false;
                }
            }
        }
    }

    fn meter(&self) -> MutexGuard<'_, Meter> {
        self.shared.meter.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes what waits at once, or (`now` false) watches the connection until it fails.
async fn write(publisher: &mut Publisher, now: bool) -> Result<(), PublishError> {
    if now {
        return publisher.flush().await;
    }
    match publisher.drive().await? {}
}

struct Sending<'a> {
    shared: &'a Shared,
    /// The video configuration that this publish was started with, or none yet.
    video: Option<Tag>,
    retimer: Retimer,
    began: Instant,
    /// Where the first audio or video tag ends, in bytes of the publish.
    first_media_until: Option<u64>,
}

impl Sending<'_> {
    /// Sends what is there. True: the media has changed so much that a new publish is due.
    async fn take(&mut self, publisher: &mut Publisher) -> Result<bool, PublishError> {
        while publisher.waiting() < IN_FLIGHT {
            let items = self.shared.outbox.take(BATCH);
            if items.is_empty() {
                return Ok(false);
            }
            let mut frames = 0;
            let mut items = items.into_iter();
            while let Some(item) = items.next() {
                match item {
                    Item::Splice => {
                        let elapsed = u32::try_from(self.began.elapsed().as_millis()).unwrap_or(u32::MAX);
                        self.retimer.splice(elapsed);
                    }
                    Item::Header(tag) if self.is_new_video(&tag) => {
                        // The next publish starts with what follows.
                        self.shared.outbox.put_back(items);
                        return Ok(true);
                    }
                    Item::Header(tag) => publisher.send(&Tag { ts: self.retimer.last(), ..tag }).await?,
                    Item::Media(tag) => {
                        if let Some(tag) = self.retimer.apply(tag) {
                            publisher.send(&tag).await?;
                            self.first_media_until.get_or_insert(publisher.written() + publisher.waiting() as u64);
                            frames += u64::from(tag.kind == TagKind::Video);
                        }
                    }
                }
            }
            let until = publisher.written() + publisher.waiting() as u64;
            self.shared.meter.lock().unwrap_or_else(PoisonError::into_inner).sent(until, frames);
        }
        Ok(false)
    }

    /// A decoder configuration that differs from the one the publish began with: platforms take that badly.
    fn is_new_video(&mut self, tag: &Tag) -> bool {
        if tag.kind != TagKind::Video {
            return false;
        }
        match &self.video {
            Some(old) => old.data != tag.data,
            None => {
                self.video = Some(tag.clone());
                false
            }
        }
    }

    /// Whether the sink has acknowledged media, not only metadata and configuration.
    fn is_acked(&self, publisher: &Publisher) -> bool {
        self.first_media_until.is_some_and(|until| publisher.acked() >= until)
    }
}
