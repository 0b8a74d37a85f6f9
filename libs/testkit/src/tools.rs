//! Finding the programs that tests and stacks run. Nothing is installed here except nats-server and the newest FFmpeg,
//! which Debian has only in older versions; `./x` installs the rest.

pub mod nats_server;
pub mod newest_ffmpeg;
mod wheel;

use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail};

/// Places that Debian keeps out of an ordinary user's PATH.
const EXTRA_PATH: [&str; 3] = ["/usr/sbin", "/usr/local/sbin", "/sbin"];

/// The program `name` in PATH or one of Debian's system directories.
pub fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(EXTRA_PATH.iter().map(PathBuf::from))
        .map(|dir| dir.join(name))
        .find(|file| is_executable(file))
}

/// The program `name`.
///
/// # Errors
/// One line that names the Debian package to install.
pub fn need(name: &str, package: &str) -> anyhow::Result<PathBuf> {
    find(name).ok_or_else(|| anyhow!("{name} is missing: install it with `apt-get install {package}`"))
}

/// FFmpeg: `FFMPEG_PATH` or the one in PATH.
///
/// # Errors
/// When it is missing.
pub fn ffmpeg() -> anyhow::Result<PathBuf> {
    match std::env::var_os("FFMPEG_PATH") {
        Some(path) if is_executable(Path::new(&path)) => Ok(path.into()),
        Some(path) => bail!("FFMPEG_PATH={} is not executable", Path::new(&path).display()),
        None => need("ffmpeg", "ffmpeg"),
    }
}

/// FFprobe.
///
/// # Errors
/// When it is missing.
pub fn ffprobe() -> anyhow::Result<PathBuf> {
    need("ffprobe", "ffmpeg")
}

/// redis-server.
///
/// # Errors
/// When it is missing.
pub fn redis_server() -> anyhow::Result<PathBuf> {
    need("redis-server", "redis-server")
}

/// nginx; its RTMP module is [`nginx_rtmp_module`].
///
/// # Errors
/// When it is missing.
pub fn nginx() -> anyhow::Result<PathBuf> {
    need("nginx", "nginx libnginx-mod-rtmp")
}

/// nginx' RTMP module.
///
/// # Errors
/// When it is missing.
pub fn nginx_rtmp_module() -> anyhow::Result<PathBuf> {
    let file = PathBuf::from("/usr/lib/nginx/modules/ngx_rtmp_module.so");
    if !file.exists() {
        bail!("nginx' RTMP module is missing: install it with `apt-get install libnginx-mod-rtmp`");
    }
    Ok(file)
}

/// The directory with `postgres` and `initdb`: the newest of Debian's versions, or PATH.
///
/// # Errors
/// When there is none.
pub fn postgres_bin() -> anyhow::Result<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, bin)| is_executable(&bin.join("postgres")))
        .collect();
    versions.sort();
    versions
        .pop()
        .map(|(_, bin)| bin)
        .or_else(|| find("postgres").and_then(|file| file.canonicalize().ok()?.parent().map(Path::to_path_buf)))
        .ok_or_else(|| anyhow!("postgres is missing: install it with `apt-get install postgresql`"))
}

/// `${XDG_CACHE_HOME:-$HOME/.cache}/exprsn-live/NAME`, created.
///
/// # Errors
/// When neither variable is set or the directory can't be created.
pub fn cache(name: &str) -> anyhow::Result<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME")
        .filter(|dir| !dir.is_empty())
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))
        .ok_or_else(|| anyhow!("neither XDG_CACHE_HOME nor HOME is set"))?;
    let dir = base.join("exprsn-live").join(name);
    std::fs::create_dir_all(&dir)?;
    Ok(dir)
}

fn is_executable(file: &Path) -> bool {
    file.is_file() && rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok()
}
