//! Bytes from one socket to another, through latency and throttle.

use std::{
    collections::VecDeque,
    hash::{BuildHasher, RandomState},
    io,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::{
    net::TcpStream,
    sync::watch,
    time::{Instant, sleep_until},
};

use super::Network;

/// Bytes read at once.
const READ: usize = 8 << 10;
/// Bytes on their way when nothing is delayed.
const HELD: usize = 64 << 10;
/// More on their way per second of latency: 8 Mbit/s pass at any latency.
const HELD_PER_SECOND: f64 = 1e6;

/// Forwards both ways until both ends have closed or one is reset; true when both closed.
pub(super) async fn both(
    client: &TcpStream,
    server: &TcpStream,
    network: &watch::Sender<Network>,
    count: &[AtomicU64; 2],
) -> bool {
    let there = one(client, server, network.subscribe(), &count[0]);
    let back = one(server, client, network.subscribe(), &count[1]);
    tokio::try_join!(there, back).is_ok()
}

/// A piece that has been read and is not yet due.
struct Chunk {
    due: Instant,
    bytes: Vec<u8>,
}

async fn one(
    from: &TcpStream,
    to: &TcpStream,
    mut network: watch::Receiver<Network>,
    count: &AtomicU64,
) -> io::Result<()> {
    let mut line: VecDeque<Chunk> = VecDeque::new();
    let (mut held, mut ended, mut free_at) = (0_usize, false, Instant::now());
    loop {
        let now = *network.borrow_and_update();
        let room = HELD + (now.latency.as_secs_f64() * HELD_PER_SECOND) as usize;
        let due = line.front().map_or_else(Instant::now, |chunk| chunk.due.max(free_at));
        tokio::select! {
            changed = network.changed() => if changed.is_err() { return Err(io::ErrorKind::Interrupted.into()) },
            () = until(due), if !line.is_empty() && !now.frozen => {
                let Some(chunk) = line.pop_front() else { continue };
                // A frozen or stuck far end must not keep us from seeing a cut: the caller drops this future.
                write_all(to, &chunk.bytes).await?;
                held -= chunk.bytes.len();
                count.fetch_add(chunk.bytes.len() as u64, Ordering::Relaxed);
                free_at = Instant::now() + pace(chunk.bytes.len(), now.bytes_per_second);
            }
            readable = from.readable(), if !ended && !now.frozen && held < room => {
                readable?;
                let mut bytes = vec![0; READ];
                match from.try_read(&mut bytes) {
                    Ok(0) => ended = true,
                    Ok(read) => {
                        bytes.truncate(read);
                        held += read;
                        let due = Instant::now() + delay(&now);
                        let due = line.back().map_or(due, |last| last.due.max(due));
                        line.push_back(Chunk { due, bytes });
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                }
            }
        }
        if ended && line.is_empty() {
            return shut(to);
        }
    }
}

/// A timer fires a millisecond late: nothing waits for one that need not.
async fn until(due: Instant) {
    if due > Instant::now() {
        sleep_until(due).await;
    }
}

fn pace(bytes: usize, bytes_per_second: Option<u64>) -> Duration {
    bytes_per_second.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(bytes as f64 / rate.max(1) as f64))
}

fn delay(network: &Network) -> Duration {
    if network.jitter.is_zero() {
        return network.latency;
    }
    let random = RandomState::new().hash_one(0_u8) as f64 / u64::MAX as f64;
    (network.latency + network.jitter.mul_f64(2.0 * random)).saturating_sub(network.jitter)
}

async fn write_all(to: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        to.writable().await?;
        match to.try_write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Ends our direction (FIN) while the other one goes on.
fn shut(to: &TcpStream) -> io::Result<()> {
    Ok(rustix::net::shutdown(to, rustix::net::Shutdown::Write)?)
}
