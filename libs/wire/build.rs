//! Compiles the protobufs without protoc.
use std::{env, fs, path::PathBuf};

const PROTOS: [&str; 4] = [
    "exprsn/live/v1/common.proto",
    "exprsn/live/v1/bus.proto",
    "exprsn/live/v1/orchestrator.proto",
    "exprsn/live/v1/credentials.proto",
];

/// Messages that carry a secret; `src/redacted.rs` writes their `Debug`.
const SECRET: [&str; 7] = [
    "PutStreamKeyRequest",
    "PublishTarget",
    "IngestKey",
    "SessionSpec",
    "StartRequest",
    "BeginLinkResponse",
    "FinishLinkRequest",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../../proto");
    let descriptors = protox::compile(PROTOS, [&root])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), prost::Message::encode_to_vec(&descriptors))?;
    let secret = SECRET.map(|message| format!(".exprsn.live.v1.{message}"));
    tonic_prost_build::configure().skip_debug(secret).compile_fds(descriptors)?;
    println!("cargo:rerun-if-changed={}", root.display());
    Ok(())
}
