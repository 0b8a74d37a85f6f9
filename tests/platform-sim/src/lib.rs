//! Local stand-ins of the four platforms.
