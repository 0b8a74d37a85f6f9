//! Which transition is allowed from where. Pure.

use super::{
    error::{self, Refusal},
    model::Life,
};

const INACTIVE: Refusal = error::wrong_state("errorStreamInactive", "Stream is inactive");
const INVALID: Refusal = error::wrong_state("invalidTransition", "Invalid transition");
const REDUNDANT: Refusal = error::wrong_state("redundantTransition", "Redundant transition");

/// The life that begins, or why not. `active`: the bound stream gets media.
pub(super) fn next(life: Life, target: &str, monitored: bool, active: bool) -> Result<Life, Refusal> {
    use Life::{Complete, Live, LiveStarting, Ready, TestStarting, Testing};
    match (target, life) {
        ("testing", Testing | TestStarting) | ("live", Live | LiveStarting) | ("complete", Complete) => Err(REDUNDANT),
        ("testing", life) if life.is_early() && monitored => {
            if active {
                Ok(TestStarting)
            } else {
                Err(INACTIVE)
            }
        }
        ("live", Testing) => active.then_some(LiveStarting).ok_or(INACTIVE),
        ("live", Ready) if !monitored => active.then_some(LiveStarting).ok_or(INACTIVE),
        ("live", Life::Created) if !monitored => Err(INACTIVE),
        ("complete", Live | Testing) => Ok(Complete),
        ("testing" | "live" | "complete", _) => Err(INVALID),
        _ => Err(error::bad_broadcast("statusRequired", "Status required")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guards() {
        use Life::{Complete, Created, Live, LiveStarting, Ready, TestStarting, Testing};
        let check = |life, target, monitored, active, expected: Result<Life, &str>| {
            let got = next(life, target, monitored, active).map_err(|refusal| refusal.reason);
            assert_eq!(got, expected, "{life:?} → {target}, monitored {monitored}, active {active}");
        };
        check(Created, "testing", true, false, Err("errorStreamInactive"));
        check(Ready, "testing", true, false, Err("errorStreamInactive"));
        check(Ready, "testing", true, true, Ok(TestStarting));
        check(Ready, "testing", false, true, Err("invalidTransition"));
        check(Ready, "live", true, true, Err("invalidTransition"));
        check(Ready, "live", false, true, Ok(LiveStarting));
        check(Ready, "live", false, false, Err("errorStreamInactive"));
        check(Created, "live", false, true, Err("errorStreamInactive"));
        check(Testing, "live", true, true, Ok(LiveStarting));
        check(Testing, "testing", true, true, Err("redundantTransition"));
        check(TestStarting, "live", true, true, Err("invalidTransition"));
        check(LiveStarting, "live", false, true, Err("redundantTransition"));
        check(LiveStarting, "complete", false, true, Err("invalidTransition"));
        check(Live, "live", false, true, Err("redundantTransition"));
        check(Live, "testing", true, true, Err("invalidTransition"));
        check(Live, "complete", false, false, Ok(Complete));
        check(Ready, "complete", false, true, Err("invalidTransition"));
        check(Created, "complete", false, false, Err("invalidTransition"));
        check(Complete, "complete", false, false, Err("redundantTransition"));
        check(Complete, "live", false, true, Err("invalidTransition"));
        check(Ready, "", false, true, Err("statusRequired"));
    }
}
