//! A bearer token that the runtime refuses is renewed (core/docs/arcp.md, "The client").

use crate::support::{Harness, error, event};
use nuncio_core::arcp::Secret;
use nuncio_core::arcp::client::ClientConfig;

const REFUSED: &str = r#""code":"UNAUTHENTICATED","message":"the token has expired","retryable":false"#;

fn renewing() -> ClientConfig {
    ClientConfig::new(Secret::new("old")).with(|config| config.renews_token = true)
}

fn renew(harness: &mut Harness, token: &str) -> Vec<String> {
    harness.client.renew(harness.now, Secret::new(token));
    harness.drain()
}

fn token(harness: &Harness) -> String {
    harness.last("session.hello")["payload"]["auth"]["token"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_refused_resume_is_repeated_with_a_newer_token() {
    let mut harness = Harness::live_with(renewing());
    harness.job("j");
    harness.frame(&event("j", 1));
    harness.cut();
    harness.open();
    assert_eq!(
        harness.frame(&error(REFUSED)),
        ["drop 1000", "lost UNAUTHENTICATED", "connect 1 resume=true renew"],
        "no handle ends"
    );
    assert!(renew(&mut harness, "new").is_empty());
    assert_eq!(harness.resume(), ["> session.hello", "welcome again sess_1"]);
    assert_eq!(token(&harness), "new");
    let hello = harness.last("session.hello")["payload"]["resume"].clone();
    assert_eq!((hello["session_id"].as_str(), hello["last_event_seq"].as_u64()), (Some("sess_1"), Some(1)));
    assert_eq!(harness.frame(&event("j", 2)).len(), 1, "the job goes on");
}

#[test]
fn the_token_that_was_refused_is_not_shown_again() {
    let mut harness = Harness::live_with(renewing());
    harness.cut();
    harness.open();
    harness.frame(&error(REFUSED));
    assert_eq!(renew(&mut harness, "old"), ["closed: UNAUTHENTICATED: the token has expired"]);
    assert!(harness.open().is_empty());
    assert!(renew(&mut harness, "new").is_empty(), "the end is final");
}

#[test]
fn a_source_that_fails_is_asked_again() {
    let mut harness = Harness::live_with(renewing());
    harness.cut();
    harness.open();
    harness.frame(&error(REFUSED));
    harness.client.handle_connect_failed(harness.now);
    assert_eq!(harness.drain(), ["connect 2 resume=true renew"]);
    renew(&mut harness, "new");
    harness.client.handle_connect_failed(harness.now);
    assert_eq!(harness.drain(), ["connect 3 resume=true"], "the newer token was not refused");
    harness.resume();
    assert_eq!(token(&harness), "new");
}

#[test]
fn a_first_hello_is_repeated_with_a_newer_token() {
    let mut harness = Harness::idle(renewing());
    harness.open();
    assert_eq!(harness.frame(&error(REFUSED)), ["drop 1000", "lost UNAUTHENTICATED", "connect 1 resume=false renew"]);
    renew(&mut harness, "newer");
    harness.open();
    assert_eq!(harness.frame(&error(REFUSED)), ["drop 1000", "lost UNAUTHENTICATED", "connect 2 resume=false renew"]);
    assert_eq!(token(&harness), "newer");
}

#[test]
fn a_live_session_whose_token_is_refused_is_resumed_with_a_newer_one() {
    let mut harness = Harness::live_with(renewing());
    assert_eq!(harness.frame(&error(REFUSED)), ["drop 1000", "lost UNAUTHENTICATED", "connect 0 resume=true renew"]);
    renew(&mut harness, "new");
    assert_eq!(harness.resume(), ["> session.hello", "welcome again sess_1"]);
}

#[test]
fn a_client_that_is_closed_asks_for_no_token() {
    let mut harness = Harness::live_with(renewing());
    harness.cut();
    harness.open();
    harness.frame(&error(REFUSED));
    harness.client.close(harness.now, None);
    assert_eq!(harness.drain(), ["closed: the application closed the client"]);
    assert!(renew(&mut harness, "old").is_empty());
}
