//! Licences we may ship, and crates we don't want in the tree. The same lists as `deny.toml`, checked here too because
//! cargo-deny is not everywhere.

use super::{metadata::Metadata, spdx};

const ALLOWED: [&str; 14] = [
    "MIT",
    "MIT-0",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "0BSD",
    "CC0-1.0",
    "Unlicense",
    "Unicode-3.0",
    "CDLA-Permissive-2.0",
    "BSL-1.0",
];
const BANNED: [(&str, &str); 6] = [
    ("aws-lc-rs", "one crypto provider: ring"),
    ("aws-lc-sys", "one crypto provider: ring"),
    ("openssl-sys", "TLS is rustls"),
    ("native-tls", "TLS is rustls"),
    ("rsa", "RUSTSEC-2023-0071"),
    ("rml_rtmp", "panics on interleaved chunks"),
];

pub(super) fn check(metadata: &Metadata) -> Vec<String> {
    let mut objections = Vec::new();
    for package in &metadata.packages {
        let licence = package.license.as_deref().unwrap_or_default();
        if !spdx::allows(licence, &|one| ALLOWED.contains(&one)) {
            objections.push(format!("{} {} has the licence {licence:?}", package.name, package.version));
        }
        if let Some((name, reason)) = BANNED.iter().find(|(name, _)| *name == package.name) {
            objections.push(format!("{name} is in the tree: {reason}"));
        }
    }
    objections
}
