//! Facebook Live.
