//! The initialised data directory that clusters are copied from, made once per machine, user and Postgres version.

use std::{
    fs::{self, File},
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, bail};
use rustix::fs::{FlockOperation, flock};

use super::{DATABASE, USER};
use crate::{temp, tools};

/// Raised when what goes into the template changes.
const REVISION: u32 = 1;

/// What clusters need to know of it.
pub(super) struct Template {
    pub(super) data: PathBuf,
    pub(super) password: String,
    /// Whom Postgres runs as when we are root.
    pub(super) user: Option<String>,
}

/// The template, made now if it is not there. Several processes may ask at once.
pub(super) fn ready() -> anyhow::Result<Template> {
    let bin = tools::postgres_bin()?;
    let user = service_user()?;
    let version = bin.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    let home = temp::shared("postgres")?;
    let lock = File::create(home.join("lock"))?;
    flock(&lock, FlockOperation::LockExclusive)?;
    let name = format!("{}-{}-r{REVISION}", version.as_deref().unwrap_or("pg"), user.as_deref().unwrap_or("self"));
    let dir = home.join(name);
    if !dir.join("data/PG_VERSION").exists() {
        make(&bin, &home, &dir, user.as_deref()).context("can't initialise Postgres")?;
    }
    let password = fs::read_to_string(dir.join("password"))?.trim().to_owned();
    Ok(Template { data: dir.join("data"), password, user })
}

fn make(bin: &Path, home: &Path, dir: &Path, user: Option<&str>) -> anyhow::Result<()> {
    let work = tempfile::Builder::new().prefix("making-").tempdir_in(home)?;
    let (data, secret) = (work.path().join("data"), work.path().join("password"));
    fs::create_dir(&data)?;
    let mut file = File::create(&secret)?;
    file.write_all(uuid::Uuid::new_v4().simple().to_string().as_bytes())?;
    open_to_others(work.path())?;
    if let Some(user) = user {
        let owned = Command::new("chown").arg(format!("{user}:")).arg(&data).arg(&secret).status()?;
        if !owned.success() {
            bail!("can't give {} to {user}", data.display());
        }
    }
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600))?;
    let mut initdb = as_user(user, bin.join("initdb"));
    initdb.args(["--no-sync", "--encoding=UTF8", "--locale=C", "--wal-segsize=1", "--auth=scram-sha-256"]);
    initdb.arg("-U").arg(USER).arg(format!("--pwfile={}", secret.display())).arg("-D").arg(&data);
    initdb.current_dir(work.path());
    run(&mut initdb, "")?;
    let mut single = as_user(user, bin.join("postgres"));
    single.args(["--single", "-c", "fsync=off", "-D"]).arg(&data).arg("postgres").current_dir(work.path());
    run(&mut single, &format!("CREATE DATABASE {DATABASE}\n"))?;
    if dir.exists() {
        fs::remove_dir_all(dir)?;
    }
    fs::rename(work.keep(), dir)?;
    Ok(())
}

/// `program` run as `user` (or as ourselves).
pub(super) fn as_user(user: Option<&str>, program: impl AsRef<std::ffi::OsStr>) -> Command {
    match user {
        None => Command::new(program),
        Some(user) => {
            let mut command = Command::new("setpriv");
            command.args(["--reuid", user, "--regid", user, "--clear-groups", "--"]).arg(program);
            command
        }
    }
}

/// Lets other users pass through a directory of ours (mode 0711).
pub(super) fn open_to_others(dir: &Path) -> anyhow::Result<()> {
    fs::set_permissions(dir, fs::Permissions::from_mode(0o711))?;
    Ok(())
}

fn service_user() -> anyhow::Result<Option<String>> {
    if !rustix::process::getuid().is_root() {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd")?;
    for name in ["postgres", "nobody"] {
        if users.lines().any(|line| line.starts_with(&format!("{name}:"))) {
            return Ok(Some(name.to_owned()));
        }
    }
    bail!("Postgres can't run as root and there is no user `postgres`")
}

fn run(command: &mut Command, input: &str) -> anyhow::Result<()> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
