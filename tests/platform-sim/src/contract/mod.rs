//! The platforms' OpenAPI files as a contract: is what was sent, and what was answered, what they describe?
//!
//! Requests are held to them strictly: a parameter or body member that the file does not know is a violation, since a
//! platform would ignore a misspelled one without a word. Answers may hold more than the file, never something else.

mod check;
mod load;
mod schema;

use std::{
    collections::BTreeSet,
    fmt,
    path::{Path, PathBuf},
};

use crate::journal::JournalEntry;
use load::{Operation, Spec};

/// The file of a platform and where its paths begin here.
const FILES: [(&str, &str); 4] =
    [("youtube", ""), ("twitch", "/helix"), ("facebook", "/graph"), ("cloudflare", "/cloudflare/client/v4")];

/// Paths that no file describes: sign-in, ingest lists, what viewers use.
const UNDESCRIBED: [&str; 7] = [
    "/google-oauth/",
    "/twitch-id/",
    "/twitch-ingest/",
    "/facebook-dialog/",
    "/streaming-graph/",
    "/cloudflare-customer/",
    "/cloudflare/client/v4/graphql",
];

/// One thing that is not as the contract says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The operation, as the file names it; empty when none fits.
    pub operation: String,
    /// `query part`, `request /snippet/title`, `answer /items/0/id`, …
    pub place: String,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.operation, self.place, self.message)
    }
}

/// The OpenAPI files of all platforms.
#[derive(Debug)]
pub struct Contract {
    specs: Vec<Spec>,
}

impl Contract {
    /// Reads `{youtube,twitch,facebook,cloudflare}.openapi.json`.
    ///
    /// # Errors
    /// A file is missing, or not what is expected.
    pub fn load(dir: &Path) -> anyhow::Result<Self> {
        let specs: anyhow::Result<Vec<Spec>> = FILES
            .iter()
            .map(|(name, base)| Spec::load(&dir.join(format!("{name}.openapi.json")), name, base))
            .collect();
        Ok(Self { specs: specs? })
    }

    /// Where the files are: `CONTRACTS_DIR`, else `../shared/platform-apis` beside the workspace. `None` when absent.
    pub fn dir() -> Option<PathBuf> {
        let given = std::env::var_os("CONTRACTS_DIR").map(PathBuf::from);
        let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/platform-apis");
        Some(given.unwrap_or(beside)).filter(|dir| dir.join("youtube.openapi.json").is_file())
    }

    /// The contract of [`Contract::dir`]. Without the files a line on stderr says that nothing is checked; under
    /// `CI=true` that is an error.
    ///
    /// # Errors
    /// The files can't be read, or are absent under `CI=true`.
    pub fn find() -> anyhow::Result<Option<Self>> {
        match Self::dir() {
            Some(dir) => Self::load(&dir).map(Some),
            None if std::env::var("CI").is_ok_and(|ci| ci == "true") => {
                anyhow::bail!("the platforms' OpenAPI files are not there: set CONTRACTS_DIR")
            }
            None => {
                #[expect(clippy::print_stderr, reason = "a skipped check must be seen, also without a log")]
                {
                    eprintln!("SKIPPED: contract checks, because the OpenAPI files are not there (CONTRACTS_DIR)");
                }
                Ok(None)
            }
        }
    }

    /// Checks one call: its request, and its answer unless a fault wrote it.
    ///
    /// # Errors
    /// Everything that is not as the contract says.
    pub fn check(&self, entry: &JournalEntry) -> Result<(), Vec<Violation>> {
        let candidates = self.candidates(entry);
        if candidates.is_empty() {
            if is_undescribed(&entry.path) {
                return Ok(());
            }
            let (place, message) = ("path".to_owned(), format!("{} {} is in no file", entry.method, entry.path));
            return Err(vec![Violation { operation: String::new(), place, message }]);
        }
        let found = candidates.iter().map(|(spec, operation)| check::call(spec, operation, entry));
        let best = found.min_by_key(Vec::len).unwrap_or_default();
        if best.is_empty() { Ok(()) } else { Err(best) }
    }

    /// Checks all calls and describes what is wrong, one line each.
    pub fn violations(&self, entries: &[JournalEntry]) -> Vec<String> {
        let of = |entry: &JournalEntry| {
            let found = self.check(entry).err().unwrap_or_default();
            let line = format!("#{} {}", entry.seq, entry.line());
            found.into_iter().map(move |violation| format!("{line}: {violation}")).collect::<Vec<_>>()
        };
        entries.iter().flat_map(of).collect()
    }

    /// Names of all operations.
    pub fn operations(&self) -> BTreeSet<String> {
        self.specs.iter().flat_map(|spec| &spec.operations).map(|operation| operation.id.clone()).collect()
    }

    /// Names of the operations that were called with success.
    pub fn covered(&self, entries: &[JournalEntry]) -> BTreeSet<String> {
        let done = entries.iter().filter(|entry| entry.applied);
        done.flat_map(|entry| self.candidates(entry)).map(|(_, operation)| operation.id.clone()).collect()
    }

    /// The operations that a call may be: those with the most literal path segments.
    fn candidates(&self, entry: &JournalEntry) -> Vec<(&Spec, &Operation)> {
        if is_undescribed(&entry.path) {
            return Vec::new();
        }
        let mut found: Vec<(&Spec, &Operation)> = Vec::new();
        for spec in &self.specs {
            let Some(path) = spec.local(&entry.path) else { continue };
            let fitting = spec.operations.iter().filter(|o| o.method == entry.method && o.fits(&path).is_some());
            found.extend(fitting.map(|operation| (spec, operation)));
        }
        let most = found.iter().map(|(_, operation)| operation.literals()).max();
        found.retain(|(_, operation)| Some(operation.literals()) == most);
        found
    }
}

fn is_undescribed(path: &str) -> bool {
    let graph_me = path.starts_with("/graph/") && (path.ends_with("/me") || path.ends_with("/me/picture"));
    graph_me || UNDESCRIBED.iter().any(|prefix| path.starts_with(prefix))
}
