//! A stream of 24 hours, on two clocks.

use std::time::Duration;

use domain::platform_settings::PlatformSettings;

use super::{publisher::Live, world::World};
use crate::platforms::{Lifecycle, State};

const DAY: Duration = Duration::from_secs(24 * 3_600);

#[tokio::test]
async fn costs_less_than_a_tenth_of_the_quota() {
    let world = World::start().await;
    let mut place = world.place(PlatformSettings::default());
    let ready = world.prepared(&place).await;
    let live = Live::start(&ready.rtmp_url, &place.key(), 60).await;
    place.publishing(&world);
    world.until_live(&place).await;
    let begun = world.sim.now_ms();
    let mut looks = 0;
    while world.sim.now_ms() - begun < i64::try_from(DAY.as_millis()).unwrap() {
        let truth = world.look(&place).await.unwrap();
        assert_eq!(truth.state, State::Live, "{truth:?}");
        assert_eq!(truth.repair, None);
        looks += 1;
        world.advance(truth.again.unwrap());
    }
    live.finish().await;
    world.youtube.finish(&place.run).await.unwrap();
    let units = world.units();
    println!("24 h: {looks} looks, {units} units by the simulator's count");
    assert!((400..1_000).contains(&units), "{units} units");
    assert_eq!(i64::try_from(units).unwrap(), world.budget.used.load(std::sync::atomic::Ordering::SeqCst));
}
