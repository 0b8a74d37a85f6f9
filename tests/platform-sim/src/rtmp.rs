//! The RTMP(S) listener in front of [`crate::ingest`].

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use media::{
    flv::TagKind,
    rtmp::server::{Options, PublishRequest, Refusal, ServerSession},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::Semaphore,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    front::Front,
    ingest::{Measured, SourceProbe, authorize},
};

/// Measurements are written down so often.
const NOTE_EACH: Duration = Duration::from_millis(100);

/// Accepts until cancelled.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    front: Arc<Front>,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    let room = Arc::new(Semaphore::new(front.limits().connections));
    loop {
        let Ok(permit) = room.clone().acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        let Ok((tcp, _)) = accepted else { continue };
        let _ = tcp.set_nodelay(true);
        let (front, stop, tls) = (front.clone(), stop.clone(), tls.clone());
        tasks.spawn(async move {
            let serving = async {
                match tls {
                    None => connection(tcp, false, front).await,
                    Some(tls) => {
                        if let Ok(Ok(stream)) = tokio::time::timeout(NOTE_EACH * 100, tls.accept(tcp)).await {
                            connection(stream, true, front).await;
                        }
                    }
                }
            };
            tokio::select! {
                () = serving => {}
                () = stop.cancelled() => {}
            }
            drop(permit);
        });
    }
}

async fn connection<S: AsyncRead + AsyncWrite + Unpin>(io: S, tls: bool, front: Arc<Front>) {
    let Ok((mut session, request)) = ServerSession::open(io, Options::default()).await else { return };
    let query = request.query.clone().unwrap_or_default();
    let begun = front.world(|world| {
        let owner = authorize(world, &request.app, request.key.expose(), &query)?;
        let now = world.now;
        Ok::<_, Refusal>(world.ingests.begin(owner, query.clone(), tls, now))
    });
    match begun {
        Err(refusal) => session.refuse_publish(&request, refusal).await,
        Ok((number, cut)) => {
            let end = publish(&mut session, &request, number, &cut, &front).await;
            front.world(|world| world.ingests.end(number, world.now, end == End::Unpublished));
            match end {
                End::Unpublished => session.close().await,
                End::Cut => session.cut(Refusal::bad_name("this publish was ended by the platform")).await,
                End::Lost => {}
            }
        }
    }
}

#[derive(PartialEq)]
enum End {
    Unpublished,
    Lost,
    Cut,
}

async fn publish<S: AsyncRead + AsyncWrite + Unpin>(
    session: &mut ServerSession<S>,
    request: &PublishRequest,
    number: u64,
    cut: &CancellationToken,
    front: &Front,
) -> End {
    if session.accept(request).await.is_err() {
        return End::Lost;
    }
    let (mut probe, mut noted, mut key) = (SourceProbe::new(), None::<Instant>, None);
    loop {
        let tag = tokio::select! {
            tag = session.next() => tag,
            () = cut.cancelled() => return End::Cut,
        };
        let tag = match tag {
            Ok(Some(tag)) => tag,
            Ok(None) => return End::Unpublished,
            Err(_) => return End::Lost,
        };
        probe.push(&tag);
        if tag.kind == TagKind::Video && !tag.is_sequence_header() {
            key.get_or_insert(tag.is_keyframe());
        }
        let media = tag.kind != TagKind::Script && !tag.is_sequence_header();
        if media && noted.is_none_or(|at| at.elapsed() >= NOTE_EACH) {
            noted = Some(Instant::now());
            let (bytes, measured) = (session.received(), Measured::of(&probe));
            front.world(|world| world.ingests.media(number, world.now, bytes, key, measured));
        }
    }
}
