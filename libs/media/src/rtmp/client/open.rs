//! From an address to an accepted `connect` command.

use std::{
    future::Future,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use domain::target::{RtmpUrl, Scheme};
use tokio::time::timeout;

use super::{
    connection::{Connection, Limits},
    error::{Error, Step},
    gate::Gate,
    socket::Socket,
    status,
    wire::Wire,
};
use crate::rtmp::{
    amf::Value,
    message::Message,
    tls::{self, TlsError, Trust},
};

/// Where to connect, and how.
pub(crate) struct Endpoint<'a> {
    /// Scheme, host name, port and application.
    pub(crate) url: &'a RtmpUrl,
    /// The vetted address; the host name is only used for TLS and `tcUrl`.
    pub(crate) address: SocketAddr,
    /// What must not be repeated in errors.
    pub(crate) secret: &'a str,
    pub(crate) trust: &'a Trust,
    pub(crate) gate: Option<Arc<dyn Gate>>,
    /// `TCP_NOTSENT_LOWAT`.
    pub(crate) unsent_limit: u32,
    pub(crate) limits: Limits,
    /// For each step.
    pub(crate) step_timeout: Duration,
    /// Filler of the handshake.
    pub(crate) seed: u64,
}

/// What the `connect` command says we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// As OBS says it: `FMLE/3.0 (compatible; FMSc/1.0)`, type `nonprivate`. Some ingests let only "FMLE" publish.
    Publisher {
        /// Announce the codecs of Enhanced RTMP.
        enhanced: bool,
    },
    /// As FFmpeg says it.
    Player,
}

/// Transaction id of `connect` (7.2.1.1: always 1).
const CONNECT: f64 = 1.0;

/// TCP, TLS, handshake, `connect`; each step is reported with its duration when it is done.
pub(crate) async fn open(
    endpoint: Endpoint<'_>,
    role: Role,
    steps: &mut (dyn FnMut(Step, Duration) + Send),
) -> Result<Connection, Error> {
    let limit = endpoint.step_timeout;
    let connect = Socket::connect(endpoint.address, endpoint.unsent_limit, endpoint.gate.clone());
    let socket = timed(Step::Connect, limit, steps, async { connect.await.map_err(Error::Connect) }).await?;
    let wire = match endpoint.url.scheme {
        Scheme::Rtmp => Wire::Plain(socket),
        Scheme::Rtmps => timed(Step::Tls, limit, steps, secure(&endpoint, socket)).await?,
    };
    let mut connection = Connection::new(wire, endpoint.limits);
    timed(Step::Handshake, limit, steps, connection.handshake(endpoint.seed)).await?;
    connection.enter(Step::RtmpConnect);
    timed(Step::RtmpConnect, limit, steps, greet(&mut connection, &endpoint, role)).await?;
    connection.enter(Step::Publish);
    Ok(connection)
}

/// Runs one step with its time limit and reports its duration when it succeeds.
pub(crate) async fn timed<T>(
    step: Step,
    limit: Duration,
    steps: &mut (dyn FnMut(Step, Duration) + Send),
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let began = Instant::now();
    let done = timeout(limit, work).await.map_err(|_| Error::Timeout(step))??;
    steps(step, began.elapsed());
    Ok(done)
}

async fn secure(endpoint: &Endpoint<'_>, socket: Socket) -> Result<Wire, Error> {
    match tls::connect(endpoint.trust, &endpoint.url.host_text(), socket).await {
        Ok(stream) => Ok(Wire::Tls(Box::new(stream))),
        Err(TlsError::Other(error)) => Err(match Error::from_io(error, Step::Tls) {
            fenced @ Error::Fenced(_) => fenced,
            closed @ Error::Closed(_) => closed,
            Error::Io(error) => TlsError::Other(error).into(),
            other => other,
        }),
        Err(error) => Err(error.into()),
    }
}

async fn greet(connection: &mut Connection, endpoint: &Endpoint<'_>, role: Role) -> Result<(), Error> {
    connection.put(&Message::command(0, "connect", CONNECT, &[describe(endpoint.url, role)]));
    loop {
        let message = connection.next().await?;
        let Some(command) = message.as_command() else { continue };
        let command = command?;
        match command.name.as_str() {
            "_result" if command.transaction == CONNECT => return Ok(()),
            "_error" if command.transaction == CONNECT => {
                return Err(status::into_error(&command.status(), endpoint.secret));
            }
            "onStatus" if status::is_error(&command.status()) => {
                return Err(status::into_error(&command.status(), endpoint.secret));
            }
            "close" => return Err(Error::Closed(Step::RtmpConnect)),
            _ => {}
        }
    }
}

/// The command object of `connect` (7.2.1.1).
fn describe(url: &RtmpUrl, role: Role) -> Value {
    let mut about = vec![("app".to_owned(), Value::from(url.path.as_str()))];
    let mut say = |key: &str, value: Value| about.push((key.to_owned(), value));
    let tc_url = url.to_string();
    match role {
        Role::Publisher { enhanced } => {
            say("type", "nonprivate".into());
            say("flashVer", "FMLE/3.0 (compatible; FMSc/1.0)".into());
            say("swfUrl", tc_url.as_str().into());
            say("tcUrl", tc_url.as_str().into());
            if enhanced {
                let codecs = ["av01", "hvc1"].map(Value::from).to_vec();
                say("fourCcList", Value::StrictArray(codecs));
            }
        }
        Role::Player => {
            say("flashVer", "LNX 9,0,124,2".into());
            say("tcUrl", tc_url.as_str().into());
            say("fpad", Value::Boolean(false));
            say("capabilities", 15.0.into());
            say("audioCodecs", 4071.0.into());
            say("videoCodecs", 252.0.into());
            say("videoFunction", 1.0.into());
        }
    }
    Value::Object(about)
}
