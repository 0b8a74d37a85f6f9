//! The source half: find the relay, read, run FFmpeg, until something ends it. FFmpeg is reaped before anything is said.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use domain::{
    output::{Output, Video, decide},
    settings::Settings,
    source::SourceInfo,
};
use ffmpeg::{
    arguments::{Options, arguments},
    diagnosis::{Diagnosis, Exit},
};
use media::sys::ChildLimits;
use tokio::{process::ChildStdin, task::JoinHandle, time::sleep};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::Instrument;

use super::{
    feed::{self, FeedEnd, feed},
    reader::{self, Opened, Reader},
};
use crate::{
    encoder::{
        child::{self, Encoder, Pipes},
        log,
        output::{self, Pace},
    },
    fault, metric,
    session::{
        events::Events,
        shared::{Media, Shared},
        spec::Spec,
        state::{Attempt, Event, Gone},
    },
    work::{clients::ClaimError, context::Context},
};

/// How often relays are asked for a source that is not there.
const SEEK_EVERY: Duration = Duration::from_millis(200);
/// How long a source may take to be measured before it is taken as it is.
const MEASURE: Duration = Duration::from_secs(3);
/// FFmpeg was reaped, yet somebody (a grandchild) holds its pipes: they are let go after this.
const PIPES_AFTER_EXIT: Duration = Duration::from_millis(300);
/// Descriptors FFmpeg may open: three pipes and its libraries.
const OPEN_FILES: u64 = 64;

/// Runs one attempt to its end, and says so exactly once. Closing: close FFmpeg's stdin, then the ladder.
pub async fn run(
    context: Arc<Context>,
    shared: Arc<Shared>,
    attempt: Attempt,
    events: Events,
    close: CancellationToken,
) {
    let half = Half { context: &context, shared: &shared, attempt, events: &events, close: &close };
    let gone = half.run().await;
    shared.set_media(None);
    metrics::counter!(metric::SOURCE_ENDS, "reason" => reason(&gone)).increment(1);
    events.send(Event::SourceGone(attempt, gone)).await;
}

fn reason(gone: &Gone) -> &'static str {
    match gone {
        Gone::Ended => "ended",
        Gone::Aborted => "aborted",
        Gone::Fenced => "fenced",
        Gone::Encoder(_) => "encoder",
        Gone::Unusable(_) => "unusable",
        Gone::Closed => "closed",
    }
}

struct Half<'a> {
    context: &'a Context,
    shared: &'a Arc<Shared>,
    attempt: Attempt,
    events: &'a Events,
    close: &'a CancellationToken,
}

impl Half<'_> {
    async fn run(&self) -> Gone {
        let found = tokio::select! {
            found = self.seek().instrument(self.shared.span.clone()) => found,
            () = self.close.cancelled() => return Gone::Closed,
        };
        match found {
            Ok((reader, source, output)) => self.stream(*reader, source, output).await,
            Err(gone) => gone,
        }
    }

    /// Looks until a relay serves the source, and it is known well enough to decide.
    async fn seek(&self) -> Result<(Box<Reader>, SourceInfo, Output), Gone> {
        let mut said_absent = false;
        let mut measuring_since = None;
        loop {
            let gaps = self.context.pulse.gaps();
            if let Some((reader, source)) = self.look().await? {
                // The relay took our ticket: no higher epoch has come, as of after `gaps`.
                self.shared.gate.vouch(gaps);
                let spec = self.shared.spec();
                let since = *measuring_since.get_or_insert_with(Instant::now);
                if since.elapsed() > MEASURE || is_measured(&source, &spec.settings) {
                    let output = decide(&source, &spec.settings, spec.platform);
                    return self.usable(source, output).map(|(source, output)| (reader, source, output));
                }
            } else {
                measuring_since = None;
                if !std::mem::replace(&mut said_absent, true) {
                    self.events.send(Event::SourceAbsent(self.attempt)).await;
                }
            }
            sleep(SEEK_EVERY).await;
        }
    }

    fn usable(&self, source: SourceInfo, output: Output) -> Result<(SourceInfo, Output), Gone> {
        if source.enhanced && !self.context.ffmpeg.binary.enhanced_rtmp() {
            return Err(Gone::Unusable(fault::codec_unsupported(&source.video_codec)));
        }
        Ok((source, output))
    }

    async fn look(&self) -> Result<Option<(Box<Reader>, SourceInfo)>, Gone> {
        let spec = self.shared.spec();
        let base = match self.context.directory.find(spec.stream).await {
            Ok(Some(location)) => location.http,
            Ok(None) => return Ok(None),
            // Redis is away: the orchestrator's last word may still hold.
            Err(_) if spec.relay_http.is_empty() => return Ok(None),
            Err(_) => spec.relay_http.clone(),
        };
        match reader::open(&base, spec.stream, &spec.ticket).await {
            Some(Opened::Live(reader, source)) if has_media(&source) => Ok(Some((reader, source))),
            Some(Opened::Fenced) => Err(Gone::Fenced),
            Some(Opened::Unauthorized) => self.renew_ticket(&spec).await.map(|()| None),
            Some(Opened::Live(..) | Opened::Absent) | None => Ok(None),
        }
    }

    /// Tickets end; whoever still owns the session gets a new one.
    async fn renew_ticket(&self, spec: &Spec) -> Result<(), Gone> {
        match self.context.clients.claim(spec.session, spec.epoch).await {
            Ok(spec) => {
                self.shared.set_spec(spec);
                Ok(())
            }
            Err(ClaimError::Refused) => Err(Gone::Fenced),
            Err(ClaimError::Unavailable | ClaimError::Malformed(_)) => Ok(()),
        }
    }

    async fn stream(&self, mut reader: Reader, source: SourceInfo, output: Output) -> Gone {
        self.events.send(Event::SourceOpened(self.attempt)).await;
        let span = self.shared.start_span(|parent| {
            tracing::info_span!(parent: parent, "ffmpeg.spawn", mode = output.mode(), pid = tracing::field::Empty)
        });
        let mut running = match self.spawn(&source, &output, span).await {
            Ok(running) => running,
            Err(error) => {
                self.shared.span.in_scope(|| tracing::error!(%error, "FFmpeg can't be started"));
                return Gone::Encoder(Diagnosis::default().fault(Exit::NotStarted));
            }
        };
        let end = running.feed(&mut reader, self.context.feed, self.close).await;
        drop(reader);
        self.settle(running, end).instrument(self.shared.span.clone()).await
    }

    /// The span ends with the spawn and not with FFmpeg: until then nobody could read the trace of the start.
    async fn spawn(&self, source: &SourceInfo, output: &Output, span: tracing::Span) -> std::io::Result<Running> {
        let options = Options { threads: self.context.ffmpeg_threads, ..Options::default() };
        let arguments = arguments(output, source, &options);
        let limits = ChildLimits {
            address_space: Some(self.context.ffmpeg_memory),
            core: Some(0),
            open_files: Some(OPEN_FILES),
        };
        let spawned = child::spawn(&self.context.ffmpeg.path, &arguments, limits);
        let (encoder, pipes) = spawned.instrument(span.clone()).await?;
        let entered = span.entered();
        metrics::counter!(metric::FFMPEG_SPAWNS).increment(1);
        entered.record("pid", encoder.pid());
        drop(entered);
        let (mode, reasons, pid) = (output.mode(), &output.reasons, encoder.pid());
        self.shared.span.in_scope(|| tracing::info!(mode, ?reasons, pid, "FFmpeg started"));
        self.shared.outbox.begin();
        let report = Arc::new(log::Report::default());
        let media = Media { source: source.clone(), output: output.clone(), report: report.clone() };
        self.shared.set_media(Some(media));
        let pace = if output.video == Video::Copy { Pace::OnBeat } else { Pace::AtOnce };
        Ok(Running::new(encoder, pipes, pace, self.shared.clone(), report, self.events.clone(), self.attempt))
    }

    async fn settle(&self, running: Running, end: End) -> Gone {
        match end {
            End::Closed => {
                running.end().await;
                Gone::Closed
            }
            End::Feed(FeedEnd::Ended) => {
                running.end().await;
                Gone::Ended
            }
            End::Feed(FeedEnd::Broken) => {
                // Perhaps we were fenced: nothing that FFmpeg still holds may leave.
                self.shared.outbox.hold();
                running.kill().await;
                Gone::Aborted
            }
            End::Feed(FeedEnd::Hung) => {
                running.kill().await;
                Gone::Encoder(fault::encoder_stalled())
            }
            End::Feed(FeedEnd::Refused) | End::Exited => {
                let report = running.report.clone();
                let exit = running.end().await;
                let diagnosis = report.diagnosis();
                tracing::warn!(?exit, last_line = diagnosis.last_line(), "FFmpeg stopped");
                Gone::Encoder(diagnosis.fault(exit))
            }
        }
    }
}

/// Nothing to send yet: the relay has seen neither video nor audio.
fn has_media(source: &SourceInfo) -> bool {
    !source.video_codec.is_empty() || !source.audio_codec.is_empty()
}

/// Whether every fact is known that a wish depends on. What is not known speaks for a pass-through, which may be wrong.
fn is_measured(source: &SourceInfo, settings: &Settings) -> bool {
    source.video_codec.is_empty()
        || (settings.bitrate_kbps.is_none() || source.video_kbps > 0)
            && (settings.framerate.is_none() || source.fps > 0.0)
            && (settings.resolution.is_none() || source.width > 0)
}

/// Why the stream through FFmpeg ended.
enum End {
    Feed(FeedEnd),
    /// FFmpeg exited by itself.
    Exited,
    /// We were asked to close.
    Closed,
}

/// An FFmpeg with its three pipes in good hands.
struct Running {
    encoder: Encoder,
    stdin: Option<ChildStdin>,
    produced: Arc<AtomicU64>,
    report: Arc<log::Report>,
    pipes: [AbortOnDropHandle<()>; 2],
}

impl Running {
    fn new(
        encoder: Encoder,
        pipes: Pipes,
        pace: Pace,
        shared: Arc<Shared>,
        report: Arc<log::Report>,
        events: Events,
        attempt: Attempt,
    ) -> Self {
        let produced = Arc::new(AtomicU64::new(0));
        let (count, stdout, stderr) = (produced.clone(), pipes.stdout, pipes.stderr);
        let first = (events, Event::EncoderProducing(attempt));
        let (log, span) = (report.clone(), shared.span.clone());
        let out = task(async move { output::drain(stdout, pace, &shared.outbox, &count, first, &shared.span).await });
        let err = task(async move { log::drain(stderr, &log, &span).await });
        Self { encoder, stdin: Some(pipes.stdin), produced, report, pipes: [out, err] }
    }

    async fn feed(&mut self, reader: &mut Reader, limits: feed::Limits, close: &CancellationToken) -> End {
        let Some(stdin) = &mut self.stdin else { return End::Exited };
        tokio::select! {
            biased;
            () = close.cancelled() => End::Closed,
            end = feed(reader, stdin, &self.produced, limits) => End::Feed(end),
            _ = self.encoder.exited() => End::Exited,
        }
    }

    /// Lets it finish: what it still holds is read.
    async fn end(mut self) -> Exit {
        self.stdin = None;
        let exit = self.encoder.end().await;
        self.bury(exit).await
    }

    async fn kill(mut self) -> Exit {
        self.stdin = None;
        let exit = self.encoder.kill().await;
        self.bury(exit).await
    }

    async fn bury(self, exit: Exit) -> Exit {
        let label = match exit {
            Exit::Code(0) => "ok",
            Exit::Signal(_) => "signal",
            Exit::Code(_) | Exit::NotStarted => "failed",
        };
        metrics::counter!(metric::FFMPEG_EXITS, "exit" => label).increment(1);
        tracing::debug!(?exit, bytes = self.produced.load(Ordering::Relaxed), "FFmpeg reaped");
        for pipe in self.pipes {
            let _ = tokio::time::timeout(PIPES_AFTER_EXIT, pipe).await;
        }
        exit
    }
}

fn task(work: impl Future<Output = ()> + Send + 'static) -> AbortOnDropHandle<()> {
    let handle: JoinHandle<()> = tokio::spawn(work);
    AbortOnDropHandle::new(handle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_wish_depends_on_must_be_measured() {
        let fresh = SourceInfo { video_codec: "h264".into(), ..SourceInfo::default() };
        assert!(is_measured(&fresh, &Settings::default()));
        assert!(!is_measured(&fresh, &Settings { bitrate_kbps: Some(3_000), ..Settings::default() }));
        let known = SourceInfo { video_kbps: 2_000, ..fresh };
        assert!(is_measured(&known, &Settings { bitrate_kbps: Some(3_000), ..Settings::default() }));
        assert!(!is_measured(&known, &Settings { framerate: Some(30), ..Settings::default() }));
        assert!(is_measured(&SourceInfo::default(), &Settings { framerate: Some(30), ..Settings::default() }));
    }
}
