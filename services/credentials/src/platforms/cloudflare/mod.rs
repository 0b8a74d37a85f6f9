//! Cloudflare Stream.
