//! The yardstick of the session measurements: FFmpeg started by hand, from our relay to an RTMP server.

use std::path::Path;

use testkit::{
    proc::{Proc, Spec},
    tools,
};

use crate::{scene::Scene, tickets::read_ticket};

/// Short probing, as our own sessions have it.
pub const SHORT_PROBE: [&str; 4] = ["-probesize", "131072", "-analyzeduration", "300000"];

/// Starts one that copies the scene's stream to `rtmp_url`. Dropping it ends it.
///
/// # Errors
/// When FFmpeg is missing or does not start.
pub fn ffmpeg_copy(scene: &Scene, probe: &[&str], rtmp_url: &str) -> anyhow::Result<Proc> {
    let ticket = read_ticket(&scene.stack, &scene.stream.id)?;
    let headers = format!("Authorization: Bearer {ticket}\r\n");
    let (from, log) = (scene.flv_url(), scene.stack.dir().join("logs").join("yardstick.log"));
    let mut args = vec!["-nostdin", "-loglevel", "error", "-headers", &headers];
    args.extend(probe);
    args.extend(["-i", &from, "-c", "copy", "-f", "flv", rtmp_url]);
    Proc::spawn(Spec::new("yardstick", tools::ffmpeg()?, Path::new(&log)).args(args))
}
