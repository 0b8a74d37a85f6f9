//! Who may use whom.

use super::metadata::{Metadata, Package};

/// What pure crates never reach: no runtime, no I/O, no randomness, no clock.
const IMPURE: [&str; 10] =
    ["tokio", "sqlx", "tonic", "redis", "async-nats", "reqwest", "hyper", "rand", "chrono", "rustix"];
const PURE: [&str; 2] = ["domain", "ffmpeg"];
/// Only these own a schema; everybody else goes through their gRPC.
const WITH_DATABASE: [&str; 3] = ["orchestrator", "credentials", "e2e"];
/// Only the vault decrypts.
const WITH_VAULT: [&str; 1] = ["credentials"];
/// The generated types stay at the edges: these never see them.
const WITHOUT_WIRE: [&str; 5] = ["domain", "ffmpeg", "media", "secret", "lease"];
/// Development only.
const WITH_TESTKIT: [&str; 4] = ["testkit", "e2e", "bench", "xtask"];

pub(super) fn check(metadata: &Metadata) -> Vec<String> {
    let mut objections = Vec::new();
    for package in metadata.members() {
        let mut object = |what: String| objections.push(format!("{} {what}", package.name));
        let name = package.name.as_str();
        let reached = metadata.reached(package);
        for service in
            services(metadata).filter(|service| *service != name && metadata.direct(package).contains(service))
        {
            object(format!("depends on the service {service}"));
        }
        if PURE.contains(&name) {
            IMPURE.iter().filter(|banned| reached.contains(*banned)).for_each(|banned| {
                object(format!("must stay pure but reaches {banned}"));
            });
        }
        for (banned, allowed) in [
            ("sqlx", WITH_DATABASE.as_slice()),
            ("aes-gcm", WITH_VAULT.as_slice()),
            ("testkit", WITH_TESTKIT.as_slice()),
        ] {
            if reached.contains(banned) && !allowed.contains(&name) {
                object(format!("must not reach {banned}"));
            }
        }
        if WITHOUT_WIRE.contains(&name) && reached.contains("wire") {
            object("must not see wire types".to_owned());
        }
    }
    objections
}

fn services(metadata: &Metadata) -> impl Iterator<Item = &str> {
    metadata.members().filter(|package| is_service(package)).map(|package| package.name.as_str())
}

fn is_service(package: &Package) -> bool {
    package.manifest_path.contains("/services/")
}
