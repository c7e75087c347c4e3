//! Logins by nkey, which only the driver on tokio has.

use nuncio_shared::cap::{Bus as _, NatsLogin, NatsOptions, Secret};
use nuncio_tests::peers::{Nats, wanted};
use nuncio_tests::temp_dir::TempDir;

use super::on::tokio as on;

/// The user whose private key has 32 bytes of the value 1, and that with the value 2.
const USER: &str = "UCFIRY65OQE7DFP5KLNS2PF2LVZMUZYJX4OZIEQ36N2IQANUB5XVZ45L";
const SEED: &str = "SUAACAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAN7EY";
const OTHER_SEED: &str = "SUAAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAT6EE";

#[test]
fn the_user_with_an_nkey_is_let_in_and_another_is_refused_at_once() {
    if !wanted("the_user_with_an_nkey_is_let_in_and_another_is_refused_at_once") {
        return;
    }
    let directory = TempDir::new();
    let file = directory.file("nats.conf");
    std::fs::write(&file, format!("authorization {{ users = [ {{ nkey: {USER} }} ] }}")).unwrap();
    let nats = Nats::start(&["--config", file.to_str().unwrap()]);
    let with = |seed: &str| {
        let mut options = NatsOptions::new(&nats.url()).unwrap();
        // A refusal that is tried again would be a test that hangs.
        options.connect_within = std::time::Duration::from_hours(1);
        options.login = NatsLogin::Nkey(Secret::new(seed));
        on::connect(options)
    };
    on::within(|| {
        on::block_on(async {
            with(SEED).await.unwrap().flush().await.unwrap();
            for seed in [OTHER_SEED, "SU", "", &SEED.replace('7', "8")] {
                let error = with(seed).await.expect_err("it is not the user");
                assert!(seed.is_empty() || !error.contains(seed), "{error}");
            }
        });
    });
}
