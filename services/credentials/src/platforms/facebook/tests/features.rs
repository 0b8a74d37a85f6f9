//! Pages, changes, embedding, figures.

use domain::platform_settings::{PlatformSettings, Privacy};
use platform_sim::{Fault, errors};

use super::{bench::Bench, media::Live};
use crate::platforms::{Applied, Features, Lifecycle, State};

#[tokio::test]
async fn pages_and_where_one_may_go_live() {
    let bench = Bench::start().await;
    let pages = bench.facebook.pages(&bench.run).await.unwrap();
    let shown: Vec<_> = pages.iter().map(|page| (page.id.clone(), page.name.as_str(), page.can_go_live)).collect();
    assert_eq!(shown, [(bench.page(0), "Alice Live", true), (bench.page(1), "Alice Archive", false)]);
}

#[tokio::test]
async fn many_pages_come_in_several_answers() {
    let bench = Bench::start().await;
    let page = |id: u32| serde_json::json!({"id": id.to_string(), "name": "n", "access_token": "t", "tasks": ["PROFILE_PLUS_CREATE_CONTENT"]});
    let paging = serde_json::json!({"cursors": {"after": "c"}, "next": "https://graph.facebook.com/?after=c"});
    let path = "/graph/v26.0/me/accounts";
    bench.sim.fault(Fault::on("GET", path).answer(200, serde_json::json!({"data": [page(1)], "paging": paging})));
    let last = Fault { contains: Some("after=c".to_owned()), ..Fault::on("GET", path) };
    bench.sim.fault(last.answer(200, serde_json::json!({"data": [page(2)]})));
    let pages = bench.facebook.pages(&bench.run).await.unwrap();
    assert_eq!(pages.iter().map(|page| page.id.as_str()).collect::<Vec<_>>(), ["1", "2"]);
    assert!(pages.iter().all(|page| page.can_go_live));
}

#[tokio::test]
async fn a_list_that_never_ends_is_left() {
    let bench = Bench::start().await;
    let paging = serde_json::json!({"cursors": {"after": "c"}, "next": "https://graph.facebook.com/?after=c"});
    let body = serde_json::json!({"data": [], "paging": paging});
    bench.sim.fault(Fault::on("GET", "/graph/v26.0/me/accounts").answer(200, body).times(0));
    assert_eq!(bench.facebook.pages(&bench.run).await.unwrap(), []);
    assert_eq!(bench.journal().len(), 5);
}

fn applied(now: &[&str], later: &[&str]) -> Applied {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Applied { applied: owned(now), later: owned(later) }
}

#[tokio::test]
async fn changes_take_effect_at_once_where_they_can() {
    let mut bench = Bench::start().await;
    let changes = PlatformSettings {
        title: Some("New".to_owned()),
        description: Some("Text".to_owned()),
        privacy: Some(Privacy::Friends),
        page_id: Some("1".to_owned()),
        ..PlatformSettings::default()
    };
    // Nothing is on: all of it comes with the next one.
    let got = bench.facebook.apply(&bench.run, &changes).await.unwrap();
    assert_eq!(got, applied(&[], &["title", "description", "privacy", "page_id"]));
    bench.prepare(&bench.run).await.unwrap();
    bench.run.settings.title = changes.title.clone();
    let got = bench.facebook.apply(&bench.run, &changes).await.unwrap();
    assert_eq!(got, applied(&["title", "description", "privacy"], &["page_id"]));
    assert_eq!(bench.sim.state()["facebook"]["lives"][0]["title"], "New");
    bench.finish().await.unwrap();
    let got = bench.facebook.apply(&bench.run, &changes).await.unwrap();
    assert_eq!(got.applied, [""; 0]);
}

#[tokio::test]
async fn a_page_stays_public() {
    let mut bench = Bench::start().await.on_page();
    bench.prepare(&bench.run).await.unwrap();
    let changes = PlatformSettings { privacy: Some(Privacy::Private), ..PlatformSettings::default() };
    let failure = bench.facebook.apply(&bench.run, &changes).await.unwrap_err();
    assert_eq!(failure.code(), "platform_refused");
    let calls = bench.journal().len();
    bench.run.settings.privacy = Some(Privacy::Friends);
    bench.run.take += 1;
    assert_eq!(bench.facebook.prepare(&bench.run).await.unwrap_err().code(), "platform_refused");
    assert_eq!(bench.journal().len(), calls);
}

#[tokio::test]
async fn embedding_and_figures() {
    let mut bench = Bench::start().await.on_page();
    assert_eq!(bench.facebook.embed(&bench.run).await.unwrap_err().code(), "broadcast_ended");
    assert_eq!(bench.facebook.insights(&bench.run).await.unwrap_err().code(), "broadcast_ended");
    let ready = bench.prepare(&bench.run).await.unwrap();
    let _live = Live::start(&ready.rtmp_url, &bench.key().await).await.unwrap();
    bench.run.publishing_ms = bench.sim.now_ms();
    bench.until_state(State::Live).await;
    bench.until("viewers", |truth| truth.viewers > 0).await;
    let embed = bench.facebook.embed(&bench.run).await.unwrap();
    assert!(embed.html.starts_with("<iframe") && embed.permalink_url.starts_with("https://www.facebook.com/"));
    let figures = bench.facebook.insights(&bench.run).await.unwrap();
    let names: Vec<&str> = figures.iter().map(|figure| figure.name.as_str()).collect();
    assert_eq!(&names[..3], ["live_views", "total_views", "total_video_views"]);
    assert!(figures[0].value.parse::<u64>().unwrap() > 0);
    // Without the permission for more, what is known is still told.
    let body = errors::facebook(200, None, "(#200) Requires read_insights permission");
    bench.sim.fault(Fault::on("GET", "/graph/v26.0/*/video_insights").answer(403, body));
    assert_eq!(bench.facebook.insights(&bench.run).await.unwrap().len(), 2);
    // It is a recording now, and still has figures.
    bench.finish().await.unwrap();
    assert!(bench.facebook.insights(&bench.run).await.unwrap().len() > 2);
}

#[tokio::test]
async fn without_an_account() {
    let mut bench = Bench::start().await;
    bench.run.account = None;
    assert_eq!(bench.facebook.pages(&bench.run).await.unwrap_err().code(), "account_not_linked");
    assert_eq!(bench.facebook.prepare(&bench.run).await.unwrap_err().code(), "account_not_linked");
    assert_eq!(bench.journal().len(), 0);
}
