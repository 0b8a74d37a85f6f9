//! A running publish: tags from the session into the source, with its reporter and its advert beside it.

use std::{future::poll_fn, sync::Arc, task::Poll, time::Instant};

use media::rtmp::server::{PublishRequest, ServerSession, SessionError};
use tokio::{net::TcpStream, sync::oneshot, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::{
    Relay,
    authorize::Granted,
    refusals::{DRAINING, SUPERSEDED},
};
use crate::{
    directory,
    fence::Pass,
    meters,
    report::Reporter,
    source::{EndReason, Source, Writer},
};

type Session = ServerSession<TcpStream>;

pub(super) async fn run(relay: Arc<Relay>, mut session: Session, request: PublishRequest, granted: Granted) {
    let source = Source::new(granted.identity, &relay.options.bounds);
    relay.hub.insert(&source);
    let (tell_reporter, ended) = oneshot::channel();
    let gone = CancellationToken::new();
    relay.shutdown.tasks.spawn(reporter(&relay, &source).run(ended).in_current_span());
    relay.shutdown.tasks.spawn(directory::announce_source(Arc::clone(&relay), Arc::clone(&source), gone.clone()));
    meters::publish_accepted();
    tracing::info!(source_epoch = source.identity().source_epoch, "publish accepted");

    let reason = match session.accept(&request).await {
        Ok(()) => pump(&relay, &mut session, &source, granted.pass.as_ref()).await,
        Err(error) => end_of(&error),
    };

    relay.hub.remove(&source, reason);
    let _ = tell_reporter.send(reason);
    gone.cancel();
    tracing::info!(reason = reason.as_str(), received_bytes = session.received(), "publish ended");
    match reason {
        EndReason::Superseded => session.cut(SUPERSEDED.refusal).await,
        EndReason::Drained => session.cut(DRAINING.refusal).await,
        EndReason::Closed => session.close().await,
        EndReason::Timeout | EndReason::Error => {}
    }
}

fn reporter(relay: &Relay, source: &Arc<Source>) -> Reporter {
    Reporter {
        client: relay.orchestrator(),
        relay: relay.options.relay.clone(),
        http: relay.http.clone(),
        source: Arc::clone(source),
        bounds: relay.options.bounds.clone(),
        sequence: 0,
        reachable: true,
    }
}

async fn pump(relay: &Relay, session: &mut Session, source: &Arc<Source>, pass: Option<&Pass>) -> EndReason {
    let bounds = &relay.options.bounds;
    let mut writer = Writer::new(Arc::clone(source), bounds.flush_bytes);
    let ingest = meters::ingest_bytes();
    let soft = relay.shutdown.soft.cancelled();
    let (timer, mut armed) = (sleep(bounds.flush_every), false);
    tokio::pin!(soft, timer);
    loop {
        tokio::select! {
            biased;
            () = cut(source, pass) => return EndReason::Superseded,
            () = &mut soft => return EndReason::Drained,
            () = &mut timer, if armed => {
                writer.flush();
                armed = false;
            }
            next = session.next() => match next {
                Ok(Some(tag)) => {
                    ingest.increment(tag.data.len() as u64);
                    writer.push(&tag, Instant::now());
                    if writer.is_pending() && !armed {
                        timer.as_mut().reset(tokio::time::Instant::now() + bounds.flush_every);
                        armed = true;
                    }
                }
                ended => {
                    writer.flush();
                    return ended.map_or_else(|error| end_of(&error), |_| EndReason::Closed);
                }
            }
        }
    }
}

/// A later publish won: told by the hub, the orchestrator, the directory or the fence.
async fn cut(source: &Source, pass: Option<&Pass>) {
    poll_fn(|cx| {
        let superseded = source.superseded().poll(cx).is_ready();
        let fenced = pass.is_some_and(|pass| pass.cut().poll(cx).is_ready());
        if superseded || fenced { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

fn end_of(error: &SessionError) -> EndReason {
    match error {
        SessionError::Closed | SessionError::Io(_) => EndReason::Closed,
        SessionError::Timeout => EndReason::Timeout,
        other => {
            tracing::warn!(error = other as &dyn std::error::Error, "publisher cut");
            EndReason::Error
        }
    }
}
