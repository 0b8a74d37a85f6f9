//! The one file of the workspace with `unsafe`: what no safe crate offers.
//!
//! * [`unacked`] and [`peer_window`] ask the kernel how much of what we wrote the peer has not acknowledged and how
//!   much more it would take. FFmpeg's own counters (and any count of bytes handed to `write`) keep growing against a
//!   dead sink; these do not.
//! * [`read_into`] reads into memory that nobody has zeroed.
//! * [`watch_writing`] lets a socket wake us for one direction only.
//! * [`die_with_parent`] makes a child die with us, however we die.

#![allow(unsafe_code)]

use std::{
    io,
    net::TcpStream,
    os::{
        fd::{AsRawFd, BorrowedFd},
        unix::process::CommandExt,
    },
    process::Command,
};

use bytes::BytesMut;
use rustix::{
    ioctl::{Getter, ioctl},
    process::{Resource, Rlimit, Signal, getpid, getppid, set_parent_process_death_signal, setrlimit},
};
use tokio::io::{Interest, unix::AsyncFd};

/// `SIOCOUTQ` (= `TIOCOUTQ`), `asm-generic/ioctls.h`; tcp(7): "the amount of unsent data in the socket send queue",
/// which for TCP counts everything not acknowledged (`write_seq - snd_una`), sent or not.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
const SIOCOUTQ: rustix::ioctl::Opcode = 0x5411;

/// Bytes in the TCP send queue that the peer has not acknowledged yet (sent or unsent).
///
/// # Errors
/// The error of the system call: not a TCP socket, or one in the listen state.
pub fn unacked(socket: BorrowedFd<'_>) -> io::Result<u32> {
    // SAFETY: SIOCOUTQ writes exactly one C `int` through its argument and reads nothing; `Getter` owns an `i32` of
    // that size and alignment for the whole call, and the borrowed descriptor is open for as long.
    let queued: i32 = unsafe { ioctl(socket, Getter::<SIOCOUTQ, i32>::new())? };
    Ok(u32::try_from(queued).unwrap_or(0))
}

/// Where `tcpi_snd_wnd` lies in the kernel's `struct tcp_info` (`include/uapi/linux/tcp.h`, Linux 5.4 and later; the
/// struct only ever grows at its end). The `tcp_info` of libc is glibc's older, shorter one.
const TCPI_SND_WND: usize = 228;

/// Bytes the peer would take beyond those it acknowledged: its last advertised window, scaled.
/// `None` on kernels that do not tell.
///
/// # Errors
/// The error of the system call: not a TCP socket.
pub fn peer_window(socket: BorrowedFd<'_>) -> io::Result<Option<u32>> {
    let mut info = [0_u8; TCPI_SND_WND + 4];
    let mut length = libc::socklen_t::try_from(info.len()).unwrap_or(0);
    // SAFETY: the kernel writes at most `length` bytes to `info`, which is that long and may hold any bytes, and the
    // number written to `length`; both live on this frame. The borrowed descriptor is open for the whole call.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    if (length as usize) < info.len() {
        return Ok(None);
    }
    let [.., a, b, c, d] = info;
    Ok(Some(u32::from_ne_bytes([a, b, c, d])))
}

/// `TCP_NOTSENT_LOWAT`: the kernel takes no more from us while this much waits unsent.
///
/// # Errors
/// The error of the system call.
pub fn set_unsent_limit(socket: BorrowedFd<'_>, bytes: u32) -> io::Result<()> {
    socket2::SockRef::from(&socket).set_tcp_notsent_lowat(bytes)
}

/// Puts a nonblocking socket into the reactor for writing alone: what arrives on it wakes nobody.
///
/// # Errors
/// The reactor's error.
pub fn watch_writing(socket: TcpStream) -> io::Result<AsyncFd<TcpStream>> {
    // SAFETY: a `TcpStream` owns its descriptor, always returns the same one and closes it when it is dropped, which is
    // when the `AsyncFd` that owns it is.
    Ok(unsafe { AsyncFd::register_with_interest(socket, Interest::WRITABLE) }?)
}

/// Reads once into the spare room of `buffer`, without zeroing it first. Returns the number of bytes; 0 at the end.
///
/// # Errors
/// The error of the system call; for a nonblocking descriptor `WouldBlock` when nothing is there.
pub fn read_into(fd: BorrowedFd<'_>, buffer: &mut BytesMut) -> io::Result<usize> {
    let (filled, _) = rustix::io::read(fd, buffer.spare_capacity_mut())?;
    let read = filled.len();
    // SAFETY: `filled` is the front part of the spare capacity, which rustix returns as initialised; it begins at `len`.
    unsafe { buffer.set_len(buffer.len() + read) };
    Ok(read)
}

/// What a child process may use. `None` leaves the inherited limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChildLimits {
    /// `RLIMIT_AS`, bytes: a child that eats memory fails alone.
    pub address_space: Option<u64>,
    /// `RLIMIT_CORE`, bytes. Zero keeps stream content out of core files.
    pub core: Option<u64>,
    /// `RLIMIT_NOFILE`, descriptors.
    pub open_files: Option<u64>,
}

/// Makes the child of `command` get SIGKILL when its parent *thread* ends, and sets its resource limits.
///
/// For a `tokio::process::Command` pass `command.as_std_mut()`. Spawn it from an async task: `PR_SET_PDEATHSIG` follows
/// the thread that forked, and threads of `spawn_blocking` retire when idle (measured: they take the child along).
/// Closes no descriptors; the standard library opens its own with `O_CLOEXEC`.
///
/// A parent that died between fork and this call is seen by comparing `getppid`: then the child does not exec, and
/// the (dead) parent's spawn fails.
pub fn die_with_parent(command: &mut Command, limits: ChildLimits) {
    let parent = getpid();
    let prepare = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        if getppid() != Some(parent) {
            return Err(io::Error::from(io::ErrorKind::NotConnected));
        }
        apply(Resource::As, limits.address_space)?;
        apply(Resource::Core, limits.core)?;
        apply(Resource::Nofile, limits.open_files)
    };
    // SAFETY: between fork and exec only async-signal-safe work is allowed. The closure makes raw system calls (rustix
    // without libc), compares and returns; it captures `Copy` values, allocates nothing, takes no lock, and the error
    // it builds is a bare `ErrorKind` or OS code.
    unsafe {
        command.pre_exec(prepare);
    }
}

/// Sets soft and hard limit.
fn apply(resource: Resource, limit: Option<u64>) -> io::Result<()> {
    match limit {
        Some(limit) => Ok(setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) })?),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::{TcpListener, TcpStream},
        os::fd::AsFd,
        process::Stdio,
        time::{Duration, Instant},
    };

    use super::*;

    fn wait_until(what: &str, mut ready: impl FnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(5);
        while !ready() {
            assert!(Instant::now() < deadline, "not within 5 s: {what}");
            std::thread::yield_now();
        }
    }

    #[test]
    fn unacked_counts_what_the_peer_did_not_take() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        assert_eq!(unacked(client.as_fd()).unwrap(), 0);
        client.write_all(&[7; 1000]).unwrap();
        wait_until("1000 bytes acknowledged by the kernel of the peer", || unacked(client.as_fd()).unwrap() == 0);

        // Nobody reads: once the peer's buffer is full the rest stays with us.
        client.set_nonblocking(true).unwrap();
        while client.write(&[7; 65536]).is_ok() {}
        wait_until("a full peer", || unacked(client.as_fd()).unwrap() > 0);

        wait_until("a closed window", || peer_window(client.as_fd()).unwrap().is_some_and(|window| window < 65536));

        // Somebody reads: the queue drains.
        let reader = std::thread::spawn(move || {
            let mut sink = vec![0; 65536];
            while server.read(&mut sink).is_ok_and(|read| read > 0) {}
        });
        wait_until("a drained queue", || unacked(client.as_fd()).unwrap() == 0);
        drop(client);
        reader.join().unwrap();
    }

    #[test]
    fn limits_reach_the_child() {
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -n; ulimit -c; ulimit -v"]).stdout(Stdio::piped());
        let limits = ChildLimits { address_space: Some(512 << 20), core: Some(0), open_files: Some(32) };
        die_with_parent(&mut command, limits);
        let output = command.output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "32\n0\n524288\n");
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "spawning is what is tested")]
    fn a_child_dies_with_the_thread_that_spawned_it() {
        let spawned = std::thread::spawn(|| {
            let mut command = Command::new("sleep");
            command.arg("60");
            die_with_parent(&mut command, ChildLimits::default());
            command.spawn().unwrap()
        });
        let mut child = spawned.join().unwrap();
        wait_until("the child killed", || child.try_wait().unwrap().is_some());
    }
}
