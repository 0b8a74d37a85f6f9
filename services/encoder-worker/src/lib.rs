//! Sessions: one FFmpeg and one publisher per destination.
