//! Every way to be refused, and that the key stays secret in all of them.

use std::time::{Duration, Instant};

use media::rtmp::{
    publisher::{self, PublishError, Publisher, Step},
    tls::{TlsError, Trust},
};
use testkit::{
    NginxRtmp, Proxy, Sink,
    ports::Port,
    sink::{self, Answer, Behaviour, Certificate, Duplicate, End, TestCa, Then},
};

use crate::support::{KEY, SOON, assert_secret, feed, options, publish, target};

async fn refusal(behaviour: Behaviour) -> PublishError {
    let sink = Sink::start().await.unwrap();
    sink.set(behaviour);
    let mut options = options();
    options.step_timeout = Duration::from_secs(1);
    let error = publisher::connect(target(&sink.url(), sink.addr()), options, |_, _| {}).await.unwrap_err();
    assert_eq!(sink.seen().len(), 1, "the fault must have happened");
    assert_secret(&error);
    error
}

#[tokio::test]
async fn every_refusal_has_its_name() {
    let error = refusal(Behaviour::refuse_key()).await;
    assert!(matches!(&error, PublishError::Refused { code, .. } if code == "NetStream.Publish.BadName"), "{error}");

    let words = |code: &str, description: &str| {
        Behaviour::answer(Answer::RefuseKey { code: code.into(), description: description.into() })
    };
    let error = refusal(words("NetStream.Publish.BadName", "Stream live/{key} is already being published")).await;
    let said = "Stream live/*** is already being published";
    assert!(matches!(&error, PublishError::Conflict { description } if description == said), "{error}");
    let error = refusal(words("NetStream.Publish.Denied", "no rights on {key}")).await;
    assert!(matches!(&error, PublishError::Refused { .. }), "{error}");

    let error = refusal(Behaviour::answer(Answer::RefuseConnect)).await;
    assert!(
        matches!(&error, PublishError::Refused { code, .. } if code == "NetConnection.Connect.Rejected"),
        "{error}"
    );
    let error = refusal(Behaviour::answer(Answer::CloseOnPublish)).await;
    assert!(matches!(error, PublishError::Closed(Step::Publish)), "{error}");
    let error = refusal(Behaviour::answer(Answer::SilentHandshake)).await;
    assert!(matches!(error, PublishError::Timeout(Step::Handshake)), "{error}");
    let error = refusal(Behaviour::answer(Answer::NeverRead)).await;
    assert!(matches!(error, PublishError::Timeout(Step::Handshake)), "{error}");
    let error = refusal(Behaviour::accept().after(Duration::from_secs(3))).await;
    assert!(matches!(error, PublishError::Timeout(Step::Handshake)), "{error}");
}

#[tokio::test]
async fn nginx_refuses_by_closing_and_names_a_conflict() {
    let nginx = NginxRtmp::start().await.unwrap();
    nginx.refuse(KEY).unwrap();
    let error = publish(&nginx.url(), nginx.addr()).await.unwrap_err();
    assert!(matches!(error, PublishError::Closed(Step::Publish)), "{error}");
    nginx.accept(KEY).unwrap();
    let first = publish(&nginx.url(), nginx.addr()).await.unwrap();
    let error = publish(&nginx.url(), nginx.addr()).await.unwrap_err();
    assert!(matches!(error, PublishError::Conflict { .. }), "{error}");
    assert_secret(&error);
    first.close().await;
}

#[tokio::test]
async fn nobody_listens() {
    let port = Port::draw().unwrap();
    let error = publish(&format!("rtmp://{}/live", port.addr()), port.addr()).await.unwrap_err();
    assert!(matches!(error, PublishError::Connect(_)), "{error}");
}

#[tokio::test]
async fn a_black_hole_is_left_in_time() {
    let sink = Sink::start().await.unwrap();
    let proxy = Proxy::start(sink.addr()).await.unwrap();
    proxy.change(|network| network.blackhole = true);
    let mut options = options();
    options.step_timeout = Duration::from_secs(1);
    let error = publisher::connect(target(&sink.url(), proxy.addr()), options, |_, _| {}).await.unwrap_err();
    assert!(matches!(error, PublishError::Timeout(Step::Handshake)), "{error}");
    assert_eq!((proxy.accepted(), sink.seen().len()), (1, 0));
}

#[tokio::test]
async fn a_bad_certificate_is_refused_before_the_key() {
    let ca = TestCa::new().unwrap();
    for certificate in [Certificate::SelfSigned, Certificate::WrongHost, Certificate::Expired] {
        let tls = Some((ca.clone(), certificate));
        let sink = Sink::start_with(sink::Options { tls, ..sink::Options::default() }).await.unwrap();
        let proxy = Proxy::start(sink.addr()).await.unwrap();
        let mut options = options();
        options.trust = Trust::system(Some(ca.file())).unwrap();
        let error = publisher::connect(target(&sink.url(), proxy.addr()), options, |_, _| {}).await.unwrap_err();
        match (certificate, &error) {
            (Certificate::WrongHost, PublishError::Tls(TlsError::WrongHost(_))) => {}
            (Certificate::SelfSigned | Certificate::Expired, PublishError::Tls(TlsError::UntrustedCertificate(_))) => {}
            _ => panic!("{certificate:?}: {error:?}"),
        }
        let seen = sink.wait_for("the end", SOON, |seen| seen[0].ended.map(|_| seen[0].clone())).await.unwrap();
        assert_eq!((seen.ended.map(|ended| ended.1), seen.bytes), (Some(End::Broken), 0), "{certificate:?}");
        // A ClientHello and an alert; RTMP's handshake alone would be 1537 bytes.
        assert!(proxy.forwarded().0 < 1_537, "{certificate:?}: {:?}", proxy.forwarded());
    }
}

#[tokio::test]
async fn a_certificate_of_an_authority_we_were_not_told_about_is_refused() {
    let tls = Some((TestCa::new().unwrap(), Certificate::Valid));
    let sink = Sink::start_with(sink::Options { tls, ..sink::Options::default() }).await.unwrap();
    let error = publish(&sink.url(), sink.addr()).await.unwrap_err();
    assert!(matches!(error, PublishError::Tls(TlsError::UntrustedCertificate(_))), "{error:?}");
}

#[tokio::test]
async fn tls_is_not_spoken_there() {
    let sink = Sink::start().await.unwrap();
    let url = sink.url().replace("rtmp:", "rtmps:");
    let error = publisher::connect(target(&url, sink.addr()), options(), |_, _| {}).await.unwrap_err();
    assert!(matches!(error, PublishError::Tls(_) | PublishError::Closed(Step::Tls)), "{error:?}");
    assert_eq!(sink.look(|seen| seen[0].key_sha256.len()), 0);
}

#[tokio::test]
async fn a_second_publisher_meets_what_the_server_does_with_it() {
    let sink = |duplicate| Sink::start_with(sink::Options { duplicate, ..sink::Options::default() });
    let refusing = sink(Duplicate::Refuse).await.unwrap();
    let _first = publish(&refusing.url(), refusing.addr()).await.unwrap();
    let error = publish(&refusing.url(), refusing.addr()).await.unwrap_err();
    assert!(matches!(error, PublishError::Conflict { .. }), "{error}");

    let kicking = sink(Duplicate::KickFirst).await.unwrap();
    let mut first = publish(&kicking.url(), kicking.addr()).await.unwrap();
    let _second = publish(&kicking.url(), kicking.addr()).await.unwrap();
    let error = feed(&mut first, 1_000, |_, _| false).await.unwrap_err();
    assert!(matches!(error, PublishError::Closed(Step::Live)), "{error}");

    let patient = sink(Duplicate::TakeBoth).await.unwrap();
    let mut both = Vec::new();
    for _ in 0..2 {
        both.push(publish(&patient.url(), patient.addr()).await.unwrap());
    }
    let [first, second] = &mut both[..] else { unreachable!() };
    let began = Instant::now();
    let enough = |_: &Publisher, now: Instant| now.duration_since(began) > Duration::from_secs(1);
    let (one, other) = tokio::join!(feed(first, 1_000, enough), feed(second, 1_000, enough));
    one.unwrap();
    other.unwrap();
    assert!(patient.overlap_ms() > 500, "the sink must see it: {}", patient.overlap_ms());
}

#[tokio::test]
async fn a_reset_and_a_close_are_seen_at_once() {
    for then in [Then::Reset(100_000), Then::Close(100_000)] {
        let sink = Sink::start().await.unwrap();
        sink.set(Behaviour::then(then.clone()));
        let mut publisher = publish(&sink.url(), sink.addr()).await.unwrap();
        let error = feed(&mut publisher, 4_000, |_, _| false).await.unwrap_err();
        assert!(matches!(error, PublishError::Closed(Step::Live)), "{error:?}");
        let (at, _) = sink.wait_for("its end", SOON, |seen| seen[0].ended).await.unwrap();
        assert!(at.elapsed() < Duration::from_millis(300), "{then:?}: {:?}", at.elapsed());
    }
}

#[tokio::test]
async fn a_server_that_restarts_is_found_again() {
    let sink = Sink::start().await.unwrap();
    let mut publisher = publish(&sink.url(), sink.addr()).await.unwrap();
    sink.go_down().await.unwrap();
    let error = feed(&mut publisher, 1_000, |_, _| false).await.unwrap_err();
    assert!(matches!(error, PublishError::Closed(Step::Live)), "{error:?}");
    assert!(matches!(publish(&sink.url(), sink.addr()).await, Err(PublishError::Connect(_))));
    sink.come_back().unwrap();
    publish(&sink.url(), sink.addr()).await.unwrap().close().await;
}

#[tokio::test]
async fn an_idle_publisher_sees_the_end_too() {
    let sink = Sink::start().await.unwrap();
    let mut publisher = publish(&sink.url(), sink.addr()).await.unwrap();
    sink.close();
    let ended = tokio::time::timeout(Duration::from_secs(1), publisher.drive()).await.unwrap();
    assert!(matches!(ended, Err(PublishError::Closed(Step::Live))));
}
