//! FFmpeg argument lists, progress parser and error classifier; never spawns.
