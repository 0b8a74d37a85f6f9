//! Accepts RTMP connections, so many at a time.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

use super::{Relay, connection};
use crate::meters;

/// How long to wait when the process is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

pub(crate) async fn listen(relay: Arc<Relay>, listener: TcpListener) {
    let slots = Arc::new(Semaphore::new(relay.options.bounds.max_rtmp_connections));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = relay.shutdown.soft.cancelled() => return,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if is_of_one_client(&error) => continue,
            Err(error) => {
                tracing::error!(%error, "cannot accept RTMP connections");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Closed at once rather than queued: an encoder tries again, and sees that it must.
        let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
            meters::publish_refused("connections");
            continue;
        };
        tune(&stream);
        let relay_of_it = Arc::clone(&relay);
        relay.shutdown.tasks.spawn(async move {
            meters::connections(1.0);
            connection::serve(relay_of_it, stream, peer).await;
            meters::connections(-1.0);
            drop(slot);
        });
    }
}

fn is_of_one_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

fn tune(stream: &TcpStream) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot tune a connection");
    }
}
