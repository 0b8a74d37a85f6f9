//! What a session is for.

use crate::v1;

super::enum_conversion!(domain::session::SessionKind, v1::SessionKind, "kind", {
    Deliver <=> Deliver,
    Rendition <=> Rendition,
    Pull <=> Pull,
    Test <=> Test,
});

#[cfg(test)]
mod tests {
    use domain::session::SessionKind;

    use crate::v1;

    #[test]
    fn every_kind_survives_the_way_there_and_back() {
        for kind in SessionKind::ALL {
            assert_eq!(v1::SessionKind::to_domain(v1::SessionKind::from(kind) as i32), Ok(kind));
        }
        assert!(v1::SessionKind::to_domain(0).is_err());
    }
}
