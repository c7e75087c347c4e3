//! Handles: requests that are repeated after a resume, shared jobs, release, unsubscribe (core/docs/arcp.md,
//! "The client").

use crate::support::{Harness, SECOND, START, accepted, event, job_error, kind, plain, success, welcome};
use nuncio_core::arcp::Secret;
use nuncio_core::arcp::client::{Client, ClientConfig, ClientRefused, HandleId, ListQuery, ResumePoint, SubmitArgs};
use serde_json::json;

fn list(harness: &mut Harness) -> String {
    harness.client.list(harness.now, &ListQuery::default()).unwrap();
    harness.drain();
    harness.id_of("session.list_jobs")
}

fn cancel(harness: &mut Harness, handle: HandleId) {
    harness.client.cancel(harness.now, handle, None).unwrap();
    harness.drain();
}

#[test]
fn unanswered_requests_are_repeated_after_a_resume() {
    let mut harness = Harness::live();
    let job = harness.job("j");
    harness.submit();
    let (submit, key) = (harness.id_of("job.submit"), harness.last("job.submit")["payload"]["idempotency_key"].clone());
    let listed = list(&mut harness);
    harness.subscribe("s");
    cancel(&mut harness, job);
    let cancelled = harness.id_of("job.cancel");
    harness.cut();
    assert_eq!(
        harness.resume(),
        [
            "> session.hello",
            "welcome again sess_1",
            "> job.submit",
            "> session.list_jobs",
            "> job.subscribe",
            "> job.cancel"
        ]
    );
    assert_eq!(harness.last("job.submit")["payload"]["idempotency_key"], key, "the same job");
    for (kind, old) in [("job.submit", &submit), ("session.list_jobs", &listed), ("job.cancel", &cancelled)] {
        assert_ne!(&harness.id_of(kind), old, "{kind} has a new id");
    }
    assert_eq!(harness.frame(&accepted("k", Some(&submit))), ["h1 accepted k"], "the first copy was answered, too");
    let repeat = harness.id_of("job.submit");
    assert!(harness.frame(&accepted("k", Some(&repeat))).is_empty(), "the answer to the second copy changes nothing");
    assert_eq!(harness.frame(&success("k", 1)), ["h1 #1 success 1"]);
}

#[test]
fn requests_made_without_a_transport_are_sent_after_the_resume() {
    let mut harness = Harness::live();
    harness.cut();
    harness.submit();
    assert!(harness.wait(300 * SECOND).is_empty(), "no request times out without a transport");
    assert_eq!(harness.resume(), ["> session.hello", "welcome again sess_1", "> job.submit"]);
    assert_eq!(harness.wait(60 * SECOND), ["h0 submit failed: timed out"]);
    assert!(harness.frames([&*accepted("late", None), &event("late", 1), &success("late", 2)]).is_empty());
}

#[test]
fn a_repeated_acceptance_brings_the_current_credentials() {
    let mut harness = Harness::live();
    harness.job("j");
    let id = harness.id_of("job.submit");
    let again = plain(
        "job.accepted",
        &format!(
            r#""job_id":"j","request_id":"{id}","credentials":[{{"id":"c","scheme":"bearer","value":"new","endpoint":"e"}}]"#
        ),
    );
    assert_eq!(harness.frame(&again), ["h0 credentials new"]);
    assert!(harness.frame(&accepted("j", Some(&id))).is_empty());
}

#[test]
fn one_key_twice_gives_two_handles_of_one_job() {
    let mut harness = Harness::live();
    harness.job("j");
    harness.frame(&event("j", 1));
    harness.submit();
    assert_eq!(harness.frame(&accepted("j", None)), ["h1 accepted j"]);
    assert_eq!(harness.frame(&event("j", 2)), [r#"h0 #2 log {"n":2}"#, r#"h1 #2 log {"n":2}"#]);
    assert_eq!(harness.frame(&success("j", 3)), ["h0 #3 success 1", "h1 #3 success 1"]);
    harness.submit();
    assert_eq!(harness.frames([&*accepted("j", None), &success("j", 4)]), ["h2 accepted j", "h2 #4 success 1"]);
}

#[test]
fn a_released_handle_delivers_no_more_events() {
    let mut harness = Harness::live();
    let job = harness.job("j");
    harness.client.release(harness.now, job);
    assert!(
        harness.frames([&*event("j", 1), &kind("j", 2, "status", "{}"), &success("j", 3), &event("j", 4)]).is_empty()
    );
    harness.client.release(harness.now, job);
    let submit = harness.submit();
    harness.client.release(harness.now, submit);
    assert!(harness.frames([&*accepted("k", None), &event("k", 5)]).is_empty());
}

#[test]
fn a_submit_released_before_it_was_sent_is_not_sent() {
    let mut harness = Harness::idle(ClientConfig::default());
    let submit = harness.submit();
    harness.client.release(harness.now, submit);
    harness.open();
    assert_eq!(harness.frame(&crate::support::welcome("sess_1", "t")), ["welcome sess_1"]);
}

#[test]
fn unsubscribe_ends_a_subscription_and_nothing_else() {
    let mut harness = Harness::live();
    let job = harness.job("own");
    assert!(matches!(harness.client.unsubscribe(harness.now, job), Err(ClientRefused::Invalid(_))));
    let watch = harness.subscribe("j");
    harness.frame(&plain("job.subscribed", r#""job_id":"j""#));
    let second = harness.subscribe("j");
    harness.frame(&plain("job.subscribed", r#""job_id":"j""#));
    harness.client.unsubscribe(harness.now, watch).unwrap();
    assert!(harness.drain().is_empty(), "another handle still needs the subscription");
    assert_eq!(harness.frame(&event("j", 1)), [r#"h2 #1 log {"n":1}"#]);
    harness.client.release(harness.now, second);
    assert_eq!(harness.drain(), ["> job.unsubscribe"]);
    assert_eq!(harness.last("job.unsubscribe")["payload"], json!({"job_id": "j"}));
    assert!(harness.frames([&*event("j", 2), &success("j", 3)]).is_empty());
    assert_eq!(harness.client.unsubscribe(harness.now, second), Err(ClientRefused::Stale));
    assert_eq!(harness.frame(&event("own", 4)), [r#"h0 #4 log {"n":4}"#]);
}

#[test]
fn a_subscription_ended_before_it_was_sent_is_not_sent() {
    let mut harness = Harness::live();
    harness.cut();
    let watch = harness.subscribe("j");
    harness.client.unsubscribe(harness.now, watch).unwrap();
    assert_eq!(harness.resume(), ["> session.hello", "welcome again sess_1"]);
}

#[test]
fn an_answer_to_a_submit_from_many_transports_ago_still_finds_its_handle() {
    let mut harness = Harness::live();
    harness.submit();
    let first = harness.id_of("job.submit");
    // The runtime took the first submit, but its answer was lost in a cut, as were the answers to its repeats.
    for _ in 0..100 {
        harness.cut();
        harness.resume();
    }
    let last = harness.id_of("job.submit");
    assert_ne!(first, last);
    // After a resume the runtime accepts the job again, under the id of its first submit, before its events (§6.3).
    let mut lines = harness.frames([&*accepted("job_1", Some(&first)), &event("job_1", 1), &event("job_1", 2)]);
    lines.extend(harness.frames([&*accepted("job_1", Some(&last)), &success("job_1", 3)]));
    let beginnings: Vec<_> = lines.iter().filter_map(|line| line.split(' ').nth(1)).collect();
    assert_eq!(beginnings, ["accepted", "#1", "#2", "#3"], "{lines:?}");
}

#[test]
fn a_request_too_large_for_the_runtime_fails_alone() {
    let mut harness = Harness::live();
    harness.submit();
    let input = serde_json::value::to_raw_value(&"x".repeat(10_000)).unwrap();
    harness.submit_as(&SubmitArgs { agent: "echo".into(), input: Some(&input), ..SubmitArgs::default() });
    // The runtime closes because the second submit is too large.
    harness.client.handle_peer_close(harness.now, 1009);
    let lines = harness.drain();
    assert!(lines.iter().any(|line| line.starts_with("h1") && line.contains("too large")), "{lines:?}");
    let lines = harness.resume();
    assert_eq!(
        lines.iter().filter(|line| *line == "> job.submit").count(),
        1,
        "only the small one is sent again: {lines:?}"
    );
    let lines = harness.frame(&accepted("j", Some(&harness.id_of("job.submit"))));
    assert_eq!(lines, ["h0 accepted j"]);
}

/// Two clients of one session would otherwise take it from each other without end.
#[test]
fn a_client_whose_session_was_taken_over_does_not_come_back() {
    let mut harness = Harness::live();
    harness.submit();
    let id = harness.id_of("job.submit");
    harness.frame(&accepted("j", Some(&id)));
    harness.client.handle_peer_close(harness.now, 4409);
    let lines = harness.drain();
    assert!(lines.iter().any(|line| line.contains("another client has resumed the session")), "{lines:?}");
    assert!(!lines.iter().any(|line| line.starts_with("connect")), "{lines:?}");
}

/// Its own hello on an earlier connection may have arrived late.
#[test]
fn a_client_that_was_replaced_before_it_has_sent_anything_comes_back() {
    let mut harness = Harness::live();
    harness.client.handle_peer_close(harness.now, 4409);
    let lines = harness.drain();
    assert!(lines.iter().any(|line| line.starts_with("connect")), "{lines:?}");
}

#[test]
fn a_close_with_another_code_fails_no_request() {
    let mut harness = Harness::live();
    harness.submit();
    harness.client.handle_peer_close(harness.now, 1001);
    harness.drain();
    assert!(harness.resume().contains(&"> job.submit".to_owned()));
}

#[test]
fn the_end_of_a_former_clients_job_does_not_refuse_a_submit() {
    let mut harness = Harness::idle(ClientConfig::default());
    let point = ResumePoint { session_id: "sess_1".into(), token: Secret::new("rt_1"), last_event_seq: 4 };
    harness.client = Client::resuming(ClientConfig::default(), [7; 32], START, point);
    harness.open();
    harness.frame(&welcome("sess_1", "rt_2"));
    harness.submit();
    let members = r#""final_status":"error","code":"INTERNAL_ERROR","message":"it broke""#;
    assert_eq!(harness.frame(&job_error("job_of_the_former", 5, members)), [""; 0]);
    let lines = harness.frame(&accepted("job_1", Some(&harness.id_of("job.submit"))));
    assert_eq!(lines, ["h0 accepted job_1"]);
}

#[test]
fn requests_are_also_bounded_by_their_bytes() {
    let mut harness = Harness::live_with(ClientConfig::default().with(|config| config.limits.request_bytes = 4_000));
    let input = serde_json::value::to_raw_value(&"x".repeat(1_500)).unwrap();
    let submit = SubmitArgs { agent: "echo".into(), input: Some(&input), ..SubmitArgs::default() };
    harness.submit_as(&submit);
    let id = harness.id_of("job.submit");
    let mut asked = 1;
    let refused = loop {
        match harness.client.submit(harness.now, &submit) {
            Ok(_) => asked += 1,
            Err(refused) => break refused,
        }
        assert!(asked < 10, "requests are accepted beyond the limit");
    };
    assert_eq!(refused, ClientRefused::Limit { limit: "request_bytes", max: 4_000 });
    harness.drain();
    harness.frame(&accepted("j", Some(&id)));
    assert!(harness.client.submit(harness.now, &submit).is_ok(), "an answered request frees its bytes");
}

#[test]
fn reading_stops_while_too_many_bytes_of_events_are_queued() {
    let mut harness = Harness::live_with(ClientConfig::default().with(|config| config.limits.event_bytes = 2_000));
    harness.job("j");
    harness.reports_taken = false;
    let long = |seq| kind("j", seq, "log", &format!(r#"{{"level":"info","message":"{}"}}"#, "x".repeat(900)));
    let mut seq = 0;
    while harness.client.reading() {
        seq += 1;
        harness.frame(&long(seq));
        assert!(seq < 5, "the client still reads beyond the limit");
    }
    assert!(seq > 1, "one event is within the limit");
    harness.client.handle_taken(harness.now, usize::try_from(seq).unwrap());
    harness.drain();
    assert!(harness.client.reading());
}

#[test]
fn events_of_unknown_jobs_are_also_bounded_by_their_bytes() {
    let mut harness = Harness::live_with(ClientConfig::default().with(|config| config.limits.held_bytes = 2_000));
    let long = |seq| kind("x", seq, "log", &format!(r#"{{"level":"info","message":"{}"}}"#, "x".repeat(900)));
    let lines: Vec<String> = (1..=4).flat_map(|seq| harness.frame(&long(seq))).collect();
    assert!(lines.iter().all(|line| line.starts_with("gap ")), "{lines:?}");
    assert!((1..4).contains(&lines.len()), "some but not all events are dropped: {lines:?}");
}

#[test]
fn no_credential_is_kept_after_it_was_delivered() {
    let value = "x".repeat(100_000);
    let with = |value: &str| {
        let mut harness = Harness::live();
        harness.submit();
        let id = harness.id_of("job.submit");
        let credentials =
            format!(r#""credentials":[{{"id":"c","scheme":"bearer","value":"{value}","endpoint":"https://e"}}]"#);
        let lines =
            harness.frame(&plain("job.accepted", &format!(r#""job_id":"j","request_id":"{id}",{credentials}"#)));
        assert_eq!(lines, ["h0 accepted j"]);
        let mut held = vec![harness.client.bytes_held()];
        harness.subscribe("j");
        harness.frame(&plain("job.subscribed", &format!(r#""job_id":"j","current_status":"running",{credentials}"#)));
        held.push(harness.client.bytes_held());
        let rotated = format!(r#"{{"phase":"credential_rotated","credential_id":"c","id":"c","value":"{value}"}}"#);
        assert_eq!(harness.frame(&kind("j", 1, "status", &rotated)).len(), 2, "both handles receive it");
        held.push(harness.client.bytes_held());
        harness.frame(&success("j", 2));
        held.push(harness.client.bytes_held());
        held
    };
    assert_eq!(with(&value), with("x"), "the memory held does not depend on the length of the credentials");
}
