use platform_sim::{Fault, contract::Contract, errors};
use serde_json::json;

use super::{super::Status, *};

#[tokio::test]
async fn an_account_is_linked_with_name_picture_and_scopes_and_keeps_its_id() {
    let world = World::start().await;
    let accounts = world.replica().await;
    for (on, name) in
        [(Platform::Youtube, "Alice on YouTube"), (Platform::Twitch, "Alice"), (Platform::Facebook, "Alice")]
    {
        assert!(accounts.configured(on));
        let first = world.link(&accounts, on).await;
        assert_eq!((first.name.as_str(), first.status), (name, Status::Ok), "{on}");
        assert!(first.picture_url.starts_with("https://"), "{first:?}");
        assert!(first.token_expires_ms > world.sim.now_ms() && !first.scopes.is_empty(), "{first:?}");
        let ids = world.sim.account("alice");
        let theirs = ids[on.as_str()]["id"].as_str().or(ids["youtube"]["channel_id"].as_str());
        assert_eq!(Some(first.external_id.as_str()), theirs, "{on}");
        let again = world.link(&accounts, on).await;
        assert_eq!((again.id, again.token_version), (first.id, first.token_version + 1), "{on}");
        // Somebody else's link of the same account is another one.
        let foreign = world.link_as(&accounts, &other_tenant(), on, &Consent::of("alice")).await.expect("linked");
        assert_ne!(foreign.id, first.id);
        assert_eq!(accounts.find(&other_tenant(), first.id).await.expect("answers"), None, "a foreign id is unknown");
        assert_eq!(accounts.only(&tenant(), on).await.expect("one").id, first.id);
        world.link_as(&accounts, &tenant(), on, &Consent::of("bob")).await.expect("linked");
        assert_eq!(accounts.only(&tenant(), on).await.expect_err("two").code(), "account_ambiguous");
        assert_eq!(accounts.list(&tenant(), Some(on)).await.expect("lists").len(), 2);
    }
    assert_eq!(accounts.list(&tenant(), None).await.expect("lists").len(), 6);
    let nobody = TenantId("nobody".into());
    assert_eq!(accounts.only(&nobody, Platform::Twitch).await.expect_err("none").code(), "account_not_linked");
    // The long-lived token of sixty days, not the short one.
    let facebook = accounts.list(&tenant(), Some(Platform::Facebook)).await.expect("lists");
    assert!(facebook[0].token_expires_ms - world.sim.now_ms() > 59 * 86_400_000);
    assert_eq!(world.count("SELECT count(*) FROM credentials.secrets WHERE kind = 'authorization'").await, 0);
    if let Some(contract) = Contract::find().expect("readable") {
        assert_eq!(contract.violations(&world.sim.journal()), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_state_is_good_once_for_its_tenant_and_platform_for_ten_minutes() {
    let world = World::start().await;
    let accounts = world.replica().await;
    let on = Platform::Twitch;
    let begun = accounts.begin_link(&tenant(), on).await.expect("begins");
    assert!(begun.state.len() >= 43 && begun.auth_url.contains(&begun.state));
    let (code_of, state) = world.agree(&begun.auth_url, &Consent::default());
    let finish =
        async |who: &TenantId, on, state: &str| accounts.finish_link(who, on, code_of.clone(), Some(state)).await;
    for (who, on, state) in [
        (&other_tenant(), on, state.as_str()),
        (&tenant(), Platform::Youtube, state.as_str()),
        (&tenant(), on, "unknown"),
        (&tenant(), on, ""),
    ] {
        let error = finish(who, on, state).await.expect_err("refused");
        assert_eq!(code(error), "authorization_invalid", "{who} {on}");
    }
    finish(&tenant(), on, &state).await.expect("still good: nobody else can use it up");
    assert_eq!(code(finish(&tenant(), on, &state).await.expect_err("used")), "authorization_invalid");
    // The code is good once too, and says so.
    let begun = accounts.begin_link(&tenant(), on).await.expect("begins");
    assert_eq!(code(finish(&tenant(), on, &begun.state).await.expect_err("replayed")), "exchange_failed");
    let begun = accounts.begin_link(&tenant(), on).await.expect("begins");
    let (code_of, state) = world.agree(&begun.auth_url, &Consent::default());
    world.clock.advance(Duration::from_secs(601));
    let late = accounts.finish_link(&tenant(), on, code_of, Some(&state)).await;
    assert_eq!(code(late.expect_err("too late")), "authorization_invalid");
}

#[tokio::test]
async fn a_state_may_be_left_out_when_one_sign_in_is_pending() {
    let mut world = World::start().await;
    let accounts = world.replica().await;
    let on = Platform::Youtube;
    let none = accounts.finish_link(&tenant(), on, SecretString::from("4/x".to_owned()), None).await;
    assert_eq!(code(none.expect_err("none is pending")), "authorization_invalid");
    accounts.begin_link(&other_tenant(), on).await.expect("another tenant's does not count");
    accounts.begin_link(&tenant(), Platform::Twitch).await.expect("another platform's does not count");
    let first = accounts.begin_link(&tenant(), on).await.expect("begins");
    let second = accounts.begin_link(&tenant(), on).await.expect("begins");
    let (code_of, _) = world.agree(&first.auth_url, &Consent::default());
    let two = accounts.finish_link(&tenant(), on, code_of.clone(), None).await;
    assert_eq!(code(two.expect_err("two are pending")), "authorization_ambiguous");
    // Each verifier belongs to its own challenge.
    let mixed = accounts.finish_link(&tenant(), on, code_of.clone(), Some(&second.state)).await;
    assert_eq!(code(mixed.expect_err("the other's verifier")), "exchange_failed");
    accounts.finish_link(&tenant(), on, code_of, None).await.expect("one is pending");
    // A denial uses its sign-in up, so the next one is the only one again.
    let denied = accounts.begin_link(&tenant(), on).await.expect("begins");
    let refused = accounts.finish_link(&tenant(), on, SecretString::from(String::new()), Some(&denied.state)).await;
    assert_eq!(code(refused.expect_err("denied")), "authorization_denied");
    let gone = accounts.finish_link(&tenant(), on, SecretString::from("4/x".to_owned()), None).await;
    assert_eq!(code(gone.expect_err("none is pending")), "authorization_invalid");
    world.config.oauth_require_state = true;
    let strict = world.replica().await;
    strict.begin_link(&tenant(), on).await.expect("begins");
    let refused = strict.finish_link(&tenant(), on, SecretString::from("4/x".to_owned()), None).await;
    assert_eq!(code(refused.expect_err("state is required")), "authorization_ambiguous");
}

#[tokio::test]
async fn at_most_twenty_sign_ins_are_pending_and_they_pass() {
    let world = World::start().await;
    let accounts = world.replica().await;
    let oldest = accounts.begin_link(&tenant(), Platform::Youtube).await.expect("begins");
    for _ in 0..25 {
        world.clock.advance(Duration::from_millis(1));
        accounts.begin_link(&tenant(), Platform::Youtube).await.expect("begins");
    }
    let pending = "SELECT count(*) FROM credentials.authorizations";
    let sealed = "SELECT count(*) FROM credentials.secrets WHERE kind = 'authorization'";
    assert_eq!((world.count(pending).await, world.count(sealed).await), (20, 20));
    let (code_of, state) = world.agree(&oldest.auth_url, &Consent::default());
    let pushed = accounts.finish_link(&tenant(), Platform::Youtube, code_of, Some(&state)).await;
    assert_eq!(code(pushed.expect_err("pushed out")), "authorization_invalid");
    world.clock.advance(Duration::from_secs(601));
    accounts.maintain().await;
    assert_eq!((world.count(pending).await, world.count(sealed).await), (0, 0));
}

#[tokio::test]
async fn permissions_that_were_left_out_are_named() {
    let world = World::start().await;
    let accounts = world.replica().await;
    for (on, granted, missing) in [
        (Platform::Youtube, "https://www.googleapis.com/auth/youtube.readonly", "manage your YouTube account"),
        (Platform::Twitch, "channel:manage:broadcast", "see your channel's stream key"),
        (Platform::Facebook, "pages_show_list", "publish live videos on your profile"),
    ] {
        let consent = Consent { scopes: Some(vec![granted.to_owned()]), ..Consent::of("alice") };
        let refused = world.link_as(&accounts, &tenant(), on, &consent).await.expect_err("refused");
        let status = tonic::Status::from(refused);
        assert_eq!(service_kit::grpc::error_code(&status), Some("scope_missing"), "{on}");
        assert!(status.message().contains(missing), "{}", status.message());
    }
    let pages = ["pages_show_list", "pages_read_engagement", "pages_manage_posts"].map(str::to_owned).to_vec();
    let consent = Consent { scopes: Some(pages), ..Consent::of("alice") };
    world.link_as(&accounts, &tenant(), Platform::Facebook, &consent).await.expect("Pages alone will do");
}

#[tokio::test]
async fn what_people_can_put_right_is_said() {
    let world = World::start().await;
    let accounts = world.replica().await;
    world.sim.set_flags("bob", |flags| flags.youtube_channel = false);
    let no_channel = world.link_as(&accounts, &tenant(), Platform::Youtube, &Consent::of("bob")).await;
    let Err(Error::Platform(failure)) = no_channel else { panic!("{no_channel:?}") };
    assert!(failure.fault.message.contains("Create a channel first") && !failure.is_transient(), "{failure:?}");
    // Without a refresh token the link would last an hour.
    let answer = json!({"access_token": "ya29.short", "expires_in": 3599, "token_type": "Bearer"});
    world.sim.fault(Fault::on("POST", "/google-oauth/token").answer(200, answer));
    let short = world.link_as(&accounts, &tenant(), Platform::Youtube, &Consent::of("alice")).await;
    assert_eq!(code(short.expect_err("no refresh token")), "exchange_failed");
    let over = errors::youtube(403, "youtube.quota", "quotaExceeded", "over");
    world.sim.fault(Fault::on("GET", "/youtube/v3/channels").answer(403, over));
    for turn in 0..2 {
        let quota = world.link_as(&accounts, &tenant(), Platform::Youtube, &Consent::of("alice")).await;
        assert_eq!(code(quota.expect_err("used up")), "platform_quota_exceeded", "{turn}");
    }
    assert_eq!(world.sim.calls("GET", "/youtube/v3/channels").len(), 2, "not asked again; bob was the first");
    let wrong = errors::google_oauth("invalid_client", "Unauthorized");
    world.sim.fault(Fault::on("POST", "/google-oauth/token").answer(401, wrong));
    let ours = world.link_as(&accounts, &tenant(), Platform::Youtube, &Consent::of("alice")).await;
    assert_eq!(code(ours.expect_err("our application")), "platform_refused");
    assert_eq!(world.count("SELECT count(*) FROM credentials.accounts").await, 0);
}

#[tokio::test]
async fn a_platform_without_credentials_is_not_offered() {
    let mut world = World::start().await;
    world.config.twitch_client_secret = None;
    world.config.facebook_app_id = Some(String::new());
    let accounts = world.replica().await;
    let offered = Platform::ALL.map(|platform| accounts.configured(platform));
    assert_eq!(offered, [true, false, false, false, true]);
    for on in [Platform::Twitch, Platform::Facebook, Platform::Cloudflare, Platform::RtmpCustom] {
        let refused = accounts.begin_link(&tenant(), on).await.expect_err("not set up");
        assert_eq!(code(refused), "platform_not_configured", "{on}");
    }
}
