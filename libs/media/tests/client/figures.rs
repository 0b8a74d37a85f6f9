//! What a publish costs. Run by hand: `cargo nextest run -p media --run-ignored only cost`.

use std::time::{Duration, Instant};

use media::rtmp::{publisher, tls::Trust};
use testkit::{
    NginxRtmp, Sink,
    sink::{self, Certificate, TestCa},
};

use crate::support::{feed, options, target};

/// CPU time of the calling thread.
fn cpu() -> Duration {
    let line = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(line.split(' ').next().unwrap().parse().unwrap())
}

/// Runs the publisher alone on this thread (a runtime of its own); the servers are elsewhere.
fn cost(url: &str, addr: std::net::SocketAddr, trust: Trust) -> f64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut options = options();
        options.trust = trust;
        let mut publisher = publisher::connect(target(url, addr), options, |_, _| {}).await.unwrap();
        let mut from = None;
        feed(&mut publisher, 6_000, |_, now| {
            let (began, _) = *from.get_or_insert((now, cpu()));
            now.duration_since(began) > Duration::from_secs(15)
        })
        .await
        .unwrap();
        let (began, used) = from.unwrap();
        let share = (cpu() - used).as_secs_f64() / Instant::now().duration_since(began).as_secs_f64();
        publisher.close().await;
        share * 100.0
    })
}

#[test]
#[ignore = "measures for a minute"]
fn cost_of_a_publish_at_6_mbps() {
    let servers = tokio::runtime::Runtime::new().unwrap();
    let ca = TestCa::new().unwrap();
    let tls = Some((ca.clone(), Certificate::Valid));
    let (nginx, secure) = servers.block_on(async {
        let secure = Sink::start_with(sink::Options { tls, keep_bytes: 0, ..sink::Options::default() }).await.unwrap();
        (NginxRtmp::start().await.unwrap(), secure)
    });
    let plain = cost(&nginx.url(), nginx.addr(), Trust::only(ca.file()).unwrap());
    let tls = cost(&secure.url(), secure.addr(), Trust::only(ca.file()).unwrap());
    println!("6 Mbit/s: rtmp {plain:.2} %, rtmps {tls:.2} % of a core (test source included)");
    servers.block_on(async { drop((nginx, secure)) });
}
