//! What this driver's bus on NATS does differently than that of tokio; the rest is tested in `tests/interop/cap`.
#![cfg(feature = "cap")]

use nuncio_smol::cap::{NatsBus, NatsError, NatsLogin, NatsOptions, Secret};

#[test]
fn a_login_by_nkey_is_refused_before_anything_is_sent() {
    // Nothing need listen there.
    let mut options = NatsOptions::new("nats://127.0.0.1:1").expect("a URL");
    for login in [NatsLogin::Nkey(Secret::new("SU")), NatsLogin::Credentials(Secret::new("JWT"))] {
        options.login = login;
        let error = smol::block_on(NatsBus::connect(options.clone())).expect_err("it cannot log in");
        assert!(matches!(error, NatsError::Login(_)), "{error}");
    }
}
