//! Does what a platform's reason asks for: connect anew, make a new broadcast, or ask a person. Bounded.

use domain::{
    fault::{Blame, Fault, Retry},
    retry,
};

use super::said::Repair;
use crate::{
    ctx::Ctx,
    db::Tx,
    error::Error,
    names,
    rows::DestinationRow,
    store::{broadcasts, destinations},
    world::World,
};

/// What is to be done about it now.
#[derive(Clone, Debug, PartialEq)]
enum Step {
    /// Nothing: it was just done.
    Wait,
    /// The session of this epoch connects anew.
    Reconnect { epoch: i64 },
    /// The next take.
    Renew,
    /// Given up.
    Ask(Fault),
}

/// Carries it out. The caller holds the stream's lock. Returns whether something was done.
///
/// # Errors
/// [`Error::Database`].
pub(super) async fn carry_out(
    ctx: &Ctx,
    tx: &mut Tx,
    world: &World,
    row: &DestinationRow,
    asked: (Repair, Option<&Fault>),
    now_ms: i64,
) -> Result<bool, Error> {
    let epoch = world.session_of(row).filter(|s| s.phase().is_ok_and(|p| p.is_owned())).map(|s| s.epoch);
    let (repair, fault) = asked;
    let (id, code) = (row.id(), fault.map_or("", |f| f.code.as_str()));
    match decide(ctx, row, epoch, asked, now_ms) {
        Step::Wait => return Ok(false),
        Step::Reconnect { epoch } => broadcasts::reconnect(tx, id, epoch, now_ms).await?,
        Step::Renew => broadcasts::repair(tx, id, fault, now_ms).await?,
        Step::Ask(fault) => destinations::give_up(tx, id, &fault).await?,
    }
    tracing::info!(destination = %id, repair = repair.as_str(), code, "repair");
    names::count(names::REPAIRS, repair.as_str());
    Ok(true)
}

fn decide(
    ctx: &Ctx,
    row: &DestinationRow,
    epoch: Option<i64>,
    (repair, fault): (Repair, Option<&Fault>),
    now_ms: i64,
) -> Step {
    let options = &ctx.options.platforms;
    let since_ms = now_ms - row.broadcast.repaired_at_ms;
    let fault = || fault.cloned().unwrap_or_else(broadcast_ended);
    match (repair, epoch) {
        (Repair::Ask, _) => Step::Ask(fault()),
        (Repair::Reconnect, None) => Step::Wait,
        (Repair::Reconnect, Some(_)) if since_ms < options.reconnect_every_ms => Step::Wait,
        (Repair::Reconnect, Some(epoch)) => Step::Reconnect { epoch },
        (Repair::Renew, _) if row.broadcast.renewals >= options.renewals => Step::Ask(fault()),
        (Repair::Renew, _) if since_ms < renewal_pause_ms(row.broadcast.renewals) => Step::Wait,
        (Repair::Renew, _) => Step::Renew,
    }
}

/// The first is made at once, each next after a longer pause.
fn renewal_pause_ms(renewals: i32) -> i64 {
    let made = u32::try_from(renewals).unwrap_or(0);
    if made == 0 { 0 } else { i64::try_from(retry::ceiling(made + 1).as_millis()).unwrap_or(i64::MAX) }
}

fn broadcast_ended() -> Fault {
    let message = "The platform keeps ending the broadcast. Look there for the reason, then start it again.";
    Fault::new(Blame::Platform, Retry::Permanent, "broadcast_ended", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renewals_take_their_time() {
        let pauses: Vec<i64> = (0..5).map(renewal_pause_ms).collect();
        assert_eq!(pauses, [0, 2_000, 4_000, 8_000, 16_000]);
    }
}
