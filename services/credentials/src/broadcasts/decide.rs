//! What a call has to do, from what is stored alone.

use uuid::Uuid;

use super::{Ask, Phase, Reference, row::Row};

/// What a preparation has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ToPrepare {
    /// Nothing: it is prepared, and the row has the answer.
    Answer,
    /// Nothing: a later run or take has been prepared, or the destination is deleted.
    Superseded,
    /// Prepare.
    Make,
}

/// What an end has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ToFinish {
    /// Nothing.
    Done,
    /// End it.
    End,
}

pub(super) fn to_prepare(row: Option<&Row>, ask: &Ask) -> ToPrepare {
    let Some(row) = row else { return ToPrepare::Make };
    let stored = row.reference();
    if row.forget || stored.order() > ask.reference.order() {
        ToPrepare::Superseded
    } else if stored == ask.reference && row.phase == Phase::Ready && row.platform == ask.platform.as_str() {
        ToPrepare::Answer
    } else {
        ToPrepare::Make
    }
}

/// Whether what the row stands for has to be ended before its place is taken: a begun end is completed, and another
/// account's broadcast can be ended with that account alone.
pub(super) fn must_end_first(row: Option<&Row>, ask: &Ask, account: Option<Uuid>) -> bool {
    row.is_some_and(|row| match row.phase {
        Phase::Finished => false,
        Phase::Finishing => true,
        Phase::Preparing | Phase::Ready => row.account_id != account || row.platform != ask.platform.as_str(),
    })
}

/// An end of an earlier run or take has nothing to do: the later preparation has ended it. One of a later take than is
/// stored ends what is there: that take was never prepared.
pub(super) fn to_finish(row: Option<&Row>, reference: Reference) -> ToFinish {
    match row {
        Some(row) if row.phase != Phase::Finished && row.reference().order() <= reference.order() => ToFinish::End,
        _ => ToFinish::Done,
    }
}

#[cfg(test)]
mod tests {
    use domain::{ids::TenantId, platform::Platform, platform_settings::PlatformSettings};
    use serde_json::json;
    use sqlx::types::Json;

    use super::*;

    const RUN: i64 = 1_000;

    fn row(phase: Phase, run_ms: i64, take: i32) -> Row {
        Row {
            destination_id: Uuid::nil(),
            tenant_id: "t".to_owned(),
            platform: "twitch".to_owned(),
            account_id: None,
            run_ms,
            take,
            phase,
            title: String::new(),
            settings: json!({}),
            progress: json!({}),
            rtmp_url: String::new(),
            backup_urls: Json(Vec::new()),
            playback_url: String::new(),
            notes: Json(Vec::new()),
            version: 1,
            publishing_ms: 0,
            truth: json!({}),
            failures: 0,
            forget: false,
        }
    }

    fn ask(run_ms: i64, take: u32) -> Ask {
        Ask {
            tenant: TenantId("t".to_owned()),
            reference: Reference { destination: Uuid::nil().into(), run_ms, take },
            platform: Platform::Twitch,
            account: None,
            stream_title: String::new(),
            settings: PlatformSettings::default(),
        }
    }

    #[test]
    fn a_preparation_is_answered_made_or_superseded() {
        let check = |row: Option<&Row>, run_ms, take, expected| {
            assert_eq!(to_prepare(row, &ask(run_ms, take)), expected, "{row:?} {run_ms} {take}");
        };
        check(None, RUN, 0, ToPrepare::Make);
        let ready = row(Phase::Ready, RUN, 1);
        check(Some(&ready), RUN, 1, ToPrepare::Answer);
        check(Some(&ready), RUN, 2, ToPrepare::Make);
        check(Some(&ready), RUN + 1, 0, ToPrepare::Make);
        check(Some(&ready), RUN, 0, ToPrepare::Superseded);
        check(Some(&ready), RUN - 1, 7, ToPrepare::Superseded);
        for phase in [Phase::Preparing, Phase::Finishing, Phase::Finished] {
            check(Some(&row(phase, RUN, 1)), RUN, 1, ToPrepare::Make);
        }
        let deleted = Row { forget: true, ..ready };
        check(Some(&deleted), RUN + 1, 1, ToPrepare::Superseded);
    }

    #[test]
    fn another_accounts_broadcast_and_a_begun_end_come_first() {
        let check = |phase, account, expected| {
            let row = row(phase, RUN, 0);
            assert_eq!(must_end_first(Some(&row), &ask(RUN, 0), account), expected, "{phase:?} {account:?}");
        };
        check(Phase::Ready, None, false);
        check(Phase::Ready, Some(Uuid::nil()), true);
        check(Phase::Finishing, None, true);
        check(Phase::Finished, Some(Uuid::nil()), false);
        assert!(!must_end_first(None, &ask(RUN, 0), None));
    }

    #[test]
    fn an_end_of_what_is_there_ends_it() {
        let check = |row: Option<Row>, take, expected| {
            assert_eq!(to_finish(row.as_ref(), ask(RUN, take).reference), expected, "{row:?} {take}");
        };
        check(None, 0, ToFinish::Done);
        check(Some(row(Phase::Finished, RUN, 0)), 0, ToFinish::Done);
        check(Some(row(Phase::Ready, RUN, 1)), 0, ToFinish::Done);
        for phase in [Phase::Preparing, Phase::Ready, Phase::Finishing] {
            check(Some(row(phase, RUN, 1)), 1, ToFinish::End);
            check(Some(row(phase, RUN, 1)), 2, ToFinish::End);
        }
    }
}
