//! The newest static FFmpeg, beside Debian's 5.1: the two ends of what workers must work with, and the only one here
//! that speaks Enhanced RTMP.

use std::path::PathBuf;

use anyhow::Context;

use super::wheel;

/// FFmpeg 9.0.2; fetched and verified the first time.
///
/// # Errors
/// When it is not in the cache and can't be fetched.
pub fn need() -> anyhow::Result<PathBuf> {
    wheel::unpack(&wheel::Pinned {
        requirement: "imageio-ffmpeg==0.8.1",
        wheel_sha256: "050d6850601c3b3890bd2b28306f3b842b3daea390a561101174375a1c460bda",
        binary: "imageio_ffmpeg/binaries/ffmpeg-linux-x86_64-v9.0.2",
        binary_sha256: "0d709a0bed1a43f24cd2c420878c63afea4580671b6949ad19ed124572f3bc3d",
        name: "ffmpeg-9.0.2",
    })
    .context("the newest static FFmpeg can't be had")
}
