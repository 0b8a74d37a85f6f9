//! The argument list of one FFmpeg process: what was decided about the output, spelled out.
//!
//! Every choice here was measured on 5.1 (Debian 12) and 9.0.2 (static build):
//! * `-probesize 131072 -analyzeduration 300000` on a reader with a GOP cache: first video out after 80 ms (defaults:
//!   434 ms, up to 1.4 s). `-fflags nobuffer` with `-c copy` throws the cached keyframe away: never.
//! * `-shortest` with `anullsrc` ends both tracks when stdin closes and adds 10 ms of latency.
//! * `rc-lookahead=10:sync-lookahead=0` takes 0.2 s off an encode's latency of 0.7 s.
//! * `-thread_queue_size` keeps FFmpeg 5.1 from warning with two inputs. With one it would start a reading thread for
//!   nothing, and each packet would cross it.

use domain::{
    output::{Audio, Encode, Output, Video},
    source::SourceInfo,
};

use crate::frame_rate::FrameRate;

/// Seconds between keyframes of an encode; every platform recommends two.
const GOP_SECONDS: u32 = 2;
/// Frames in a group when the source's rate is unknown: keyframes are forced by time, this is only the ceiling.
const GOP_UNKNOWN: u32 = GOP_SECONDS * 60;
/// One second of rate-control buffer: close to constant, as live platforms ask for.
const BUFFER_SECONDS: u32 = 1;

/// From here on a pass-through is written in blocks of 32 KiB instead of packet by packet: a quarter of the system calls
/// and wake-ups for at most 0.2 s of latency (measured at 3 Mbit/s: 14 instead of 54 writes a second, 0.06 s).
const BLOCKS_FROM_KBPS: u32 = 1_500;

/// What differs between machines, not between destinations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Decoder and encoder threads; `None` leaves it to FFmpeg (all cores).
    pub threads: Option<u32>,
    /// Seconds between two progress blocks.
    pub stats_period_s: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { threads: None, stats_period_s: 1 }
    }
}

/// The arguments of an FFmpeg that turns `source` at stdin into `output` at stdout, without the program's name.
///
/// It ends by itself when stdin closes, after writing what it still holds.
pub fn arguments(output: &Output, source: &SourceInfo, options: &Options) -> Vec<String> {
    let mut args = List::default();
    general(&mut args, options);
    input(&mut args, output, options);
    video(&mut args, &output.video, source, options);
    audio(&mut args, output.audio);
    args.all("-f flv -flvflags no_duration_filesize");
    if output.video == Video::Copy && source.video_kbps >= BLOCKS_FROM_KBPS {
        args.all("-flush_packets 0");
    }
    args.all("pipe:1");
    args.0
}

#[derive(Default)]
struct List(Vec<String>);

impl List {
    /// Adds words that hold no blanks.
    fn all(&mut self, words: &str) {
        self.0.extend(words.split(' ').map(str::to_owned));
    }

    fn pair(&mut self, name: &str, value: impl ToString) {
        self.0.extend([name.to_owned(), value.to_string()]);
    }
}

fn general(args: &mut List, options: &Options) {
    args.all("-hide_banner -nostdin -nostats -loglevel level+warning -progress pipe:2");
    args.pair("-stats_period", options.stats_period_s);
}

fn input(args: &mut List, output: &Output, options: &Options) {
    if let (Video::Encode(_), Some(threads)) = (&output.video, options.threads) {
        args.pair("-threads", threads);
    }
    // Whatever the media says, the demuxer can open nothing but this pipe.
    args.all("-protocol_whitelist pipe");
    if output.audio == Audio::Silence {
        args.all("-thread_queue_size 512");
    }
    args.all("-f flv -probesize 131072 -analyzeduration 300000 -i pipe:0");
    if output.audio == Audio::Silence {
        args.all("-f lavfi -i anullsrc=sample_rate=48000:channel_layout=stereo");
    }
}

fn video(args: &mut List, video: &Video, source: &SourceInfo, options: &Options) {
    match video {
        Video::Copy => args.all("-map 0:v:0 -c:v copy"),
        Video::Encode(encode) => {
            args.all("-map 0:v:0 -c:v libx264");
            x264(args, encode, source, options);
        }
        Video::None => args.all("-vn"),
    }
}

fn x264(args: &mut List, encode: &Encode, source: &SourceInfo, options: &Options) {
    let rate = encode.fps.map(FrameRate::whole).or_else(|| FrameRate::near(source.fps));
    args.pair("-preset", encode.preset.as_str());
    args.pair("-b:v", format!("{}k", encode.kbps));
    args.pair("-maxrate", format!("{}k", encode.kbps));
    args.pair("-bufsize", format!("{}k", encode.kbps * BUFFER_SECONDS));
    if let Some(filters) = filters(encode, rate) {
        args.pair("-vf", filters);
    }
    if rate.is_none() {
        // FFmpeg would guess a constant rate from 0.3 s of a variable one; keep the source's times instead.
        args.all("-fps_mode vfr");
    }
    let gop = rate.map_or(GOP_UNKNOWN, |rate| rate.frames_in(GOP_SECONDS));
    args.pair("-g", gop);
    if rate.is_some() {
        args.pair("-keyint_min", gop);
    }
    args.all("-sc_threshold 0 -flags +cgop");
    args.pair("-force_key_frames", format!("expr:gte(t,n_forced*{GOP_SECONDS})"));
    args.all("-profile:v high -pix_fmt yuv420p -x264-params rc-lookahead=10:sync-lookahead=0");
    if let Some(threads) = options.threads {
        args.pair("-threads", threads);
    }
}

fn filters(encode: &Encode, rate: Option<FrameRate>) -> Option<String> {
    let fps = rate.map(|rate| format!("fps={rate}"));
    let scale = encode.size.map(|size| {
        let (width, height) = (size.width, size.height);
        format!(
            "scale={width}:{height}:force_original_aspect_ratio=decrease:force_divisible_by=2,\
             pad={width}:{height}:-1:-1,setsar=1"
        )
    });
    // Frames are dropped before they are scaled: the cheaper order.
    let all: Vec<String> = fps.into_iter().chain(scale).collect();
    (!all.is_empty()).then(|| all.join(","))
}

fn audio(args: &mut List, audio: Audio) {
    const AAC: &str = "-c:a aac -b:a 128k -ar 48000 -ac 2";
    match audio {
        Audio::Copy => args.all("-map 0:a:0 -c:a copy"),
        Audio::Encode => {
            args.all("-map 0:a:0");
            args.all(AAC);
        }
        Audio::Silence => {
            args.all("-map 1:a:0");
            args.all(AAC);
            args.all("-shortest");
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::settings::{Preset, Resolution};

    use super::*;

    fn source(fps: f64) -> SourceInfo {
        SourceInfo {
            video_kbps: 2_500,
            video_codec: "h264".into(),
            audio_codec: "aac".into(),
            fps,
            ..SourceInfo::default()
        }
    }

    fn check(video: Video, audio: Audio, fps: f64, threads: Option<u32>) -> String {
        let output = Output { video, audio, reasons: Vec::new() };
        arguments(&output, &source(fps), &Options { threads, ..Options::default() }).join("\n")
    }

    fn full() -> Encode {
        let size = Some(Resolution { width: 1280, height: 720 });
        Encode { kbps: 3_500, size, fps: Some(30), preset: Preset::Veryfast }
    }

    #[test]
    fn copy() {
        insta::assert_snapshot!(check(Video::Copy, Audio::Copy, 30.0, Some(2)));
    }

    #[test]
    fn copy_with_silence() {
        insta::assert_snapshot!(check(Video::Copy, Audio::Silence, 30.0, None));
    }

    #[test]
    fn encode_scaled() {
        insta::assert_snapshot!(check(Video::Encode(full()), Audio::Copy, 60.0, Some(2)));
    }

    #[test]
    fn encode_in_the_sources_size_and_rate() {
        let encode = Encode { size: None, fps: None, preset: Preset::Fast, ..full() };
        insta::assert_snapshot!(check(Video::Encode(encode), Audio::Encode, 29.97, None));
    }

    #[test]
    fn encode_of_a_variable_rate() {
        let encode = Encode { size: None, fps: None, ..full() };
        insta::assert_snapshot!(check(Video::Encode(encode), Audio::Encode, 0.0, None));
    }

    #[test]
    fn audio_only() {
        insta::assert_snapshot!(check(Video::None, Audio::Copy, 0.0, None));
    }

    #[test]
    fn never_what_was_measured_to_harm() {
        for audio in [Audio::Copy, Audio::Encode, Audio::Silence] {
            for video in [Video::Copy, Video::Encode(full()), Video::None] {
                let args = check(video, audio, 30.0, None);
                assert!(!args.contains("nobuffer") && !args.contains("://"), "{args}");
                assert!(args.ends_with("pipe:1"), "{args}");
            }
        }
    }
}
