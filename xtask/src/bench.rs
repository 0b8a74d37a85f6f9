//! `./x bench [name]`: builds everything optimised and hands over to the bench crate.

use crate::{cargo, setup};

/// Which measurement.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// start, failover, relay, sessions or platforms, and what the measurement itself takes; all when none is named
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

/// Measures.
pub fn run(args: &Args) -> anyhow::Result<()> {
    setup::ensure()?;
    cargo::build_services(true)?;
    cargo::run(cargo::command().args(["run", "--quiet", "--release", "-p", "bench", "--"]).args(&args.rest))
}
