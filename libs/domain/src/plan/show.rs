//! A plan on one line: the same string is the log line and the test's assertion.

use std::fmt::{self, Display, Formatter};

use super::{Aim, GiveUp, Job, Plan, Run, Wait};

impl Display for Plan {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "run=[{}] stop=[{}]", list(&self.run), list(&self.stop))?;
        write!(f, " wait=[{}] give_up=[{}]", list(&self.wait), list(&self.give_up))?;
        if !self.refresh.is_empty() {
            write!(f, " refresh=[{}]", list(&self.refresh))?;
        }
        if !self.forget.is_empty() {
            write!(f, " forget=[{}]", list(&self.forget))?;
        }
        if !self.begin.is_empty() {
            let begin: Vec<Job> = self.begin.iter().copied().map(Job::Deliver).collect();
            write!(f, " begin=[{}]", list(&begin))?;
        }
        if self.end {
            f.write_str(" end")?;
        }
        Ok(())
    }
}

/// `D` and the last eight hexadecimal digits of the destination's id; `pull` for the source.
impl Display for Job {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pull => f.write_str("pull"),
            Self::Deliver(id) => write!(f, "D{:x}", id.0.as_u128() & 0xffff_ffff),
        }
    }
}

impl Display for Run {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.job, self.epoch)
    }
}

impl Display for Aim {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.job, self.epoch)
    }
}

impl Display for Wait {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.for_ms {
            ms if ms % 1_000 == 0 => write!(f, "{} {}s", self.job, ms / 1_000),
            ms => write!(f, "{} {ms}ms", self.job),
        }
    }
}

impl Display for GiveUp {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", Job::Deliver(self.destination), self.code)
    }
}

fn list<T: Display>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
