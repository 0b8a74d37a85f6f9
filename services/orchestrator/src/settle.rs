//! Writes what people see, after anything changed: the states of the destinations and of the stream, and the events that
//! tell of it. Level-triggered: settling twice writes once.

use bus::EventKind;
use domain::{
    destination_state::{self, Edge, Seen, State, Status},
    fault::Fault,
    health::Health,
    lifecycle::{Phase, Wish},
    stream_state,
};
use serde_json::{Value, json};
use sqlx::PgConnection;

use crate::{
    error::Error,
    rows::{BroadcastRow, DestinationRow, SessionRow},
    store::{
        destinations::{self, Extra},
        outbox::{self, News},
        run_errors, streams,
    },
    world::World,
};

/// Settles a stream. The caller holds the lock of its row.
///
/// # Errors
/// [`Error::Database`], [`Error::Stored`].
pub async fn settle(conn: &mut PgConnection, world: &World, keep_errors: i64, now_ms: i64) -> Result<(), Error> {
    let mut delivering = false;
    for destination in &world.destinations {
        let state = settle_destination(conn, world, destination, keep_errors, now_ms).await?;
        delivering |= state.status().is_delivering();
    }
    settle_stream(conn, world, delivering, now_ms).await
}

async fn settle_stream(conn: &mut PgConnection, world: &World, delivering: bool, now_ms: i64) -> Result<(), Error> {
    let wish = world.stream.wish()?;
    let active = world.is_active(now_ms);
    let was = world.stream.status()?;
    let (now, edge) = stream_state::next(was, stream_state::Seen { wish, delivering, active });
    if now == was {
        return Ok(());
    }
    let live_at = (edge == Some(stream_state::Edge::Started)).then_some(now_ms);
    let ended_at = (edge == Some(stream_state::Edge::Ended)).then_some(now_ms);
    streams::set_status(conn, world.id(), now, live_at, ended_at).await?;
    let kind = match edge {
        Some(stream_state::Edge::Started) => EventKind::StreamStarted,
        Some(stream_state::Edge::Ended) => EventKind::StreamEnded,
        None => return Ok(()),
    };
    let data = json!({ "status": now.as_str(), "generation": world.stream.generation });
    tell(conn, world, None, kind, data, now_ms).await
}

async fn settle_destination(
    conn: &mut PgConnection,
    world: &World,
    row: &DestinationRow,
    keep_errors: i64,
    now_ms: i64,
) -> Result<State, Error> {
    let session = world.session_of(row);
    let (now, edges) = destination_state::next(&row.state()?, &seen(world, row, session, now_ms)?);
    let left = unfinished(row, &now);
    let extra = extra(row, session, world.stream.generation, Turn { now: &now, edges: &edges, left: &left }, now_ms);
    if changes(row, &now, &extra)? {
        destinations::set_state(conn, row.id(), &now, extra).await?;
    }
    for edge in edges {
        tell_edge(conn, world, row, &now, edge, now_ms).await?;
        if let (Edge::Error | Edge::Reconnecting, Some(fault)) = (edge, now.fault()) {
            run_errors::add(conn, world.id(), Some(row.id()), fault, keep_errors, now_ms).await?;
        }
    }
    Ok(now)
}

fn seen(world: &World, row: &DestinationRow, session: Option<&SessionRow>, now_ms: i64) -> Result<Seen, Error> {
    let wanted = world.stream.wish()? == Wish::Running && row.is_wanted();
    let platform = row.is_on_platform().then_some(&row.broadcast);
    // What still runs for an earlier broadcast says nothing about this one.
    let of_this = |s: &&SessionRow| !wanted || row.broadcast.stale().is_none_or(|epoch| s.epoch() > epoch);
    Ok(Seen {
        wanted,
        source_connected: world.source_connected(),
        gave_up: row.gave_up.clone().map(|f| f.0),
        session: session.filter(of_this).map(|s| s.seen(now_ms)).transpose()?,
        source_fault: source_fault(world),
        preparing: platform.and_then(|b| b.preparing(world.stream.run_ms())),
        truth: platform.map(BroadcastRow::truth),
        finishing: platform.is_some_and(|b| b.is_finishing(now_ms)),
    })
}

/// Why our pull of an external source fails, if it does.
fn source_fault(world: &World) -> Option<Fault> {
    let pull = world.pull_session().filter(|_| world.stream.input_source.is_some())?;
    let failing = matches!(pull.phase(), Ok(Phase::Failed | Phase::Reconnecting));
    pull.fault.clone().map(|f| f.0).filter(|_| failing)
}

/// What a destination has turned to.
struct Turn<'a> {
    now: &'a State,
    edges: &'a [Edge],
    left: &'a [String],
}

/// A destination that has ended for people while its platform has not: why.
fn unfinished(row: &DestinationRow, now: &State) -> Vec<String> {
    let fault = row.broadcast.finish_fault.as_ref().filter(|_| row.broadcast.is_open());
    let ended = now.status() == Status::Ended;
    fault.filter(|_| ended).map(|f| f.message.clone()).into_iter().collect()
}

fn extra<'a>(
    row: &'a DestinationRow,
    session: Option<&'a SessionRow>,
    generation: i64,
    turn: Turn<'a>,
    now_ms: i64,
) -> Extra<'a> {
    let Turn { now, edges, left } = turn;
    let was_delivering = row.status.parse().is_ok_and(Status::is_delivering);
    let connected_at_ms = match now.status() {
        _ if edges.contains(&Edge::Connected) && !was_delivering => Some(now_ms),
        Status::Connected | Status::Live => row.connected_at_ms,
        _ => None,
    };
    // Nothing runs: nothing to judge.
    let quiet = matches!(now.status(), Status::Pending | Status::Stopping | Status::Ended);
    Extra {
        mode: session.filter(|s| s.phase().is_ok_and(|p| !p.is_over())).map_or(&row.mode, |s| &s.mode),
        // A session of an earlier run has that run's count.
        reconnects: session.filter(|s| s.generation == generation).map_or(row.reconnects, SessionRow::total_reconnects),
        connected_at_ms,
        health: if quiet { Health::Unknown.as_str() } else { &row.health },
        issues: if quiet { left } else { &row.issues.0 },
    }
}

fn changes(row: &DestinationRow, now: &State, extra: &Extra<'_>) -> Result<bool, Error> {
    Ok(*now != row.state()?
        || row.mode != extra.mode
        || row.reconnects != extra.reconnects
        || row.connected_at_ms != extra.connected_at_ms
        || row.health != extra.health
        || row.issues.0 != extra.issues)
}

async fn tell_edge(
    conn: &mut PgConnection,
    world: &World,
    row: &DestinationRow,
    state: &State,
    edge: Edge,
    now_ms: i64,
) -> Result<(), Error> {
    let kind = match edge {
        Edge::Connecting => EventKind::DestinationConnecting,
        Edge::Connected => EventKind::DestinationConnected,
        Edge::Live => EventKind::DestinationLive,
        Edge::Reconnecting => EventKind::DestinationReconnecting,
        Edge::Error => EventKind::DestinationError,
        Edge::Ended => EventKind::DestinationEnded,
    };
    let mut data = about(row, state.status().as_str());
    if let Some(fault) = state.fault() {
        data["fault"] = json!(fault);
    }
    if let Some(at) = state.retry_at_ms() {
        data["retryAt"] = json!(at);
    }
    tell(conn, world, Some(row), kind, data, now_ms).await
}

/// What every event of a destination carries.
pub fn about(row: &DestinationRow, status: &str) -> Value {
    json!({ "platform": row.platform, "name": row.name, "status": status })
}

/// Adds an event of a stream, or of one of its destinations, to the outbox.
///
/// # Errors
/// [`Error::Database`].
pub async fn tell(
    conn: &mut PgConnection,
    world: &World,
    destination: Option<&DestinationRow>,
    kind: EventKind,
    data: Value,
    now_ms: i64,
) -> Result<(), Error> {
    let tenant = world.stream.tenant();
    let destination = destination.map(DestinationRow::id);
    Ok(outbox::tell(conn, News { kind, stream: world.id(), destination, tenant: &tenant, data }, now_ms).await?)
}
