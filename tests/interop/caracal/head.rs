//! The SDK 1.0.0 against our coordinator in the generation 1.0, where a Python 3.12 or later is installed.

use nuncio_tests::peers::{CaracalSdk, wanted};
use nuncio_tokio::caracal::Generation;

use super::site::{Site, printed};

#[test]
fn sessions_services_keys_and_delegations_of_1_0() {
    if !wanted("sessions_services_keys_and_delegations_of_1_0") {
        return;
    }
    let Some(python) = CaracalSdk::V1_0.python() else {
        println!("skipped because there is no Python 3.12: sessions_services_keys_and_delegations_of_1_0");
        return;
    };
    let site = Site::start(Generation::Head);
    let mut command = site.program(python, "head/sessions.py");
    let url = format!("http://127.0.0.1:{}", site.port());
    command.env("CARACAL_STS_URL", url).env("CARACAL_APP_CLIENT_SECRET", "s3cret");
    command.env("CARACAL_APP_RESOURCES", "resource://payments");
    let lines = printed(command);
    let [nested, siblings, conflict, service, attached, fenced, delegated, accepted, revoked] =
        <[Vec<String>; 9]>::try_from(lines).unwrap();
    assert_ne!(nested[0], nested[1]);
    assert_ne!(siblings[0], siblings[1]);
    assert_eq!(conflict, ["idempotency_key_conflict"]);
    assert_eq!((service[1].as_str(), attached[0].as_str()), ("1", "2"));
    assert_eq!(fenced, ["session_lease_fenced"]);
    assert_eq!(accepted, [service[0].clone(), delegated[1].clone()]);
    assert_eq!(revoked, [delegated[1].clone()]);
    assert_eq!(site.live_sessions(), 0);
}
