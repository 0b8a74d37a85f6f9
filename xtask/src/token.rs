//! `./x token --sub ID`.

use std::path::PathBuf;

use testkit::stack::secrets::Secrets;

use crate::cargo;

/// Whose token, of which stack.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The tenant
    #[arg(long)]
    sub: String,
    /// The stack's directory [default: .run]
    #[arg(long, value_name = "PATH")]
    dir: Option<PathBuf>,
}

/// Prints a bearer token.
pub fn run(args: &Args) -> anyhow::Result<()> {
    println!("{}", Secrets::load(&cargo::stack_dir(args.dir.as_deref()))?.token(&args.sub));
    Ok(())
}
