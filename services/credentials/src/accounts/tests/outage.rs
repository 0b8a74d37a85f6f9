use platform_sim::{Fault, Reset};
use secret::ExposeSecret;
use serde_json::{Value, json};
use testkit::{postgres, wait::until_true};

use super::{super::Status, refresh::stored, *};
use crate::crypto::Field;

const SOON: Duration = Duration::from_secs(10);

/// Everything but the platform's plain word that the grant is dead. With each: how long it is until the next attempt.
fn troubles(on: Platform) -> Vec<(&'static str, Fault)> {
    let (method, path) = token_endpoint(on);
    let answer = |status, body| Fault::on(method, path).answer(status, body);
    let mut slower = answer(429, json!({"message": "slow down"}));
    slower.headers.insert("retry-after".into(), "45".into());
    let mut elsewhere = answer(302, Value::Null);
    elsewhere.headers.insert("location".into(), "http://127.0.0.1:1/steal".into());
    vec![
        ("500", answer(500, json!({"status": 500, "message": "Invalid refresh token"}))),
        ("503 in HTML", answer(503, "<html>invalid_grant</html>".into())),
        ("429", slower),
        ("200 in HTML", answer(200, "<html>captive portal</html>".into())),
        ("200 without a token", answer(200, json!({"token_type": "bearer"}))),
        ("10 MB", answer(200, "a".repeat(10 << 20).into())),
        ("a redirect", elsewhere),
        ("400 without a reason", answer(400, json!({}))),
        ("reset", Fault::on(method, path).reset(Reset::Before)),
        ("our application is wrong", answer(401, json!({"error": "invalid_client", "message": "invalid client"}))),
    ]
}

/// To about three minutes before the end of the token; on Facebook, to eight days.
fn near_the_end(world: &World, account: &Account) {
    let left_s = if account.platform == Platform::Facebook { 8 * 86_400 } else { 180 };
    let ms = account.token_expires_ms - world.sim.now_ms() - left_s * 1_000;
    world.advance(Duration::from_millis(u64::try_from(ms).expect("not yet near")));
}

#[tokio::test]
async fn trouble_never_loses_a_grant_and_the_old_token_is_used_while_it_lasts() {
    let world = World::start().await;
    let replicas = [world.replica().await, world.replica().await];
    for on in PLATFORMS {
        for (what, fault) in troubles(on) {
            let account = world.link(&replicas[0], on).await;
            near_the_end(&world, &account);
            let before = world.refreshes(on).len();
            world.sim.fault(fault);
            for turn in 0..6 {
                let old = replicas[turn % 2].tokens(&account).token().await;
                let old = old.unwrap_or_else(|failure| panic!("{on} {what} {turn}: {failure:?}"));
                assert_eq!(old.version, account.token_version, "{on} {what}: the old one");
            }
            assert_eq!(world.refreshes(on).len() - before, 1, "{on} {what}: no storm");
            assert_eq!(world.sim.faults().last().map(|(_, met)| *met), Some(1), "{on} {what}: the fault was met");
            world.sim.clear_faults();
            world.advance(Duration::from_secs(62));
            let new = replicas[1].tokens(&account).token().await.expect("a token");
            assert_eq!(new.version, account.token_version + 1, "{on} {what}: healed");
        }
    }
}

#[tokio::test]
async fn without_a_usable_token_the_trouble_is_told_with_a_pause() {
    let mut world = World::start().await;
    world.http.total = Duration::from_millis(300);
    let accounts = world.replica().await;
    for on in [Platform::Youtube, Platform::Twitch] {
        let account = world.link(&accounts, on).await;
        world.advance(Duration::from_secs(5 * 3_600));
        let (method, path) = token_endpoint(on);
        // Nothing is applied: the platform is silent for longer than anybody waits.
        let silent =
            Fault { apply: Some(false), ..Fault::on(method, path).delay(Duration::from_millis(600), Duration::ZERO) };
        world.sim.fault(silent);
        let before = world.refreshes(on).len();
        let failure = accounts.tokens(&account).token().await.expect_err("silent");
        assert_eq!((failure.code(), failure.is_transient()), ("platform_unavailable", true), "{on}");
        let failure = accounts.tokens(&account).token().await.expect_err("a pause");
        assert!(failure.after.is_some_and(|after| after <= Duration::from_secs(1)), "{on} {failure:?}");
        assert_eq!(world.refreshes(on).len() - before, 1, "{on}");
        world.advance(Duration::from_secs(2));
        assert_eq!(accounts.tokens(&account).token().await.expect("healed").version, account.token_version + 1);
    }
}

#[tokio::test]
async fn an_answer_that_was_lost_after_twitch_rotated_ends_in_one_request_to_sign_in() {
    let world = World::start().await;
    let accounts = world.replica().await;
    let account = world.link(&accounts, Platform::Twitch).await;
    world.advance(Duration::from_secs(5 * 3_600));
    world.sim.fault(Fault::on("POST", "/twitch-id/oauth2/token").reset(Reset::After));
    let lost = accounts.tokens(&account).token().await.expect_err("no answer");
    assert!(lost.is_transient(), "nobody knows yet: {lost:?}");
    world.advance(Duration::from_secs(2));
    for _ in 0..3 {
        let failure = accounts.tokens(&account).token().await.expect_err("the old one is dead");
        assert_eq!(failure.code(), "reauth_required");
    }
    assert_eq!(world.refreshes(Platform::Twitch).len(), 2);
}

#[tokio::test]
async fn a_platform_that_answers_nonsense_ends_a_sign_in_and_nothing_is_kept() {
    let mut world = World::start().await;
    world.http.total = Duration::from_millis(500);
    let accounts = world.replica().await;
    let profiles = ["/youtube/v3/channels", "/helix/users", "/graph/v26.0/me"];
    for (on, profile) in PLATFORMS.into_iter().zip(profiles) {
        for at_profile in [false, true] {
            for (what, mut fault) in troubles(on) {
                if at_profile {
                    (fault.method, fault.path) = (Some("GET".into()), profile.into());
                }
                world.sim.fault(fault);
                let outcome = world.link_as(&accounts, &tenant(), on, &Consent::of("alice")).await;
                let code = code(outcome.expect_err("refused"));
                let known = ["platform_unavailable", "platform_rate_limited", "platform_refused", "exchange_failed"];
                assert!(known.contains(&code.as_str()), "{on} {what}: {code}");
                assert_eq!(world.sim.faults().last().map(|(_, met)| *met), Some(1), "{on} {what}: the fault was met");
                world.sim.clear_faults();
            }
        }
    }
    assert_eq!(world.count("SELECT count(*) FROM credentials.accounts").await, 0);
    assert_eq!(world.count("SELECT count(*) FROM credentials.secrets").await, 0);
    assert!(!world.sim.journal().iter().any(|call| call.path.contains("steal")), "no redirect is followed");
}

#[tokio::test]
async fn a_pair_outlives_the_database_that_was_away_when_it_came() {
    let world = World::start_on(postgres::Options { durable: true, ..postgres::Options::default() }).await;
    let accounts = world.replica().await;
    let account = world.link(&accounts, Platform::Twitch).await;
    world.advance(Duration::from_secs(5 * 3_600));
    let slow = Fault::on("POST", "/twitch-id/oauth2/token").delay(Duration::ZERO, Duration::from_millis(500));
    world.sim.fault(slow);
    let tokens = accounts.tokens(&account);
    let waiting = tokio::spawn(async move { tokens.token().await });
    until_true("the call", SOON, async || !world.refreshes(Platform::Twitch).is_empty()).await.expect("in time");
    world.postgres.kill();
    until_true("the answer", SOON, async || world.refreshes(Platform::Twitch)[0].status == Some(200))
        .await
        .expect("in time");
    world.postgres.restart().await.expect("restarts");
    // The caller may have been told to come again meanwhile.
    let told = waiting.await.expect("runs");
    assert!(
        told.as_ref().is_ok_and(|token| token.version == account.token_version + 1)
            || told.is_err_and(|f| f.is_transient())
    );
    let other = world.replica().await;
    until_true("the pair", Duration::from_secs(40), async || {
        let known = other.find(&tenant(), account.id).await;
        known.is_ok_and(|known| known.is_some_and(|known| known.token_version == account.token_version + 1))
    })
    .await
    .expect("written in the end");
    let token = other.tokens(&account).token().await.expect("a token");
    assert_eq!(stored(&other, &account, Field::AccessToken).await, token.secret.expose_secret());
    assert_eq!(world.refreshes(Platform::Twitch).len(), 1);
    world.advance(Duration::from_secs(5 * 3_600));
    other.tokens(&account).token().await.expect("the rotated one was kept");
    assert_eq!(world.refreshes(Platform::Twitch).len(), 2);
}

#[tokio::test]
async fn a_refresh_goes_on_when_its_caller_gives_up() {
    let world = World::start().await;
    let accounts = world.replica().await;
    let account = world.link(&accounts, Platform::Twitch).await;
    world.advance(Duration::from_secs(5 * 3_600));
    let slow = Fault::on("POST", "/twitch-id/oauth2/token").delay(Duration::ZERO, Duration::from_millis(300));
    world.sim.fault(slow);
    let tokens = accounts.tokens(&account);
    let given_up = tokio::time::timeout(Duration::from_millis(150), tokens.token()).await;
    assert!(given_up.is_err(), "the caller was faster");
    until_true("the pair", SOON, async || {
        let known = accounts.find(&tenant(), account.id).await.expect("answers").expect("there");
        (known.token_version, known.status) == (account.token_version + 1, Status::Ok)
    })
    .await
    .expect("in time");
    assert_eq!(world.refreshes(Platform::Twitch).len(), 1);
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_counts() {
    let world = World::start().await;
    let accounts = world.replica().await;
    let account = world.link(&accounts, Platform::Twitch).await;
    let old = SecretString::from(stored(&accounts, &account, Field::RefreshToken).await);
    let this = &*accounts.0;
    let provider = this.provider(Platform::Twitch).expect("configured");
    let grant = super::super::endpoint::refresh(provider, &this.http, &old).await.expect("a pair");
    this.write_anew(&account, &this.renewed(&account, &grant), &grant).await.expect("written");
    let tx = this.side.begin().await.expect("connects");
    let held = Box::pin(this.keep_pair(tx, account.clone(), grant)).await.expect("it is there");
    assert_eq!(held.account.token_version, account.token_version + 1);
}

#[tokio::test]
async fn a_slow_platform_holds_up_neither_another_nor_the_vault() {
    let world = World::start().await;
    let accounts = world.replica().await;
    let mut waiting = Vec::new();
    for n in 0..10 {
        let who = TenantId(format!("tenant-{n}"));
        let account = world.link_as(&accounts, &who, Platform::Youtube, &Consent::of("alice")).await.expect("linked");
        waiting.push(accounts.tokens(&account));
    }
    let twitch = world.link(&accounts, Platform::Twitch).await;
    world.advance(Duration::from_secs(5 * 3_600));
    let slow = Fault::on("POST", "/google-oauth/token").delay(Duration::ZERO, Duration::from_millis(700)).times(0);
    world.sim.fault(slow);
    let waiting: Vec<_> = waiting.into_iter().map(|tokens| tokio::spawn(async move { tokens.token().await })).collect();
    until_true("the calls", SOON, async || world.refreshes(Platform::Youtube).len() == 2).await.expect("in time");
    accounts.tokens(&twitch).token().await.expect("a token");
    accounts.list(&tenant(), None).await.expect("lists");
    accounts.begin_link(&tenant(), Platform::Youtube).await.expect("seals");
    assert!(waiting.iter().filter(|task| task.is_finished()).count() <= 2, "all that was meanwhile");
    for task in waiting {
        task.await.expect("runs").expect("in its turn");
    }
    assert_eq!(world.refreshes(Platform::Youtube).len(), 10);
}
