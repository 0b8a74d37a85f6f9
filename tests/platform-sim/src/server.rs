//! The HTTP side: connections, whole requests in, whole answers out, resets on demand.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{body::Incoming, header::HeaderName, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, Semaphore},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    front::{Front, Outcome},
    http::{Answer, Request},
};

/// Accepts until cancelled.
pub(crate) async fn serve(listener: TcpListener, front: Arc<Front>, tasks: TaskTracker, stop: CancellationToken) {
    let room = Arc::new(Semaphore::new(front.limits().connections));
    loop {
        let Ok(permit) = room.clone().acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        let Ok((tcp, _)) = accepted else { continue };
        let (front, stop) = (front.clone(), stop.clone());
        tasks.spawn(async move {
            connection(tcp, front, stop).await;
            drop(permit);
        });
    }
}

async fn connection(tcp: TcpStream, front: Arc<Front>, stop: CancellationToken) {
    let _ = tcp.set_nodelay(true);
    // A second descriptor of the socket: hyper owns the first, and a reset needs the linger option set.
    let Ok(tcp) = tcp.into_std() else { return };
    let Ok(second) = tcp.try_clone() else { return };
    let Ok(tcp) = TcpStream::from_std(tcp) else { return };
    let reset = Arc::new(Notify::new());
    let service = service_fn({
        let reset = reset.clone();
        move |request| respond(request, front.clone(), reset.clone())
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(60))
        .serve_connection(TokioIo::new(tcp), service);
    tokio::select! {
        _ = serving => {}
        () = stop.cancelled() => {}
        () = reset.notified() => {
            if let Ok(second) = TcpStream::from_std(second) {
                let _ = second.set_zero_linger();
            }
        }
    }
}

async fn respond(
    request: hyper::Request<Incoming>,
    front: Arc<Front>,
    reset: Arc<Notify>,
) -> Result<hyper::Response<Full<Bytes>>, Infallible> {
    let answer = match read(request, &front).await {
        // In a task of its own: what a caller asked for happens, also when the caller has gone meanwhile.
        Ok(request) => tokio::spawn(async move { front.call(request).await }).await.unwrap_or(Outcome::Reset),
        Err(refusal) => Outcome::Answer(refusal),
    };
    match answer {
        Outcome::Answer(answer) => Ok(write(answer)),
        Outcome::Reset => {
            reset.notify_one();
            std::future::pending().await // the connection is dropped with this future in it
        }
    }
}

async fn read(request: hyper::Request<Incoming>, front: &Front) -> Result<Request, Answer> {
    let (head, body) = request.into_parts();
    let body = timeout(front.limits().request, Limited::new(body, front.limits().body).collect()).await;
    let Ok(body) = body else { return Err(Answer::text(408, "text/plain", "request timeout")) };
    let Ok(body) = body else { return Err(Answer::text(413, "text/plain", "request too large")) };
    let query = head.uri.query().unwrap_or_default();
    let text = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Ok(Request {
        method: head.method.as_str().to_owned(),
        path: head.uri.path().to_owned(),
        query: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        headers: head.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect(),
        body: body.to_bytes(),
    })
}

fn write(answer: Answer) -> hyper::Response<Full<Bytes>> {
    let mut response = hyper::Response::new(Full::new(answer.body));
    *response.status_mut() =
        hyper::StatusCode::from_u16(answer.status).unwrap_or(hyper::StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in answer.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), value.try_into()) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
