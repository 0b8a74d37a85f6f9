//! Redis leases with epochs, deadlines and desired state.
//!
//! Redis carries *liveness*. Postgres holds the truth about which epoch is current and who owns it; the relay enforces it; losing
//! everything in here costs time, never correctness.
//!
//! # The protocol of one session
//!
//! 1. **Assign.** The orchestrator draws epoch *e* in Postgres. *Before* it publishes the command it calls
//!    [`Leases::set_desired`]`(session, e, Run)`: that raises the session's **floor** to *e*. From that moment no lower epoch
//!    can take, keep or re-assert the lease.
//! 2. **Take.** A worker pulls the command and calls [`Leases::acquire`]. A lower epoch's lease is overwritten at once
//!    (its holder learns it from its next renewal, and the relay's fence cuts it as soon as the new session reads).
//! 3. **Keep.** Each second the worker calls [`Leases::renew`] once for all its sessions. [`Renewed::Lost`] means exactly:
//!    *a higher epoch was given out, or somebody else holds this one*. Then it stops at once. The answer also brings the wish
//!    for this epoch (stop, refresh), so that a stop arrives when NATS is down.
//! 4. **End.** [`Leases::set_desired`]`(session, e, Stop)`, or the worker is done: [`Leases::release`].
//! 5. **Die.** The deadline passes, [`Leases::expired`] reports (session, *e*), the orchestrator goes back to 1 with *e*+1. A
//!    report is about an epoch: if Postgres is already further, ignore it.
//!
//! # What may happen in between
//!
//! * **Redis comes back empty (FLUSHALL, restart without disk).** A missing lease is no loss: the holder's next renewal
//!   takes it again, and raises the floor to its epoch. Nobody else takes it meanwhile: a worker acquires only what it was
//!   sent, and an old command carries an old epoch, which Postgres refuses at the claim.
//! * **Redis is unreachable or stopped.** Calls end within [`Options::call_timeout`]; holders keep streaming. Commands that were
//!   still in the socket run when Redis is resumed; each is compared with what is there and can only repeat or lose. The first
//!   scan after a gap ([`Options::scan_gap`]) reports nothing and gives every holder one more TTL: their renewals could not
//!   arrive either.
//! * **A worker is paused and comes back.** (a) After the new command: its renewal is below the floor, *Lost*. (b) Before the
//!   deadline: nothing happened. (c) *In the gap*: the deadline has passed, [`Leases::expired`] has reported it, and the floor is
//!   not raised yet: its renewal takes the lease again and is answered *Held*. That is no harm. It is still the epoch that
//!   Postgres calls current, until the orchestrator commits *e*+1; then the floor rises, its next renewal (1 s) is *Lost*, and the
//!   relay's fence cuts it when the session of *e*+1 starts to read, whichever comes first. An orchestrator that wants to
//!   spare the move asks [`Leases::owner`] before it commits.
//! * **A clock is set.** Only the server's `TIME` counts, and only to measure how long nobody renewed. Forward by more than
//!   [`Options::scan_gap`] or backward: the scan sees it and gives everybody one more TTL.
//! * **Redis is out of memory.** The scripts run all the same (`allow-oom`): they hold a few bytes per session.
//! * **An orchestrator takes a report and crashes.** It is reported again after a TTL. If Redis lost the deadlines *and* the
//!   worker died, nobody reports: a reconciler compares what Postgres calls running with [`Leases::owners`] now and then.

mod directory;
mod error;
mod keys;
mod leases;
mod link;
mod options;

pub use directory::{Directory, Location, RelayInfo, WorkerInfo};
pub use error::Error;
pub use leases::{Acquire, Desired, Leases, Renewed};
pub use options::Options;
