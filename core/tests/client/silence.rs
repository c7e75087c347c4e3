//! Jobs whose terminal message the runtime never sends (core/docs/arcp.md, "The client").

use core::time::Duration;

use crate::support::{FEATURES, Harness, SECOND, accepted, error, event, kind, plain, result, success, welcome_with};
use nuncio_core::arcp::client::{ClientConfig, ClientTimer, OutcomeSource};
use nuncio_core::arcp::{ClientEvent, ClientOutput, FinalStatus};
use serde_json::json;

fn config() -> ClientConfig {
    ClientConfig::default().with(|config| {
        config.auto_ack = None;
        config.silence_timeout = Duration::from_secs(20);
        config.terminal_timeout = Duration::from_secs(2);
    })
}

fn jobs(rows: &str, more: &str) -> String {
    plain("session.jobs", &format!(r#""jobs":[{rows}]{more}"#))
}

fn row(job: &str, status: &str) -> String {
    format!(r#"{{"job_id":"{job}","agent":"echo","status":"{status}"}}"#)
}

fn subscribed(job: &str, status: &str) -> String {
    plain("job.subscribed", &format!(r#""job_id":"{job}","current_status":"{status}""#))
}

#[test]
fn a_silent_job_is_looked_for_in_the_list_of_live_jobs() {
    let mut harness = Harness::live_with(config());
    harness.job("j");
    harness.wait(10 * SECOND);
    harness.frame(&event("j", 1));
    assert_eq!(harness.client.poll_timeout().map(|(_, timer)| timer), Some(ClientTimer::Silence));
    assert!(harness.wait(20 * SECOND - 1).is_empty(), "any frame of the job breaks the silence");
    assert_eq!(harness.wait(1), ["> session.list_jobs"]);
    assert_eq!(harness.last("session.list_jobs")["payload"], json!({"filter": {"status": ["pending", "running"]}}));
    assert!(harness.frame(&jobs(&row("j", "running"), "")).is_empty(), "the answer is not the application's");
    assert!(harness.wait(20 * SECOND - 1).is_empty());
    assert_eq!(harness.wait(1), ["> session.list_jobs"], "a job that stays silent is looked for again");
    harness.frame(&jobs(&row("j", "pending"), ""));
    assert_eq!(harness.frame(&success("j", 2)), ["h0 #2 success 1"]);
    assert!(harness.wait(1_000 * SECOND).is_empty(), "nothing is asked about a job that has ended");
}

#[test]
fn the_end_of_a_silent_job_is_learned_by_a_subscription_with_history() {
    let mut harness = Harness::live_with(config());
    harness.job("j");
    harness.frame(&event("j", 1));
    harness.wait(20 * SECOND);
    assert_eq!(harness.frame(&jobs("", "")), ["> job.subscribe"]);
    let payload = &harness.last("job.subscribe")["payload"];
    assert_eq!(payload, &json!({"job_id": "j", "from_event_seq": 1, "history": true}));
    assert!(harness.frame(&subscribed("j", "success")).is_empty());
    assert_eq!(harness.frames([&*event("j", 2), &success("j", 3)]), [r#"h0 #2 log {"n":2}"#, "h0 #3 success 1"]);
}

#[test]
fn a_terminal_that_is_sent_again_under_an_old_number_ends_the_job() {
    let mut harness = Harness::live_with(config());
    harness.job("j");
    harness.frames([&*event("j", 1), &event("j", 2)]);
    harness.wait(20 * SECOND);
    harness.frame(&jobs("", ""));
    harness.frame(&subscribed("j", "success"));
    assert!(harness.frame(&event("j", 1)).is_empty());
    assert_eq!(harness.frame(&success("j", 2)), ["h0 #0 success 1"]);
}

#[test]
fn a_job_that_has_ended_without_a_terminal_has_the_status_that_the_runtime_names() {
    let mut harness = Harness::live_with(config());
    harness.job("j");
    harness.wait(20 * SECOND);
    harness.frame(&jobs("", ""));
    harness.frame(&subscribed("j", "timed_out"));
    harness.wait(SECOND);
    harness.frame(&event("j", 1));
    assert!(harness.wait(2 * SECOND - 1).is_empty(), "the terminal may follow what is sent again");
    harness.client.handle_timeout(harness.now.plus_micros(1));
    let Some(ClientOutput::Event(ClientEvent::Terminal { outcome, .. })) = harness.client.poll_output() else {
        panic!("the handle has not ended")
    };
    assert_eq!((outcome.status, outcome.source), (FinalStatus::TimedOut, OutcomeSource::Status));
}

#[test]
fn a_job_that_the_runtime_no_longer_knows_ends_with_the_name_of_its_silence() {
    let mut harness = Harness::live_with(config());
    harness.job("j");
    harness.wait(20 * SECOND);
    harness.frame(&jobs("", ""));
    let refused = error(r#""code":"JOB_NOT_FOUND","message":"job j not found","retryable":false"#);
    harness.client.handle_frame(harness.now, &bytes::Bytes::from(refused));
    let Some(ClientOutput::Event(ClientEvent::Terminal { outcome, .. })) = harness.client.poll_output() else {
        panic!("the handle has not ended")
    };
    assert_eq!((outcome.status, outcome.source), (FinalStatus::Error, OutcomeSource::Silence));
    assert_eq!(outcome.fault.map(|fault| fault.code).as_deref(), Some("JOB_NOT_FOUND"));
}

#[test]
fn an_inquiry_that_is_not_answered_ends_a_job_that_is_not_among_the_live_ones() {
    let mut harness = Harness::live_with(config());
    harness.job("j");
    harness.wait(20 * SECOND);
    harness.frame(&jobs("", ""));
    assert_eq!(harness.wait(60 * SECOND), ["h0 #0 error unknown"]);
}

#[test]
fn a_list_that_does_not_know_the_filter_tells_the_status() {
    let mut harness = Harness::live_with(config());
    harness.job("j");
    harness.job("k");
    harness.wait(20 * SECOND);
    let rows = format!("{},{}", row("j", "cancelled"), row("k", "running"));
    assert_eq!(harness.frame(&jobs(&rows, "")), ["> job.subscribe"]);
    let refused = error(r#""code":"JOB_NOT_FOUND","message":"m","retryable":false"#);
    assert!(harness.frame(&refused).is_empty());
    assert_eq!(harness.wait(2 * SECOND), ["h0 #0 cancelled unknown"]);
}

#[test]
fn one_survey_looks_for_all_silent_jobs_on_all_pages() {
    let mut harness = Harness::live_with(config());
    for job in ["a", "b", "c"] {
        harness.job(job);
    }
    assert_eq!(harness.wait(20 * SECOND), ["> session.list_jobs"]);
    assert_eq!(harness.frame(&jobs(&row("b", "running"), r#","next_cursor":"n""#)), ["> session.list_jobs"]);
    assert_eq!(harness.last("session.list_jobs")["payload"]["cursor"], "n");
    assert_eq!(harness.frame(&jobs(&row("c", "running"), "")), ["> job.subscribe"]);
    assert_eq!(harness.last("job.subscribe")["job_id"], "a");
}

#[test]
fn a_list_that_never_ends_is_given_up() {
    let mut harness = Harness::live_with(config());
    harness.job("j");
    harness.wait(20 * SECOND);
    let mut pages = 1;
    while harness.frame(&jobs("", r#","next_cursor":"n""#)) == ["> session.list_jobs"] {
        pages += 1;
    }
    assert_eq!(pages, 64);
    assert_eq!(harness.wait(20 * SECOND), ["> session.list_jobs"]);
}

#[test]
fn a_survey_that_is_refused_is_repeated_later() {
    let mut harness = Harness::live_with(config());
    harness.job("j");
    harness.wait(20 * SECOND);
    assert!(harness.frame(&error(r#""code":"INTERNAL_ERROR","message":"m","retryable":true"#)).is_empty());
    assert_eq!(harness.wait(20 * SECOND), ["> session.list_jobs"]);
}

#[test]
fn the_time_without_a_connection_is_no_silence() {
    let mut harness = Harness::live_with(config());
    harness.job("j");
    harness.wait(15 * SECOND);
    harness.cut();
    assert!(harness.wait(100 * SECOND).is_empty());
    harness.resume();
    assert!(harness.wait(20 * SECOND - 1).is_empty());
    assert_eq!(harness.wait(1), ["> session.list_jobs"]);
    harness.cut();
    assert_eq!(harness.resume()[2..], ["> session.list_jobs"], "an unanswered survey is sent again");
}

#[test]
fn a_watched_job_that_has_ended_is_asked_about_without_history() {
    let mut harness = Harness::live_with(config());
    harness.subscribe("s");
    harness.frame(&subscribed("s", "running"));
    harness.wait(20 * SECOND);
    assert_eq!(harness.frame(&jobs("", "")), ["> job.subscribe"]);
    assert_eq!(harness.last("job.subscribe")["payload"], json!({"job_id": "s", "history": false}));
    assert!(harness.frame(&subscribed("s", "running")).is_empty(), "it may belong to another principal");
    harness.wait(20 * SECOND);
    harness.frame(&jobs("", ""));
    harness.frame(&subscribed("s", "success"));
    assert_eq!(harness.wait(2 * SECOND), ["h0 #0 success unknown"]);
}

#[test]
fn a_subscription_to_an_ended_job_ends_soon_after_its_last_frame() {
    let mut harness = Harness::live_with(config());
    harness.subscribe("s");
    harness.frame(&subscribed("s", "success"));
    harness.wait(SECOND);
    assert_eq!(harness.frame(&event("s", 1)), [r#"h0 #1 log {"n":1}"#]);
    assert!(harness.wait(2 * SECOND - 1).is_empty());
    assert_eq!(harness.wait(1), ["h0 #0 success unknown"]);
}

#[test]
fn without_list_jobs_nothing_is_asked() {
    let mut harness = Harness::idle(config());
    harness.open();
    harness.frame(&welcome_with("sess_1", "t", "", r#"["subscribe"]"#));
    harness.submit();
    harness.frame(&accepted("j", None));
    assert!(harness.wait(1_000 * SECOND).is_empty());
}

/// A client of Nuncio's runtime.
fn nuncio() -> Harness {
    let mut harness = Harness::idle(config());
    harness.open();
    harness.frame(&welcome_of_nuncio());
    harness
}

fn welcome_of_nuncio() -> String {
    let features = FEATURES.replace("[\"heartbeat\"", "[\"x-vendor.nuncio.accepted_replay\",\"heartbeat\"");
    welcome_with("sess_1", "t", "", &features)
}

#[test]
fn nuncio_ends_every_job_and_is_not_asked() {
    let mut harness = nuncio();
    harness.job("j");
    assert!(harness.wait(1_000 * SECOND).is_empty());
}

/// The history of a job that has ended may take long, and may pause.
#[test]
fn nuncio_sends_the_terminal_after_the_history_however_long_that_takes() {
    let mut harness = nuncio();
    harness.subscribe("j");
    let answer = plain(
        "job.subscribed",
        &format!(r#""job_id":"j","current_status":"success","request_id":"{}""#, harness.id_of("job.subscribe")),
    );
    harness.frame(&answer);
    harness.frame(&event("j", 1));
    assert!(harness.wait(1_000 * SECOND).is_empty());
    assert_eq!(harness.frames([&*event("j", 2), &success("j", 3)]), [r#"h0 #2 log {"n":2}"#, "h0 #3 success 1"]);
}

/// The runtime ends a subscription that does not keep up, and sends nothing more of its job.
#[test]
fn a_subscription_that_nuncio_ends_does_not_wait_for_the_terminal() {
    let mut harness = nuncio();
    let own = harness.job("own");
    harness.subscribe("j");
    let answer = |harness: &Harness| {
        let id = harness.id_of("job.subscribe");
        plain("job.subscribed", &format!(r#""job_id":"j","request_id":"{id}""#))
    };
    harness.frame(&answer(&harness));
    let dropped = |job, seq| kind(job, seq, "status", r#"{"phase":"subscription_dropped","message":"too slow"}"#);
    // Another subscription has begun in the meantime, and is not the one that ends.
    harness.subscribe("j");
    let lines = harness.frame(&dropped("j", 1));
    assert!(lines.iter().any(|line| line.starts_with("h1 #0 error")), "{lines:?}");
    assert!(!lines.iter().any(|line| line.starts_with("h2 #0")), "{lines:?}");
    harness.frame(&answer(&harness));
    assert_eq!(harness.frames([&*event("j", 2), &success("j", 3)]), [r#"h2 #2 log {"n":2}"#, "h2 #3 success 1"]);
    harness.frame(&dropped("own", 4));
    assert_eq!(harness.frame(&success("own", 5)), ["h0 #5 success 1"], "{own:?} is not watched, but the session's own");
}

/// The runtime knows a subscribe that is sent again by its id, and does not begin its history anew.
#[test]
fn a_subscribe_is_sent_to_nuncio_again_with_the_same_id() {
    let mut harness = nuncio();
    harness.subscribe("j");
    let id = harness.id_of("job.subscribe");
    let answer = plain("job.subscribed", &format!(r#""job_id":"j","request_id":"{id}""#));
    for _ in 0..10 {
        harness.cut();
        harness.open();
        harness.frame(&welcome_of_nuncio());
        assert_eq!(harness.id_of("job.subscribe"), id);
    }
    assert_eq!(harness.frame(&answer).len(), 1, "it is answered");
    assert!(harness.frame(&answer).is_empty(), "once");
    harness.cut();
    harness.open();
    assert_eq!(harness.frame(&welcome_of_nuncio()), ["welcome again sess_1"], "and not sent again");
}

#[test]
fn jobs_that_have_ended_are_not_remembered() {
    let mut harness = Harness::live_with(config());
    let run = |harness: &mut Harness, n: u64| {
        harness.job(&format!("j{n}"));
        harness.frame(&result(&format!("j{n}"), n, ""));
    };
    (1..=1_100).for_each(|n| run(&mut harness, n));
    let before = harness.client.bytes_held();
    (1_101..=2_200).for_each(|n| run(&mut harness, n));
    assert!(harness.client.bytes_held() <= before, "{} bytes, and {before} before", harness.client.bytes_held());
    assert_eq!(harness.client.poll_timeout(), None);
}
