//! The platforms.

use crate::v1;

super::enum_conversion!(domain::platform::Platform, v1::Platform, "platform", {
    Youtube <=> Youtube,
    Twitch <=> Twitch,
    Facebook <=> Facebook,
    Cloudflare <=> Cloudflare,
    RtmpCustom <=> RtmpCustom,
});

#[cfg(test)]
mod tests {
    use domain::platform::Platform;

    use crate::v1;

    #[test]
    fn every_platform_survives_the_way_there_and_back() {
        for platform in Platform::ALL {
            assert_eq!(v1::Platform::to_domain(v1::Platform::from(platform) as i32), Ok(platform));
        }
    }

    #[test]
    fn unspecified_and_unknown_numbers_are_refused() {
        for number in [0, -1, 6, i32::MAX] {
            assert_eq!(v1::Platform::to_domain(number).unwrap_err().field, "platform");
        }
    }
}
