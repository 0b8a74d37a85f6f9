//! Finds out at the start what the configured FFmpeg is and whether it will do.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use ffmpeg::version::{Binary, Unfit, check_encoders};
use media::sys::ChildLimits;
use tokio::{io::AsyncReadExt, time::timeout};

use super::child;

/// How long FFmpeg may take to print what it is.
const LIMIT: Duration = Duration::from_secs(10);
/// Longest answer read: the list of encoders has about 20 KiB.
const MAX_ANSWER: u64 = 256 << 10;

/// An FFmpeg that will do.
#[derive(Clone, Debug)]
pub struct Ffmpeg {
    /// Where it is, absolute.
    pub path: PathBuf,
    /// What it is.
    pub binary: Binary,
}

/// Why the configured FFmpeg will not do.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// No such program.
    #[error("{0} was not found; install FFmpeg 5.1 or newer, or set FFMPEG_PATH")]
    NotFound(PathBuf),
    /// It can't be started.
    #[error("FFmpeg can't be started")]
    Start(#[source] io::Error),
    /// It doesn't answer.
    #[error("FFmpeg did not answer")]
    Silent,
    /// It is not what is needed.
    #[error("this FFmpeg will not do")]
    Unfit(#[from] Unfit),
}

/// Asks `ffmpeg -version` and `ffmpeg -encoders`.
///
/// # Errors
/// See [`ProbeError`].
pub async fn probe(path: &Path) -> Result<Ffmpeg, ProbeError> {
    let path = locate(path).ok_or_else(|| ProbeError::NotFound(path.to_owned()))?;
    let binary = Binary::parse(&ask(&path, "-version").await?)?;
    check_encoders(&ask(&path, "-encoders").await?)?;
    Ok(Ffmpeg { path, binary })
}

async fn ask(path: &Path, question: &str) -> Result<String, ProbeError> {
    let arguments = ["-hide_banner".to_owned(), question.to_owned()];
    let (mut child, pipes) = child::spawn(path, &arguments, ChildLimits::default()).await.map_err(ProbeError::Start)?;
    let mut answer = Vec::new();
    let read = timeout(LIMIT, pipes.stdout.take(MAX_ANSWER).read_to_end(&mut answer)).await;
    drop((pipes.stdin, pipes.stderr));
    child.end().await;
    match read {
        Ok(Ok(_)) => Ok(String::from_utf8_lossy(&answer).into_owned()),
        _ => Err(ProbeError::Silent),
    }
}

/// The child's environment is empty, so `PATH` is searched here, once.
fn locate(path: &Path) -> Option<PathBuf> {
    if path.components().count() > 1 {
        return path.canonicalize().ok();
    }
    let dirs = std::env::var_os("PATH")?;
    std::env::split_paths(&dirs).map(|dir| dir.join(path)).find(|file| file.is_file())
}
