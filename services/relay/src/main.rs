//! RTMP ingest with GOP cache, inner HTTP-FLV and the fence.

fn main() {}
