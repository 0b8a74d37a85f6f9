//! A generated live source: FFmpeg publishing a test picture and a tone to an RTMP address in real time.
//!
//! Encoding costs as much CPU as everything else in a test together, so by default ten seconds are encoded once (kept
//! in the user's cache) and published in a loop with `-c copy`.

use std::{
    fs::File,
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, bail};
use rustix::fs::{FlockOperation, flock};

use crate::{
    proc::{End, Proc, Spec},
    temp, tools,
};

/// Length of the looped clip. A whole number of GOPs, so that the loop is seamless for video.
const CLIP_SECONDS: u32 = 12;

/// The picture and sound to publish.
#[derive(Clone, Debug)]
pub struct Options {
    /// `WIDTHxHEIGHT`.
    pub size: String,
    /// Frames per second.
    pub fps: u32,
    /// Video bitrate, constant.
    pub kbps: u32,
    /// Seconds between two keyframes.
    pub gop_seconds: u32,
    /// FFmpeg's encoder: `libx264`, or another one that FLV can carry.
    pub encoder: String,
    /// B-frames between reference frames (x264's own default is 3).
    pub b_frames: u32,
    /// Leave the sound out.
    pub no_audio: bool,
    /// Encode now instead of looping a prepared clip: the picture then shows the running time.
    pub encode_live: bool,
    /// Another FFmpeg than the usual one: for codecs in Enhanced RTMP, 6.1 or newer.
    pub ffmpeg: Option<PathBuf>,
    /// Where its log goes; a private directory when not set.
    pub log: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            size: "1280x720".to_owned(),
            fps: 30,
            kbps: 2500,
            gop_seconds: 2,
            encoder: "libx264".to_owned(),
            b_frames: 0,
            no_audio: false,
            encode_live: false,
            ffmpeg: None,
            log: None,
        }
    }
}

/// A publishing FFmpeg; dropping it ends it abruptly.
#[derive(Debug)]
pub struct LiveSource {
    proc: Proc,
    _temp: tempfile::TempDir,
}

impl LiveSource {
    /// Publishes 720p30 at 2.5 Mbps with sound to `url` (`rtmp://host:port/app/key`).
    ///
    /// # Errors
    /// When FFmpeg is missing or the clip can't be made. A refused publish shows as the end of the process.
    pub fn start(url: &str) -> anyhow::Result<Self> {
        Self::start_with(url, &Options::default())
    }

    /// Publishes as chosen.
    ///
    /// # Errors
    /// When FFmpeg is missing or the clip can't be made.
    pub fn start_with(url: &str, options: &Options) -> anyhow::Result<Self> {
        let held = temp::dir("source")?;
        let log = options.log.clone().unwrap_or_else(|| held.path().join("source.log"));
        let mut spec = Spec::new("live source", program(options)?, log).args(["-hide_banner", "-nostdin"]);
        spec.args.extend(["-loglevel", "warning"].map(Into::into));
        if options.encode_live {
            spec = spec.args(["-re"]).args(generate(options)).args(encode(options));
        } else {
            spec = spec.args(["-re", "-stream_loop", "-1", "-i"]).args([clip(options)?]).args(["-c", "copy"]);
        }
        spec = spec.args(["-flvflags", "no_duration_filesize", "-f", "flv", url]);
        spec.end = End::Kill;
        Ok(Self { proc: Proc::spawn(spec)?, _temp: held })
    }

    /// Is it still publishing?
    pub fn alive(&self) -> bool {
        self.proc.alive()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.proc.pid()
    }

    /// SIGKILL: no goodbye, as when the encoder's machine loses power.
    pub fn kill(&self) {
        self.proc.kill();
    }

    /// SIGTERM: FFmpeg unpublishes and goes.
    pub fn finish(&self) {
        self.proc.terminate();
        self.proc.reap(Duration::from_secs(5));
    }

    /// SIGSTOP: the connection stays, no byte comes.
    pub fn pause(&self) {
        self.proc.pause();
    }

    /// SIGCONT.
    pub fn resume(&self) {
        self.proc.resume();
    }

    /// Publishes again after a kill or finish.
    ///
    /// # Errors
    /// When FFmpeg can't be started.
    pub fn restart(&self) -> anyhow::Result<()> {
        self.proc.respawn()
    }

    /// The process behind it.
    pub fn proc(&self) -> &Proc {
        &self.proc
    }
}

/// The looped clip for these options, made now when it is not in the cache.
///
/// # Errors
/// When FFmpeg fails.
pub fn clip(options: &Options) -> anyhow::Result<PathBuf> {
    let dir = tools::cache("clips")?;
    let sound = if options.no_audio { "silent" } else { "tone" };
    let name = format!(
        "{}-{}fps-{}k-g{}-b{}-{}-{sound}.flv",
        options.size, options.fps, options.kbps, options.gop_seconds, options.b_frames, options.encoder
    );
    let target = dir.join(name);
    let lock = File::create(dir.join("lock"))?;
    flock(&lock, FlockOperation::LockExclusive)?;
    if target.exists() {
        return Ok(target);
    }
    let half = target.with_extension("part");
    let output = Command::new(program(options)?)
        .args(["-hide_banner", "-nostdin", "-loglevel", "error", "-y"])
        .args(generate(options))
        .args(encode(options))
        .args(["-t", &CLIP_SECONDS.to_string(), "-f", "flv"])
        .arg(&half)
        .stdin(Stdio::null())
        .output()
        .context("can't run ffmpeg")?;
    if !output.status.success() {
        bail!("can't make the test clip: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    std::fs::rename(&half, &target)?;
    Ok(target)
}

fn program(options: &Options) -> anyhow::Result<PathBuf> {
    options.ffmpeg.clone().map_or_else(tools::ffmpeg, Ok)
}

fn generate(options: &Options) -> Vec<String> {
    let mut args = vec![
        "-f".to_owned(),
        "lavfi".to_owned(),
        "-i".to_owned(),
        format!("testsrc2=size={}:rate={}", options.size, options.fps),
    ];
    if !options.no_audio {
        args.extend(["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"].map(str::to_owned));
    }
    args
}

fn encode(options: &Options) -> Vec<String> {
    let gop = (options.gop_seconds * options.fps).to_string();
    let rate = format!("{}k", options.kbps);
    let mut args: Vec<String> = ["-c:v", &options.encoder, "-pix_fmt", "yuv420p", "-g", &gop, "-keyint_min", &gop]
        .into_iter()
        .chain(["-b:v", &rate, "-minrate", &rate, "-maxrate", &rate, "-bufsize", &rate])
        .map(str::to_owned)
        .collect();
    args.extend(["-bf".to_owned(), options.b_frames.to_string()]);
    if options.encoder == "libx264" {
        // nal-hrd=cbr fills up, so that the easy test picture really has the bitrate that was asked for.
        args.extend(["-preset", "ultrafast", "-sc_threshold", "0", "-x264-params", "nal-hrd=cbr"].map(str::to_owned));
    }
    if options.encoder == "libx265" {
        args.extend(["-preset", "ultrafast", "-x265-params", "log-level=error:scenecut=0"].map(str::to_owned));
    }
    if !options.no_audio {
        args.extend(["-c:a", "aac", "-b:a", "128k", "-ar", "48000", "-ac", "2"].map(str::to_owned));
    }
    args
}
