//! A destination's settings.

use domain::settings::{Resolution, Settings};

use crate::{Malformed, v1};

impl From<Settings> for v1::Settings {
    fn from(settings: Settings) -> Self {
        Self {
            bitrate_kbps: settings.bitrate_kbps,
            width: settings.resolution.map(|r| r.width),
            height: settings.resolution.map(|r| r.height),
            framerate: settings.framerate,
            preset: settings.preset.map(|p| p.as_str().to_owned()),
            auto_start: settings.auto_start,
            auto_reconnect: settings.auto_reconnect,
            max_retries: settings.max_retries,
        }
    }
}

/// The ranges hold afterwards: what comes out has passed [`Settings::check`].
impl TryFrom<v1::Settings> for Settings {
    type Error = Malformed;

    fn try_from(wire: v1::Settings) -> Result<Self, Malformed> {
        let preset = wire.preset.as_deref().map(str::parse).transpose();
        let settings = Self {
            bitrate_kbps: wire.bitrate_kbps,
            resolution: resolution(wire.width, wire.height)?,
            framerate: wire.framerate,
            preset: preset.map_err(|_| Malformed::new("settings.preset"))?,
            auto_start: wire.auto_start,
            auto_reconnect: wire.auto_reconnect,
            max_retries: wire.max_retries,
        };
        settings.check().map_err(|invalid| Malformed::new(invalid.field()))?;
        Ok(settings)
    }
}

fn resolution(width: Option<u32>, height: Option<u32>) -> Result<Option<Resolution>, Malformed> {
    match (width, height) {
        (None, None) => Ok(None),
        (Some(width), Some(height)) => {
            // The text form is where the rules live.
            let checked: Result<Resolution, _> = Resolution { width, height }.to_string().parse();
            checked.map(Some).map_err(|invalid| Malformed::new(invalid.field()))
        }
        _ => Err(Malformed::new("settings.resolution")),
    }
}

#[cfg(test)]
mod tests {
    use domain::settings::{Preset, Resolution, Settings};
    use proptest::{option, prelude::*};

    use crate::v1;

    fn settings() -> impl Strategy<Value = Settings> {
        let preset = prop_oneof![
            Just(Preset::Ultrafast),
            Just(Preset::Veryfast),
            Just(Preset::Fast),
            Just(Preset::Medium),
            Just(Preset::Slow)
        ];
        let size = (64u32..=1920, 36u32..=1080).prop_map(|(w, h)| Resolution { width: w * 2, height: h * 2 });
        (
            option::of(500u32..=20_000),
            option::of(size),
            option::of(15u32..=60),
            option::of(preset),
            any::<Option<bool>>(),
            any::<Option<bool>>(),
            option::of(0u32..=1000),
        )
            .prop_map(
                |(bitrate_kbps, resolution, framerate, preset, auto_start, auto_reconnect, max_retries)| Settings {
                    bitrate_kbps,
                    resolution,
                    framerate,
                    preset,
                    auto_start,
                    auto_reconnect,
                    max_retries,
                },
            )
    }

    proptest! {
        #[test]
        fn settings_survive_the_way_there_and_back(settings in settings()) {
            prop_assume!(settings.resolution.is_none_or(|r| r.to_string().parse::<Resolution>().is_ok()));
            prop_assert_eq!(Settings::try_from(v1::Settings::from(settings.clone())), Ok(settings));
        }
    }

    #[test]
    fn what_is_out_of_range_is_refused_by_name() {
        let check = |wire: v1::Settings, field: &str| assert_eq!(Settings::try_from(wire).unwrap_err().field, field);
        check(v1::Settings { bitrate_kbps: Some(499), ..Default::default() }, "settings.bitrate");
        check(v1::Settings { framerate: Some(61), ..Default::default() }, "settings.framerate");
        check(v1::Settings { preset: Some("slower".into()), ..Default::default() }, "settings.preset");
        check(v1::Settings { max_retries: Some(1001), ..Default::default() }, "settings.max_retries");
        check(v1::Settings { width: Some(1280), ..Default::default() }, "settings.resolution");
        check(v1::Settings { width: Some(1281), height: Some(720), ..Default::default() }, "settings.resolution");
    }
}
