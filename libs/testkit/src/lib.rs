//! Real servers on private ports, RTMP sinks, fault proxy and fake FFmpeg for tests.
