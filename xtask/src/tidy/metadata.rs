//! The part of `cargo metadata` that the rules look at.

use std::collections::{HashMap, HashSet, VecDeque};

use anyhow::{Context, bail};
use serde::Deserialize;

use crate::cargo;

/// All packages and how they depend on each other on Linux.
#[derive(Debug, Deserialize)]
pub(super) struct Metadata {
    pub(super) packages: Vec<Package>,
    workspace_members: Vec<String>,
    resolve: Resolve,
}

#[derive(Debug, Deserialize)]
pub(super) struct Package {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) license: Option<String>,
    pub(super) manifest_path: String,
}

#[derive(Debug, Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

#[derive(Debug, Deserialize)]
struct Kind {
    /// `None` for an ordinary dependency, `dev` or `build` otherwise.
    kind: Option<String>,
}

pub(super) fn load() -> anyhow::Result<Metadata> {
    let output = cargo::command()
        .args(["metadata", "--format-version", "1", "--filter-platform", "x86_64-unknown-linux-gnu"])
        .output()
        .context("can't run cargo metadata")?;
    if !output.status.success() {
        bail!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

impl Metadata {
    /// Our own packages.
    pub(super) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| self.workspace_members.contains(&package.id))
    }

    /// The names of what a package uses directly, tests and build scripts left out.
    pub(super) fn direct(&self, package: &Package) -> Vec<&str> {
        self.edges(&package.id).filter_map(|id| self.name(id)).collect()
    }

    /// The names of everything that ends up in a package's code, itself included.
    pub(super) fn reached(&self, package: &Package) -> HashSet<&str> {
        let mut seen: HashSet<&str> = HashSet::from([package.id.as_str()]);
        let mut queue: VecDeque<&str> = VecDeque::from([package.id.as_str()]);
        while let Some(id) = queue.pop_front() {
            for next in self.edges(id) {
                if seen.insert(next) {
                    queue.push_back(next);
                }
            }
        }
        let names: HashMap<&str, &str> = self.packages.iter().map(|p| (p.id.as_str(), p.name.as_str())).collect();
        seen.into_iter().filter_map(|id| names.get(id).copied()).collect()
    }

    fn edges<'a>(&'a self, id: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let node = self.resolve.nodes.iter().find(|node| node.id == id);
        let normal = |dependency: &&Dependency| dependency.dep_kinds.iter().any(|kind| kind.kind.is_none());
        node.into_iter().flat_map(|node| &node.deps).filter(normal).map(|dependency| dependency.pkg.as_str())
    }

    fn name(&self, id: &str) -> Option<&str> {
        self.packages.iter().find(|package| package.id == id).map(|package| package.name.as_str())
    }
}
