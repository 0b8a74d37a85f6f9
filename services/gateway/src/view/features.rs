//! Answers of the platforms' features.

use serde::Serialize;
use utoipa::ToSchema;
use wire::v1;

use super::{figure, some_text};

/// A Page of a Facebook account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FacebookPage)]
pub struct PageView {
    /// Facebook's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What kind of Page.
    pub category: Option<String>,
    /// Whether the account may go live on it.
    pub can_go_live: bool,
}

impl From<v1::Page> for PageView {
    fn from(page: v1::Page) -> Self {
        Self { id: page.id, name: page.name, category: some_text(page.category), can_go_live: page.can_go_live }
    }
}

/// A category (often a game) of Twitch.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TwitchCategory)]
pub struct CategoryView {
    /// The `category_id` of platform settings.
    #[schema(example = "509658")]
    pub id: String,
    /// Its name.
    #[schema(example = "Just Chatting")]
    pub name: String,
    /// Its picture.
    pub picture_url: Option<String>,
}

impl From<v1::Category> for CategoryView {
    fn from(category: v1::Category) -> Self {
        Self { id: category.id, name: category.name, picture_url: some_text(category.picture_url) }
    }
}

/// A Twitch channel as it is now.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TwitchChannel)]
pub struct ChannelView {
    /// Twitch's id.
    pub id: String,
    /// The name in its address.
    pub login: String,
    /// The name that is shown.
    pub name: String,
    /// The title of the stream.
    pub title: String,
    /// `null`: none is set.
    pub category_id: Option<String>,
    /// `null`: none is set.
    pub category_name: Option<String>,
    /// ISO 639-1, or other.
    pub language: Option<String>,
    /// At most ten.
    pub tags: Vec<String>,
}

impl From<v1::Channel> for ChannelView {
    fn from(channel: v1::Channel) -> Self {
        Self {
            id: channel.id,
            login: channel.login,
            name: channel.name,
            title: channel.title,
            category_id: some_text(channel.category_id),
            category_name: some_text(channel.category_name),
            language: some_text(channel.language),
            tags: channel.tags,
        }
    }
}

/// How to show a broadcast on another page.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Embed)]
pub struct EmbedView {
    /// The platform's own HTML; `null` while there is no broadcast.
    pub html: Option<String>,
    /// The broadcast's own page.
    pub permalink_url: Option<String>,
}

impl From<v1::Embed> for EmbedView {
    fn from(embed: v1::Embed) -> Self {
        Self { html: some_text(embed.html), permalink_url: some_text(embed.permalink_url) }
    }
}

/// One figure of a live video.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Insight)]
pub struct InsightView {
    /// The platform's name of the figure.
    #[schema(example = "total_views")]
    pub name: String,
    /// Of what time.
    #[schema(example = "lifetime")]
    pub period: String,
    /// As the platform writes it.
    #[schema(example = "17")]
    pub value: String,
}

impl From<v1::Insight> for InsightView {
    fn from(insight: v1::Insight) -> Self {
        Self { name: insight.name, period: insight.period, value: insight.value }
    }
}

/// Where to watch.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Playback)]
pub struct PlaybackView {
    /// Whether something is to be seen there: recording is on, and there has been a broadcast.
    pub available: bool,
    /// HLS manifest.
    pub hls_url: Option<String>,
    /// DASH manifest.
    pub dash_url: Option<String>,
    /// A page with a player.
    pub watch_url: Option<String>,
    /// For an iframe.
    pub iframe_url: Option<String>,
}

impl From<v1::Playback> for PlaybackView {
    fn from(playback: v1::Playback) -> Self {
        Self {
            available: playback.available,
            hls_url: some_text(playback.hls_url),
            dash_url: some_text(playback.dash_url),
            watch_url: some_text(playback.watch_url),
            iframe_url: some_text(playback.iframe_url),
        }
    }
}

/// How much was watched.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Analytics)]
pub struct AnalyticsView {
    /// First day, YYYY-MM-DD.
    #[schema(example = "2026-11-16")]
    pub from: String,
    /// The day after the last, YYYY-MM-DD.
    #[schema(example = "2026-11-23")]
    pub to: String,
    /// In all.
    pub minutes_viewed: f64,
    /// By country, ISO 3166.
    pub countries: Vec<CountryView>,
}

/// How much was watched in one country.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CountryMinutes)]
pub struct CountryView {
    /// ISO 3166.
    #[schema(example = "DE")]
    pub country: String,
    /// Minutes.
    pub minutes_viewed: f64,
}

impl AnalyticsView {
    /// Of some days.
    pub fn of(from: String, to: String, analytics: v1::Analytics) -> Self {
        let country =
            |c: v1::CountryMinutes| CountryView { country: c.country, minutes_viewed: figure(c.minutes_viewed) };
        let countries = analytics.countries.into_iter().map(country).collect();
        Self { from, to, minutes_viewed: figure(analytics.minutes_viewed), countries }
    }
}
