//! One RTMP connection: open, authorize, publish, say good-bye.

use std::{net::SocketAddr, sync::Arc};

use domain::ids::PublishId;
use media::rtmp::server::ServerSession;
use tokio::net::TcpStream;
use tracing::Instrument;
use uuid::Uuid;

use super::{Relay, authorize::authorize, paced::Paced, publish, refusals::DRAINING};
use crate::meters;

pub(super) async fn serve(relay: Arc<Relay>, stream: TcpStream, peer: SocketAddr) {
    let (socket, pace) = Paced::new(stream, relay.options.bounds.collect_every);
    let opened = tokio::select! {
        opened = ServerSession::open(socket, relay.options.bounds.session) => opened,
        () = relay.shutdown.soft.cancelled() => return,
    };
    let (session, request) = match opened {
        Ok(opened) => opened,
        Err(error) if error.is_ordinary() => return tracing::debug!(%peer, %error, "no publish"),
        Err(error) => return tracing::info!(%peer, %error, "no publish"),
    };
    let publish = PublishId(Uuid::now_v7());
    let key = request.key.masked();
    let span = tracing::info_span!("relay.publish", %publish, %peer, key, stream = tracing::field::Empty);
    let granted = authorize(&relay, &request.key, publish, peer).instrument(span.clone()).await;
    let refused = match granted {
        Ok(granted) if !relay.shutdown.soft.is_cancelled() => {
            span.record("stream", tracing::field::display(granted.identity.stream));
            return publish::run(relay, session, &request, granted, pace, span).await;
        }
        Ok(_) => DRAINING,
        Err(refused) => refused,
    };
    span.in_scope(|| tracing::info!(reason = refused.reason, "publish refused"));
    meters::publish_refused(refused.reason);
    session.refuse_publish(&request, refused.refusal).await;
}
