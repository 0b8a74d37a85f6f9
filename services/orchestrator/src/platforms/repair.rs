//! Does what a platform's reason asks for: connect anew, make a new broadcast, or ask a person. Bounded.

use domain::{
    fault::{Blame, Fault, Retry},
    retry,
};

use super::{Options, said::Repair};
use crate::{
    ctx::Ctx,
    db::Tx,
    error::Error,
    names,
    rows::{BroadcastRow, DestinationRow},
    store::{broadcasts, destinations},
    world::World,
};

/// What a platform asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub repair: Repair,
    /// Why.
    pub fault: Option<&'a Fault>,
    /// When it said so: before the last repair it meant what has been done.
    pub at_ms: i64,
}

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
    asked: Asked<'_>,
    now_ms: i64,
) -> Result<bool, Error> {
    let epoch = world.session_of(row).filter(|s| s.phase().is_ok_and(|p| p.is_owned())).map(|s| s.epoch);
    let Asked { repair, fault, .. } = asked;
    let (id, code) = (row.id(), fault.map_or("", |f| f.code.as_str()));
    match decide(&ctx.options.platforms, &row.broadcast, epoch, asked, now_ms) {
        Step::Wait => return Ok(false),
        Step::Reconnect { epoch } => broadcasts::reconnect(tx, id, epoch, now_ms).await?,
        Step::Renew => broadcasts::repair(tx, id, fault, now_ms).await?,
        Step::Ask(fault) => destinations::give_up(tx, id, &fault).await?,
    }
    tracing::info!(destination = %id, repair = repair.as_str(), code, "repair");
    names::count(names::REPAIRS, repair.as_str());
    Ok(true)
}

fn decide(options: &Options, known: &BroadcastRow, epoch: Option<i64>, asked: Asked<'_>, now_ms: i64) -> Step {
    let since_ms = now_ms - known.repaired_at_ms;
    // A broadcast that lasted is no sign of trouble: platforms end each one after some hours.
    let renewals = if since_ms >= FORGIVEN_MS { 0 } else { known.renewals };
    let fault = || asked.fault.cloned().unwrap_or_else(broadcast_ended);
    match (asked.repair, epoch) {
        (Repair::Ask, _) => Step::Ask(fault()),
        (Repair::Reconnect, _) if since_ms < options.reconnect_every_ms || asked.at_ms <= known.repaired_at_ms => {
            Step::Wait
        }
        (Repair::Reconnect, epoch) => epoch.map_or(Step::Wait, |epoch| Step::Reconnect { epoch }),
        (Repair::Renew, _) if renewals >= options.renewals => Step::Ask(fault()),
        (Repair::Renew, _) if since_ms < renewal_pause_ms(renewals) => Step::Wait,
        (Repair::Renew, _) => Step::Renew,
    }
}

/// After so long without a repair the count of renewals begins anew.
pub(crate) const FORGIVEN_MS: i64 = 600_000;

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

    const NOW: i64 = 1_000_000;

    fn known(repaired_ago: i64, renewals: i32) -> BroadcastRow {
        BroadcastRow { repaired_at_ms: NOW - repaired_ago, renewals, ..BroadcastRow::default() }
    }

    #[track_caller]
    fn check(repair: Repair, known: &BroadcastRow, epoch: Option<i64>, at_ms: i64, want: &Step) {
        let asked = Asked { repair, fault: None, at_ms };
        assert_eq!(&decide(&Options::default(), known, epoch, asked, NOW), want);
    }

    #[test]
    fn a_reconnect_is_made_once_in_a_while_and_never_for_an_old_word() {
        let reconnect = Step::Reconnect { epoch: 5 };
        check(Repair::Reconnect, &known(NOW, 0), Some(5), NOW, &reconnect);
        check(Repair::Reconnect, &known(NOW, 0), None, NOW, &Step::Wait);
        check(Repair::Reconnect, &known(29_999, 0), Some(5), NOW, &Step::Wait);
        check(Repair::Reconnect, &known(30_000, 0), Some(5), NOW, &reconnect);
        check(Repair::Reconnect, &known(30_000, 0), Some(5), NOW - 30_000, &Step::Wait);
    }

    #[test]
    fn a_new_broadcast_is_made_a_few_times_and_then_a_person_is_asked() {
        check(Repair::Renew, &known(NOW, 0), None, NOW, &Step::Renew);
        check(Repair::Renew, &known(1_000, 1), None, NOW, &Step::Wait);
        check(Repair::Renew, &known(2_000, 1), None, NOW, &Step::Renew);
        check(Repair::Renew, &known(FORGIVEN_MS - 1, 5), None, NOW, &Step::Ask(broadcast_ended()));
        check(Repair::Renew, &known(FORGIVEN_MS, 5), None, NOW, &Step::Renew);
        check(Repair::Ask, &known(0, 0), None, NOW, &Step::Ask(broadcast_ended()));
    }

    #[test]
    fn renewals_take_their_time() {
        let pauses: Vec<i64> = (0..5).map(renewal_pause_ms).collect();
        assert_eq!(pauses, [0, 2_000, 4_000, 8_000, 16_000]);
    }
}
