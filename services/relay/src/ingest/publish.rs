//! A running publish: tags from the session into the source, with its reporter and its advert beside it.

use std::{
    future::{poll_fn, ready},
    sync::Arc,
    task::Poll,
    time::Instant,
};

use media::rtmp::server::{PublishRequest, ServerSession, SessionError};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};

use super::{
    Relay,
    authorize::Granted,
    paced::{Pace, Paced},
    refusals::{DRAINING, SUPERSEDED},
};
use crate::{
    directory,
    fence::Pass,
    meters,
    report::Reporter,
    source::{EndReason, Source, Writer},
};

type Session = ServerSession<Paced>;

pub(super) async fn run(
    relay: Arc<Relay>,
    mut session: Session,
    request: &PublishRequest,
    granted: Granted,
    pace: Pace,
    span: Span,
) {
    let source = Source::new(granted.identity, &relay.options.bounds);
    relay.hub.insert(&source);
    let (tell_reporter, ended) = oneshot::channel();
    let gone = CancellationToken::new();
    relay.shutdown.tasks.spawn(reporter(&relay, &source).run(ended).instrument(span.clone()));
    relay.shutdown.tasks.spawn(directory::announce_source(Arc::clone(&relay), Arc::clone(&source), gone.clone()));
    meters::publish_accepted();
    span.in_scope(|| tracing::info!(source_epoch = source.identity().source_epoch, "publish accepted"));

    let reason = match session.accept(request).await {
        Ok(()) => {
            pace.start();
            // Outside the span: entering it on every wake-up showed in the profile.
            pump(&relay, &mut session, &source, granted.pass.as_ref()).await
        }
        Err(error) => span.in_scope(|| end_of(&error)),
    };

    relay.hub.remove(&source, reason);
    let _ = tell_reporter.send(reason);
    gone.cancel();
    span.in_scope(|| tracing::info!(reason = reason.as_str(), received_bytes = session.received(), "publish ended"));
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
    let mut writer = Writer::new(Arc::clone(source), relay.options.bounds.flush_bytes);
    let soft = relay.shutdown.soft.cancelled();
    tokio::pin!(soft);
    loop {
        tokio::select! {
            biased;
            () = cut(source, pass) => return EndReason::Superseded,
            () = &mut soft => return EndReason::Drained,
            next = session.next() => match next {
                Ok(Some(tag)) => writer.push(&tag, Instant::now()),
                ended => {
                    writer.flush();
                    return ended.map_or_else(|error| end_of(&error), |_| EndReason::Closed);
                }
            },
            // The socket is drained until its clock strikes again: readers get what has come.
            () = ready(()), if writer.is_pending() => writer.flush(),
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
