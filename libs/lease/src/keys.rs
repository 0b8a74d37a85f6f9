//! The names of the Redis keys. One hash slot (`{live}`), because a script touches several of them.
//!
//! | key | type | content |
//! |---|---|---|
//! | `{live}:lease:<session>` | hash, TTL of the lease | `e` epoch, `w` worker |
//! | `{live}:want:<session>` | hash, kept 24 h | `f` floor; `e`, `d`, `g`: epoch, wish and generation |
//! | `{live}:deadlines` | sorted set | `<session>/<epoch>` by the time in ms when its lease ends |
//! | `{live}:overdue` | hash | `<session>/<epoch>`: how often it was reported |
//! | `{live}:scan` | string | when somebody last looked for expired leases |
//! | `{live}:source:<stream>` | hash, TTL 3 s | `e` source epoch, `l` location |
//! | `{live}:relays`, `{live}:workers` | sorted set | ids by the time their advert ends |
//! | `{live}:relay:<id>`, `{live}:worker:<id>` | string, TTL 3 s | the advert |
//!
//! None holds a secret.

use domain::ids::{SessionId, StreamId};

pub(crate) const DEADLINES: &str = "{live}:deadlines";
pub(crate) const OVERDUE: &str = "{live}:overdue";
pub(crate) const SCAN: &str = "{live}:scan";
pub(crate) const LEASE: &str = "{live}:lease:";
pub(crate) const WANT: &str = "{live}:want:";
pub(crate) const RELAYS: &str = "{live}:relays";
pub(crate) const RELAY: &str = "{live}:relay:";
pub(crate) const WORKERS: &str = "{live}:workers";
pub(crate) const WORKER: &str = "{live}:worker:";

pub(crate) fn lease(session: SessionId) -> String {
    format!("{LEASE}{session}")
}

pub(crate) fn want(session: SessionId) -> String {
    format!("{WANT}{session}")
}

pub(crate) fn source(stream: StreamId) -> String {
    format!("{{live}}:source:{stream}")
}
