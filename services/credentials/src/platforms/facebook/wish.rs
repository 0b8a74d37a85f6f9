//! What a live video is made of, from the person's settings.

use domain::platform_settings::{FACEBOOK_TITLE, PlatformSettings, Privacy};
use serde_json::json;

use super::{graph::Call, session::Target};
use crate::platforms::{Failure, Run};

/// Events can be announced so far ahead (guide: scheduling).
const FARTHEST_MS: i64 = 7 * 86_400_000;

/// A live video as it shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wish {
    pub title: String,
    description: Option<String>,
    privacy: Option<&'static str>,
    /// Announced for then, ms since 1970.
    pub planned_ms: Option<i64>,
    /// What could not be done as wished.
    pub notes: Vec<String>,
}

impl Wish {
    /// Refuses what would show more to more people than the person wants.
    pub fn of(run: &Run, target: &Target, now_ms: i64) -> Result<Self, Failure> {
        let (planned_ms, notes) = planned(run.settings.scheduled_start_s, now_ms)?;
        Ok(Self {
            title: run.title(FACEBOOK_TITLE),
            description: run.settings.description.clone().filter(|text| !text.trim().is_empty()),
            privacy: privacy(&run.settings, target)?,
            planned_ms,
            notes,
        })
    }

    /// The call that makes it. Unpublished, so that nobody sees it before a picture is there. `stop_on_delete_stream`
    /// is left out: a lost connection must not end the broadcast. `planned_start_time` is refused by Facebook.
    pub fn create(&self, target: &Target) -> Call {
        let status = if self.planned_ms.is_some() { "SCHEDULED_UNPUBLISHED" } else { "UNPUBLISHED" };
        let mut call = Call::post(target.live_videos()).with("status", status).with("title", self.title.as_str());
        if let Some(description) = &self.description {
            call = call.with("description", description.as_str());
        }
        if let Some(value) = self.privacy {
            call = call.with("privacy", privacy_json(value));
        }
        if let Some(at) = self.planned_ms {
            call = call.with("event_params", (at / 1_000).to_string());
        }
        call
    }
}

/// The privacy parameter.
pub(super) fn privacy_json(value: &str) -> String {
    json!({ "value": value }).to_string()
}

/// Facebook's word; `None` leaves it to Facebook. A Page's posts are public always.
pub(super) fn privacy(settings: &PlatformSettings, target: &Target) -> Result<Option<&'static str>, Failure> {
    let refused = |text: &str| Err(Failure::permanent("platform_refused", text));
    let value = match settings.privacy {
        None => return Ok(None),
        Some(Privacy::Public) => "EVERYONE",
        Some(Privacy::Friends) => "ALL_FRIENDS",
        Some(Privacy::Private) => "SELF",
        Some(Privacy::Unlisted) => {
            return refused("Facebook has no unlisted live videos. Choose public, friends or private.");
        }
    };
    match target {
        Target::Page(_) if value != "EVERYONE" => refused(
            "A live video on a Page is always public. Set the privacy to public, or leave the Page out to go live on the profile.",
        ),
        _ => Ok(Some(value)),
    }
}

fn planned(start_s: Option<i64>, now_ms: i64) -> Result<(Option<i64>, Vec<String>), Failure> {
    let Some(at) = start_s.map(|seconds| seconds.saturating_mul(1_000)) else { return Ok((None, Vec::new())) };
    if at <= now_ms {
        let note = "The scheduled start has passed: the broadcast goes live as soon as Facebook sees the picture.";
        return Ok((None, vec![note.to_owned()]));
    }
    if at - now_ms > FARTHEST_MS {
        let text = "Facebook announces live videos at most 7 days ahead. Choose an earlier start, or start later.";
        return Err(Failure::permanent("platform_refused", text));
    }
    Ok((Some(at), vec!["Facebook shows the broadcast from the scheduled start on, not before.".to_owned()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules() {
        let now = 1_795_435_200_000;
        assert_eq!(planned(None, now), Ok((None, vec![])));
        let (at, notes) = planned(Some(now / 1_000), now).unwrap();
        assert_eq!((at, notes.len()), (None, 1));
        assert_eq!(planned(Some(now / 1_000 + 60), now).unwrap().0, Some(now + 60_000));
        assert_eq!(planned(Some(now / 1_000 + 7 * 86_400), now).unwrap().0, Some(now + FARTHEST_MS));
        assert_eq!(planned(Some(now / 1_000 + 7 * 86_400 + 1), now).unwrap_err().code(), "platform_refused");
        assert_eq!(planned(Some(i64::MAX), now).unwrap_err().code(), "platform_refused");
        assert_eq!(planned(Some(i64::MIN), now).unwrap().0, None);
    }

    #[test]
    fn privacy_is_never_widened() {
        let (page, profile) = (Target::Page("1".to_owned()), Target::Profile("2".to_owned()));
        let of = |privacy| PlatformSettings { privacy, ..PlatformSettings::default() };
        for (given, on_profile, on_page) in [
            (None, Ok(None), Ok(None)),
            (Some(Privacy::Public), Ok(Some("EVERYONE")), Ok(Some("EVERYONE"))),
            (Some(Privacy::Friends), Ok(Some("ALL_FRIENDS")), Err(())),
            (Some(Privacy::Private), Ok(Some("SELF")), Err(())),
            (Some(Privacy::Unlisted), Err(()), Err(())),
        ] {
            assert_eq!(privacy(&of(given), &profile).map_err(drop), on_profile, "{given:?}");
            assert_eq!(privacy(&of(given), &page).map_err(drop), on_page, "{given:?}");
        }
        assert_eq!(privacy_json("SELF"), r#"{"value":"SELF"}"#);
    }
}
