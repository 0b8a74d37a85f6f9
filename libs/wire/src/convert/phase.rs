//! How far a session has come.

use crate::v1;

super::enum_conversion!(domain::session::Phase, v1::Phase, "phase", {
    Claimed <=> Claimed,
    WaitingSource <=> WaitingSource,
    Connecting <=> Connecting,
    Connected <=> Connected,
    Reconnecting <=> Reconnecting,
    Failed <=> Failed,
    Ended <=> Ended,
    Released <=> Released,
});

#[cfg(test)]
mod tests {
    use domain::session::Phase;

    use crate::v1;

    #[test]
    fn every_phase_survives_the_way_there_and_back() {
        for phase in Phase::ALL {
            assert_eq!(v1::Phase::to_domain(v1::Phase::from(phase) as i32), Ok(phase));
        }
        assert!(v1::Phase::to_domain(0).is_err());
    }
}
