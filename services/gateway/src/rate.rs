//! How often one tenant, and one address, may ask.
//!
//! The tenant's limit counts verified tokens, so nobody can spend another's. The address's limit is wider and comes
//! before the token is looked at: it bounds what strangers cost. `X-Forwarded-For` is never believed; behind a proxy
//! that hides its clients' addresses set `RATE_ADDRESS_PER_SECOND=0` and let the proxy limit them.

use std::{
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    time::Duration,
};

use axum::http::StatusCode;
use domain::ids::TenantId;
use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    state::keyed::DashMapStateStore,
};

use crate::{codes, error::ApiError, metric};

type Limiter<K> = RateLimiter<K, DashMapStateStore<K>, DefaultClock>;

/// One limit.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// Requests per second in the long run; 0: no limit.
    pub per_second: u32,
    /// Requests at once after a pause.
    pub burst: u32,
}

/// Both limits.
pub struct RateLimits {
    tenants: Option<Limiter<TenantId>>,
    addresses: Option<Limiter<IpAddr>>,
}

impl RateLimits {
    /// The limits.
    pub fn new(tenant: Rate, address: Rate) -> Self {
        Self { tenants: limiter(tenant), addresses: limiter(address) }
    }

    /// Counts one request of a tenant.
    ///
    /// # Errors
    /// 429 with `Retry-After`.
    pub fn tenant(&self, tenant: &TenantId) -> Result<(), ApiError> {
        check(self.tenants.as_ref(), tenant, "tenant")
    }

    /// Counts one request of an address. An IPv6 caller owns its whole /64.
    ///
    /// # Errors
    /// 429 with `Retry-After`.
    pub fn address(&self, address: IpAddr) -> Result<(), ApiError> {
        check(self.addresses.as_ref(), &network(address), "address")
    }

    /// Forgets who has been quiet. Call it now and then, or the tables only grow.
    pub fn forget_the_quiet(&self) {
        if let Some(tenants) = &self.tenants {
            tenants.retain_recent();
            tenants.shrink_to_fit();
        }
        if let Some(addresses) = &self.addresses {
            addresses.retain_recent();
            addresses.shrink_to_fit();
        }
    }
}

fn limiter<K: Hash + Eq + Clone>(rate: Rate) -> Option<Limiter<K>> {
    let per_second = NonZeroU32::new(rate.per_second)?;
    let burst = NonZeroU32::new(rate.burst).unwrap_or(per_second);
    Some(RateLimiter::dashmap(Quota::per_second(per_second).allow_burst(burst)))
}

fn check<K: Hash + Eq + Clone>(limiter: Option<&Limiter<K>>, key: &K, name: &'static str) -> Result<(), ApiError> {
    let Some(Err(not_until)) = limiter.map(|limiter| limiter.check_key(key)) else { return Ok(()) };
    metrics::counter!(metric::RATE_LIMITED, "limit" => name).increment(1);
    let wait = not_until.wait_time_from(DefaultClock::default().now());
    let message = "Too many requests. Wait as long as Retry-After says.";
    Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS, codes::RATE_LIMITED, message)
        .with_retry_after(whole_seconds(wait)))
}

fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0).max(u64::from(wait.is_zero()))
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_callers_burst_is_not_anothers() {
        let limits = RateLimits::new(Rate { per_second: 1, burst: 2 }, Rate { per_second: 1, burst: 1 });
        let (a, b) = (TenantId("a".into()), TenantId("b".into()));
        assert!(limits.tenant(&a).is_ok() && limits.tenant(&a).is_ok() && limits.tenant(&b).is_ok());
        let refused = limits.tenant(&a).map_err(|e| (e.status(), e.code().to_owned()));
        assert_eq!(refused, Err((StatusCode::TOO_MANY_REQUESTS, "rate_limited".into())));
        let same_network = ["2001:db8::1", "2001:db8::2"].map(|text| text.parse::<IpAddr>().unwrap());
        assert!(limits.address(same_network[0]).is_ok());
        assert!(limits.address(same_network[1]).is_err());
        assert!(limits.address("::ffff:192.0.2.1".parse().unwrap()).is_ok());
        assert!(limits.address("192.0.2.1".parse().unwrap()).is_err());
    }

    #[test]
    fn zero_is_no_limit() {
        let none = Rate { per_second: 0, burst: 0 };
        let limits = RateLimits::new(none, none);
        assert!((0..10_000).all(|_| limits.address(IpAddr::from([192, 0, 2, 1])).is_ok()));
        limits.forget_the_quiet();
    }

    #[test]
    fn retry_after_is_at_least_a_second() {
        for (wait, expected) in [(0, 1), (1, 1), (999, 1), (1_000, 1), (1_001, 2)] {
            assert_eq!(whole_seconds(Duration::from_millis(wait)), expected, "{wait} ms");
        }
    }
}
