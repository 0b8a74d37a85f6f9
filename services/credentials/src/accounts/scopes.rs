//! The permissions that are asked for, and which of them nothing works without.

use domain::platform::Platform;

/// A platform's name of a permission, and what it is for in people's words.
type Scope = (&'static str, &'static str);

/// Everything this product does on YouTube is covered by it alone.
const YOUTUBE: [Scope; 1] = [("https://www.googleapis.com/auth/youtube.force-ssl", "manage your YouTube account")];
const TWITCH: [Scope; 2] = [
    ("channel:read:stream_key", "see your channel's stream key"),
    ("channel:manage:broadcast", "manage your channel's title and category"),
];
/// To go live on one's own profile.
const PROFILE: [Scope; 1] = [("publish_video", "publish live videos on your profile")];
/// To go live on a Page.
const PAGE: [Scope; 3] = [
    ("pages_show_list", "see the list of your Pages"),
    ("pages_read_engagement", "read the content of your Pages"),
    ("pages_manage_posts", "create and manage the content of your Pages"),
];
/// Asked for, but not needed to go live.
const OPTIONAL: [&str; 1] = ["read_insights"];

/// What the sign-in page asks for.
pub(super) fn asked(platform: Platform) -> Vec<&'static str> {
    let names = |scopes: &[Scope]| scopes.iter().map(|(name, _)| *name).collect::<Vec<_>>();
    match platform {
        Platform::Youtube => names(&YOUTUBE),
        Platform::Twitch => names(&TWITCH),
        Platform::Facebook => [names(&PROFILE), names(&PAGE), OPTIONAL.to_vec()].concat(),
        Platform::Cloudflare | Platform::RtmpCustom => Vec::new(),
    }
}

/// What is missing of what was granted, in people's words; empty when it suffices. On Facebook either the profile or
/// Pages will do.
pub(super) fn missing(platform: Platform, granted: &[String]) -> Vec<&'static str> {
    let lacks = |scopes: &[Scope]| {
        let missing = scopes.iter().filter(|(name, _)| !granted.iter().any(|granted| granted == name));
        missing.map(|(_, words)| *words).collect::<Vec<_>>()
    };
    match platform {
        Platform::Youtube => lacks(&YOUTUBE),
        Platform::Twitch => lacks(&TWITCH),
        Platform::Facebook => match (lacks(&PROFILE), lacks(&PAGE)) {
            (profile, page) if profile.is_empty() || page.is_empty() => Vec::new(),
            (profile, page) => [profile, page].concat(),
        },
        Platform::Cloudflare | Platform::RtmpCustom => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(platform: Platform, granted: &[&str], expected: usize) {
        let granted: Vec<String> = granted.iter().map(|scope| (*scope).to_owned()).collect();
        assert_eq!(missing(platform, &granted).len(), expected, "{platform} {granted:?}");
    }

    #[test]
    fn what_suffices() {
        for platform in Platform::ALL {
            check(platform, &asked(platform), 0);
        }
        check(Platform::Youtube, &["https://www.googleapis.com/auth/youtube.readonly"], 1);
        check(Platform::Twitch, &["channel:read:stream_key"], 1);
        check(Platform::Twitch, &[], 2);
        check(Platform::Facebook, &["public_profile", "publish_video"], 0);
        check(Platform::Facebook, &["pages_show_list", "pages_read_engagement", "pages_manage_posts"], 0);
        check(Platform::Facebook, &["public_profile", "pages_show_list"], 3);
    }
}
