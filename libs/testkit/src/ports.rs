//! Private TCP ports that several test processes can draw from at once.
//!
//! Binding port 0 and closing it again is a race: another process may get the same number before the server binds it.
//! Here a port stays ours by an exclusive lock on a file named after it, for as long as the [`Port`] lives, and the
//! range lies below Linux' ephemeral ports, so no outgoing connection can sit on it.

use std::{
    fs::File,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::{Context, bail};
use rustix::fs::{FlockOperation, flock};

use crate::temp;

/// Below 32768, where Linux' ephemeral ports begin, and above what ordinary servers use.
const RANGE: std::ops::Range<u16> = 15_000..32_000;

/// A port that belongs to the holder of this value.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _lock: File,
}

impl Port {
    /// Draws a free port.
    ///
    /// # Errors
    /// When the whole range is taken or the lock directory can't be written.
    pub fn draw() -> anyhow::Result<Self> {
        static DRAWN: AtomicU32 = AtomicU32::new(0);
        let width = u32::from(RANGE.end - RANGE.start);
        for _ in 0..width {
            // Processes start at different places, so that they rarely meet.
            let step = DRAWN.fetch_add(1, Ordering::Relaxed);
            let offset = (std::process::id().wrapping_mul(7919)).wrapping_add(step) % width;
            let number = RANGE.start + u16::try_from(offset)?;
            if let Some(port) = Self::claim(number)? {
                return Ok(port);
            }
        }
        bail!("no free TCP port in {RANGE:?}")
    }

    /// Takes this very port, or `None` when someone has it.
    ///
    /// # Errors
    /// When the lock directory can't be written.
    pub fn claim(number: u16) -> anyhow::Result<Option<Self>> {
        let path = lock_dir()?.join(number.to_string());
        let lock = File::create(&path).with_context(|| format!("can't create {}", path.display()))?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Ok(None);
        }
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok();
        Ok(free.then_some(Self { number, _lock: lock }))
    }

    /// The port's number.
    pub fn number(&self) -> u16 {
        self.number
    }

    /// `127.0.0.1:port`.
    pub fn addr(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.number))
    }
}

fn lock_dir() -> anyhow::Result<PathBuf> {
    temp::shared("ports")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawn_port_is_not_drawn_again_while_held() {
        let first = Port::draw().unwrap();
        assert!(Port::claim(first.number()).unwrap().is_none());
        let number = first.number();
        drop(first);
        assert!(Port::claim(number).unwrap().is_some());
    }
}
