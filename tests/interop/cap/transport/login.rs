//! Logins at a real nats-server.

use nuncio_shared::cap::{Bus as _, NatsLogin, NatsOptions, Secret};
use nuncio_tests::peers::{Nats, wanted};

use super::on;

/// Logs in at a server that is never tried again when it refuses, and uses the connection.
async fn log_in(nats: &Nats, login: NatsLogin) -> Result<(), String> {
    let mut options = NatsOptions::new(&nats.url()).unwrap();
    // Long enough for a refusal that is tried again to be seen as a test that hangs.
    options.connect_within = std::time::Duration::from_hours(1);
    options.login = login;
    on::connect(options).await?.flush().await.map_err(|error| error.to_string())
}

/// The error of a refused login, which says so at once and does not repeat what was secret.
async fn refusal(nats: &Nats, login: NatsLogin, secret: &str) {
    let error = log_in(nats, login).await.expect_err("the login is wrong");
    assert!(error.to_lowercase().contains("authorization violation"), "{error}");
    assert!(secret.is_empty() || !error.contains(secret), "{error}");
}

fn password(password: &str) -> NatsLogin {
    NatsLogin::Password { user: "worker".to_owned(), password: Secret::new(password) }
}

#[test]
fn a_user_with_a_password_is_let_in_and_others_are_refused_at_once() {
    if !wanted("a_user_with_a_password_is_let_in_and_others_are_refused_at_once") {
        return;
    }
    let nats = Nats::start(&["--user", "worker", "--pass", "s3cret"]);
    on::within(|| {
        on::block_on(async {
            assert_eq!(log_in(&nats, password("s3cret")).await, Ok(()));
            refusal(&nats, password("mistaken"), "mistaken").await;
            refusal(&nats, NatsLogin::Token(Secret::new("s3cret")), "s3cret").await;
            refusal(&nats, NatsLogin::None, "").await;
            // The login of the URL.
            let url = nats.url().replace("nats://", "nats://worker:s3cret@");
            on::bus(&url).await.flush().await.expect("the server runs");
        });
    });
}

#[test]
fn a_token_is_let_in_and_another_is_refused_at_once() {
    if !wanted("a_token_is_let_in_and_another_is_refused_at_once") {
        return;
    }
    let nats = Nats::start(&["--auth", "s3cret"]);
    on::within(|| {
        on::block_on(async {
            assert_eq!(log_in(&nats, NatsLogin::Token(Secret::new("s3cret"))).await, Ok(()));
            refusal(&nats, NatsLogin::Token(Secret::new("mistaken")), "mistaken").await;
            refusal(&nats, NatsLogin::None, "").await;
        });
    });
}
