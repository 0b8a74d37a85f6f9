//! `./x`: setup, stacks, tests, measurements and house rules. Run it without arguments for a list.

#![allow(clippy::disallowed_methods, reason = "this is the edge: it starts processes and waits for them")]
#![allow(clippy::print_stdout, reason = "a command-line tool talks on standard output")]

mod bench;
mod cargo;
mod demo;
mod detach;
mod down;
mod lint;
mod logs;
mod report;
mod setup;
mod status;
mod supervise;
mod table;
mod test;
mod tidy;
mod token;

use clap::{Parser, Subcommand};

use supervise::{Kind, StackArgs};

#[derive(Parser)]
#[command(
    name = "x",
    bin_name = "./x",
    about = "Exprsn Live: everything a developer does",
    disable_version_flag = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start everything and send a generated live source to three real RTMP servers
    Demo(StackArgs),
    /// Start everything
    Up(StackArgs),
    /// End what `up` or `demo` started, and nothing else
    Down(down::Args),
    /// Show processes, streams and destinations
    Status(status::Args),
    /// Run the tests; a filter selects by name
    Test(test::Args),
    /// Measure (start, failover, relay, sessions; all when none is named)
    Bench(bench::Args),
    /// Format, clippy, docs, house rules, dependency audit
    Lint,
    /// Print a bearer token for a tenant of the running stack
    Token(token::Args),
    /// Show the logs of the running stack
    Logs(logs::Args),
    /// Install what is missing on this machine
    Setup,
    /// Check the house rules that the compiler does not
    Tidy,
    /// Own a detached stack (`up --detach` runs this)
    #[command(hide = true)]
    Supervise {
        kind: Kind,
        #[command(flatten)]
        args: StackArgs,
    },
}

fn main() -> std::process::ExitCode {
    let outcome = run(Cli::parse().command);
    match outcome {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("x: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Demo(args) => supervise::up(Kind::Demo, args),
        Command::Up(args) => supervise::up(Kind::Up, args),
        Command::Down(args) => down::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Lint => lint::run(),
        Command::Token(args) => token::run(&args),
        Command::Logs(args) => logs::run(&args),
        Command::Setup => setup::ensure(),
        Command::Tidy => tidy::run(),
        Command::Supervise { kind, args } => supervise::own(kind, &args, true),
    }
}
