//! Subscriptions whose history comes before their answer, and is larger than the client's limits (core/docs/arcp.md, "The client").

use crate::support::{Harness, SECOND, error, event, success};
use nuncio_core::arcp::client::ClientConfig;

const SUBSCRIBED: &str = r#"{"type":"job.subscribed","payload":{"job_id":"s","current_status":"running"}}"#;

fn take(harness: &mut Harness, events: usize) {
    harness.client.handle_taken(harness.now, events);
    harness.reports_taken = true;
    assert_eq!(harness.drain(), ["reading"]);
}

/// A client that stops reading with four events, and a subscription to `s` whose history has filled them before its answer.
fn begun() -> Harness {
    let mut harness = Harness::live_with(ClientConfig::default().with(|config| config.limits.events = 4));
    harness.reports_taken = false;
    harness.subscribe("s");
    harness.subscribe("nothing has come of this one");
    assert_eq!(harness.frames([&*event("s", 1), &event("s", 2), &event("s", 3)]).len(), 3);
    assert_eq!(harness.frame(&event("s", 4)), [r#"h0 #4 log {"n":4}"#, "h0 subscribed s replayed=false"]);
    assert!(!harness.client.reading());
    harness
}

#[test]
fn a_history_that_fills_the_limits_before_job_subscribed_begins_the_subscription() {
    // Nothing is read until the application takes events, and it has no handle to take them from until then.
    let mut harness = begun();
    assert_eq!(harness.frame(&event("s", 5)), [r#"h0 #5 log {"n":5}"#], "it begins once");
    take(&mut harness, 5);
    assert!(harness.frame(SUBSCRIBED).is_empty());
    assert_eq!(harness.frames([&*event("s", 6), &success("s", 7)]), [r#"h0 #6 log {"n":6}"#, "h0 #7 success 1"]);
}

#[test]
fn a_subscription_that_has_begun_ends_if_it_is_refused() {
    let mut harness = begun();
    take(&mut harness, 4);
    let id = harness.sent.iter().find(|frame| frame["type"] == "job.subscribe").unwrap()["id"].clone();
    let refusal = error(&format!(r#""request_id":{id},"code":"JOB_NOT_FOUND","message":"it is gone""#));
    assert_eq!(harness.frame(&refusal), ["h0 #0 error unknown JOB_NOT_FOUND"]);
}

#[test]
fn a_subscription_that_has_begun_goes_on_without_an_answer() {
    let mut harness = begun();
    take(&mut harness, 5);
    harness.wait(70 * SECOND);
    assert_eq!(harness.frames([&*event("s", 5), &success("s", 6)]), [r#"h0 #5 log {"n":5}"#, "h0 #6 success 1"]);

    let mut harness = begun();
    take(&mut harness, 5);
    assert!(harness.frame(&success("s", 5)).is_empty(), "it is the end of the job, and comes after the answer");
    assert!(harness.wait(70 * SECOND).contains(&"h0 #5 success 1".to_owned()));
}

#[test]
fn a_job_that_falls_silent_without_an_answer_is_asked_about() {
    let mut harness = begun();
    take(&mut harness, 5);
    // The subscribe times out, and the job counts as silent 30 s later.
    harness.wait(60 * SECOND);
    assert!(harness.wait(31 * SECOND).contains(&"> session.list_jobs".to_owned()));
}
