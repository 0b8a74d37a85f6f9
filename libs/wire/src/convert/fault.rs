//! Faults.

use domain::fault::Fault;

use crate::{Malformed, v1};

super::enum_conversion!(domain::fault::Blame, v1::Blame, "fault.blame", {
    Destination <=> Destination,
    Source <=> Source,
    Platform <=> Platform,
    Us <=> Us,
});

super::enum_conversion!(domain::fault::Retry, v1::Retry, "fault.retry", {
    Transient <=> Transient,
    Permanent <=> Permanent,
});

impl From<Fault> for v1::Fault {
    fn from(fault: Fault) -> Self {
        Self {
            blame: v1::Blame::from(fault.blame) as i32,
            retry: v1::Retry::from(fault.retry) as i32,
            code: fault.code,
            message: fault.message,
        }
    }
}

impl TryFrom<v1::Fault> for Fault {
    type Error = Malformed;

    fn try_from(fault: v1::Fault) -> Result<Self, Malformed> {
        if fault.code.is_empty() {
            return Err(Malformed::new("fault.code"));
        }
        Ok(Self {
            blame: v1::Blame::to_domain(fault.blame)?,
            retry: v1::Retry::to_domain(fault.retry)?,
            code: fault.code,
            message: fault.message,
        })
    }
}

#[cfg(test)]
mod tests {
    use domain::fault::{Blame, Fault, Retry};

    use crate::v1;

    fn sample() -> Fault {
        Fault::new(Blame::Destination, Retry::Permanent, "bad_stream_key", "Copy the stream key again.")
    }

    #[test]
    fn a_fault_survives_the_way_there_and_back() {
        assert_eq!(Fault::try_from(v1::Fault::from(sample())), Ok(sample()));
    }

    #[test]
    fn a_fault_without_blame_retry_or_code_is_refused() {
        let check = |spoil: fn(&mut v1::Fault), field: &str| {
            let mut wire = v1::Fault::from(sample());
            spoil(&mut wire);
            assert_eq!(Fault::try_from(wire).unwrap_err().field, field);
        };
        check(|f| f.blame = 0, "fault.blame");
        check(|f| f.retry = 9, "fault.retry");
        check(|f| f.code.clear(), "fault.code");
    }
}
