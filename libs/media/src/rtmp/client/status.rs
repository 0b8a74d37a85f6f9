//! What an `onStatus` or `_error` of a server means. Pure.

use super::{error::Error, redact::redact};
use crate::rtmp::message::Status;

/// Words of servers that mean "somebody else publishes there".
const BUSY: [&str; 8] =
    ["already", "busy", "in use", "duplicate", "being published", "publishing", "another publisher", "conflict"];
/// Words that mean "not with this key".
const DENIED: [&str; 14] = [
    "refused",
    "denied",
    "invalid",
    "not found",
    "unknown",
    "unauthor",
    "not author",
    "forbidden",
    "not allowed",
    "expired",
    "wrong",
    "bad key",
    "reject",
    "no such",
];

/// The ends of codes that report a failure.
const FAILED: [&str; 7] =
    [".BadName", ".Failed", ".Rejected", ".Denied", ".InvalidApp", ".InvalidArg", ".StreamNotFound"];

/// Whether the server reports a failure. Some servers set only the code, some only the level.
pub(crate) fn is_error(status: &Status) -> bool {
    status.level.eq_ignore_ascii_case("error") || FAILED.iter().any(|end| status.code.ends_with(end))
}

/// The failure a status stands for, without pieces of `secret`.
///
/// `BadName` is both "already published" (the specification, nginx-rtmp) and "bad key" (many others): the words
/// decide, and without words the specification does.
pub(crate) fn into_error(status: &Status, secret: &str) -> Error {
    let said = status.description.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
    let busy = says(&BUSY) || status.code.ends_with(".BadName");
    let (code, description) = (redact(&status.code, secret), redact(&status.description, secret));
    if (busy && !says(&DENIED)) || status.code.ends_with(".Conflict") {
        Error::Conflict { description }
    } else {
        Error::Refused { code, description }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(level: &str, code: &str, description: &str, expected: &str) {
        let status = Status { level: level.into(), code: code.into(), description: description.into() };
        let seen = match (is_error(&status), into_error(&status, "secret")) {
            (false, _) => "fine",
            (true, Error::Conflict { .. }) => "conflict",
            (true, Error::Refused { .. }) => "refused",
            (true, other) => panic!("{other:?}"),
        };
        assert_eq!(seen, expected, "{code} {description}");
    }

    #[test]
    fn meanings() {
        check("status", "NetStream.Publish.Start", "Start publishing", "fine");
        check("status", "NetStream.Unpublish.Success", "", "fine");
        // nginx-rtmp, FMS, the specification
        check("error", "NetStream.Publish.BadName", "Already publishing", "conflict");
        check("error", "NetStream.Publish.BadName", "live/*** is already being published", "conflict");
        check("error", "NetStream.Publish.BadName", "", "conflict");
        check("error", "NetStream.Publish.Failed", "stream busy", "conflict");
        // our own relay and others
        check("error", "NetStream.Publish.BadName", "stream key refused", "refused");
        check("", "NetStream.Publish.BadName", "Invalid stream key", "refused");
        check("error", "NetStream.Publish.Denied", "publishing not allowed", "refused");
        check("error", "NetConnection.Connect.InvalidApp", "no such application", "refused");
        check("error", "NetConnection.Connect.Rejected", "[ AccessManager.Reject ]", "refused");
        check("status", "NetStream.Play.StreamNotFound", "", "refused");
        check("error", "", "", "refused");
    }
}
