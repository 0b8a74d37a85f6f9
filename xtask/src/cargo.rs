//! Running cargo, and where things are.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};

/// The binaries that a stack needs: the services, and the stand-ins of the platforms.
pub const SERVICES: [&str; 6] = ["gateway", "credentials", "orchestrator", "relay", "encoder-worker", "platform-sim"];

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}

/// The directory of the stack that a command means: `--dir`, relative to where the person stands, or `.run`.
pub fn stack_dir(given: Option<&Path>) -> PathBuf {
    let Some(given) = given else { return root().join(".run") };
    std::env::var_os("X_CWD").map_or_else(|| given.to_path_buf(), |cwd| Path::new(&cwd).join(given))
}

/// The cargo that runs us.
pub fn command() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Builds the services, unless `EXPRSN_BIN_DIR` says that they are somewhere else.
pub fn build_services(release: bool) -> anyhow::Result<()> {
    if std::env::var_os("EXPRSN_BIN_DIR").is_some() {
        return Ok(());
    }
    let mut cargo = command();
    cargo.args(["build", "--quiet"]);
    if release {
        cargo.arg("--release");
    }
    for service in SERVICES {
        cargo.args(["-p", service]);
    }
    println!("building the services{}", if release { " (release)" } else { "" });
    run(&mut cargo)
}

/// Runs a command to its end, with our own output.
pub fn run(command: &mut Command) -> anyhow::Result<()> {
    let name = describe(command);
    let status = command.status().with_context(|| format!("can't run {name}"))?;
    if !status.success() {
        bail!("`{name}` failed");
    }
    Ok(())
}

fn describe(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let args = command.get_args().map(|arg| arg.to_string_lossy().into_owned());
    std::iter::once(program).chain(args).collect::<Vec<_>>().join(" ")
}
