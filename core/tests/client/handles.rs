//! Handles over their life: repeats after a resume, shared jobs, release, unsubscribe (core/docs/arcp.md,
//! "The client").

use crate::support::{Desk, SECOND, START, accepted, event, job_error, kind, plain, success, welcome};
use nuncio_core::arcp::Secret;
use nuncio_core::arcp::client::{Client, ClientConfig, ClientRefused, HandleId, ListQuery, ResumePoint, Submit};
use serde_json::json;

fn list(desk: &mut Desk) -> String {
    desk.client.list(desk.now, &ListQuery::default()).unwrap();
    desk.drain();
    desk.id_of("session.list_jobs")
}

fn cancel(desk: &mut Desk, handle: HandleId) {
    desk.client.cancel(desk.now, handle, None).unwrap();
    desk.drain();
}

#[test]
fn after_a_resume_unanswered_requests_are_repeated() {
    let mut desk = Desk::live();
    let job = desk.job("j");
    desk.submit();
    let (submit, key) = (desk.id_of("job.submit"), desk.last("job.submit")["payload"]["idempotency_key"].clone());
    let listed = list(&mut desk);
    desk.subscribe("s");
    cancel(&mut desk, job);
    let cancelled = desk.id_of("job.cancel");
    desk.cut();
    assert_eq!(
        desk.resume(),
        [
            "> session.hello",
            "welcome again sess_1",
            "> job.submit",
            "> session.list_jobs",
            "> job.subscribe",
            "> job.cancel"
        ]
    );
    assert_eq!(desk.last("job.submit")["payload"]["idempotency_key"], key, "the same job");
    for (kind, old) in [("job.submit", &submit), ("session.list_jobs", &listed), ("job.cancel", &cancelled)] {
        assert_ne!(&desk.id_of(kind), old, "{kind} has a new id");
    }
    assert_eq!(desk.frame(&accepted("k", Some(&submit))), ["h1 accepted k"], "the first copy was answered after all");
    let repeat = desk.id_of("job.submit");
    assert!(desk.frame(&accepted("k", Some(&repeat))).is_empty(), "and the second one, too");
    assert_eq!(desk.frame(&success("k", 1)), ["h1 #1 success 1"]);
}

#[test]
fn what_was_asked_while_lost_goes_out_after_the_resume() {
    let mut desk = Desk::live();
    desk.cut();
    desk.submit();
    assert!(desk.wait(300 * SECOND).is_empty(), "no request times out without a transport");
    assert_eq!(desk.resume(), ["> session.hello", "welcome again sess_1", "> job.submit"]);
    assert_eq!(desk.wait(60 * SECOND), ["h0 submit failed: timed out"]);
    assert!(desk.frames([&*accepted("late", None), &event("late", 1), &success("late", 2)]).is_empty());
}

#[test]
fn accepted_again_brings_the_credentials_of_now() {
    let mut desk = Desk::live();
    desk.job("j");
    let id = desk.id_of("job.submit");
    let again = plain(
        "job.accepted",
        &format!(
            r#""job_id":"j","request_id":"{id}","credentials":[{{"id":"c","scheme":"bearer","value":"new","endpoint":"e"}}]"#
        ),
    );
    assert_eq!(desk.frame(&again), ["h0 credentials new"]);
    assert!(desk.frame(&accepted("j", Some(&id))).is_empty());
}

#[test]
fn one_key_twice_gives_two_handles_of_one_job() {
    let mut desk = Desk::live();
    desk.job("j");
    desk.frame(&event("j", 1));
    desk.submit();
    assert_eq!(desk.frame(&accepted("j", None)), ["h1 accepted j"]);
    assert_eq!(desk.frame(&event("j", 2)), [r#"h0 #2 log {"n":2}"#, r#"h1 #2 log {"n":2}"#]);
    assert_eq!(desk.frame(&success("j", 3)), ["h0 #3 success 1", "h1 #3 success 1"]);
    desk.submit();
    assert_eq!(desk.frames([&*accepted("j", None), &success("j", 4)]), ["h2 accepted j", "h2 #4 success 1"]);
}

#[test]
fn a_released_handle_is_silent_to_its_end() {
    let mut desk = Desk::live();
    let job = desk.job("j");
    desk.client.release(desk.now, job);
    assert!(desk.frames([&*event("j", 1), &kind("j", 2, "status", "{}"), &success("j", 3), &event("j", 4)]).is_empty());
    desk.client.release(desk.now, job);
    let submit = desk.submit();
    desk.client.release(desk.now, submit);
    assert!(desk.frames([&*accepted("k", None), &event("k", 5)]).is_empty());
}

#[test]
fn a_submit_released_before_it_was_sent_is_not_sent() {
    let mut desk = Desk::idle(ClientConfig::default());
    let submit = desk.submit();
    desk.client.release(desk.now, submit);
    desk.open();
    assert_eq!(desk.frame(&crate::support::welcome("sess_1", "t")), ["welcome sess_1"]);
}

#[test]
fn unsubscribe_ends_a_subscription_and_nothing_else() {
    let mut desk = Desk::live();
    let job = desk.job("own");
    assert!(matches!(desk.client.unsubscribe(desk.now, job), Err(ClientRefused::Invalid(_))));
    let watch = desk.subscribe("j");
    desk.frame(&plain("job.subscribed", r#""job_id":"j""#));
    let second = desk.subscribe("j");
    desk.frame(&plain("job.subscribed", r#""job_id":"j""#));
    desk.client.unsubscribe(desk.now, watch).unwrap();
    assert!(desk.drain().is_empty(), "another handle still needs it");
    assert_eq!(desk.frame(&event("j", 1)), [r#"h2 #1 log {"n":1}"#]);
    desk.client.release(desk.now, second);
    assert_eq!(desk.drain(), ["> job.unsubscribe"]);
    assert_eq!(desk.last("job.unsubscribe")["payload"], json!({"job_id": "j"}));
    assert!(desk.frames([&*event("j", 2), &success("j", 3)]).is_empty());
    assert_eq!(desk.client.unsubscribe(desk.now, second), Err(ClientRefused::Stale));
    assert_eq!(desk.frame(&event("own", 4)), [r#"h0 #4 log {"n":4}"#]);
}

#[test]
fn a_subscription_given_up_before_it_was_sent_leaves_no_trace() {
    let mut desk = Desk::live();
    desk.cut();
    let watch = desk.subscribe("j");
    desk.client.unsubscribe(desk.now, watch).unwrap();
    assert_eq!(desk.resume(), ["> session.hello", "welcome again sess_1"]);
}

#[test]
fn an_answer_to_a_submit_of_many_transports_ago_does_not_lose_its_job() {
    let mut desk = Desk::live();
    desk.submit();
    let first = desk.id_of("job.submit");
    // The runtime took the first one; its answer was cut off, and so were many that followed.
    for _ in 0..100 {
        desk.cut();
        desk.resume();
    }
    let last = desk.id_of("job.submit");
    assert_ne!(first, last);
    // A resumed runtime announces the job again, under the id that made it, then shows the events (§6.3).
    let mut lines = desk.frames([&*accepted("job_1", Some(&first)), &event("job_1", 1), &event("job_1", 2)]);
    lines.extend(desk.frames([&*accepted("job_1", Some(&last)), &success("job_1", 3)]));
    let beginnings: Vec<_> = lines.iter().filter_map(|line| line.split(' ').nth(1)).collect();
    assert_eq!(beginnings, ["accepted", "#1", "#2", "#3"], "{lines:?}");
}

#[test]
fn a_request_that_is_too_large_for_the_runtime_fails_and_the_others_go_on() {
    let mut desk = Desk::live();
    desk.submit();
    let input = serde_json::value::to_raw_value(&"x".repeat(10_000)).unwrap();
    desk.submit_as(&Submit { agent: "echo".into(), input: Some(&input), ..Submit::default() });
    // It takes what it can before it finds the frame too large.
    desk.client.handle_peer_close(desk.now, 1009);
    let lines = desk.drain();
    assert!(lines.iter().any(|line| line.starts_with("h1") && line.contains("too large")), "{lines:?}");
    let lines = desk.resume();
    assert_eq!(lines.iter().filter(|line| *line == "> job.submit").count(), 1, "the small one alone: {lines:?}");
    let lines = desk.frame(&accepted("j", Some(&desk.id_of("job.submit"))));
    assert_eq!(lines, ["h0 accepted j"]);
}

#[test]
fn another_close_of_the_peer_fails_no_request() {
    let mut desk = Desk::live();
    desk.submit();
    desk.client.handle_peer_close(desk.now, 1001);
    desk.drain();
    assert!(desk.resume().contains(&"> job.submit".to_owned()));
}

#[test]
fn the_end_of_a_former_clients_job_is_no_refusal_of_a_submit() {
    let mut desk = Desk::idle(ClientConfig::default());
    let point = ResumePoint { session_id: "sess_1".to_owned(), token: Secret::new("rt_1"), last_event_seq: 4 };
    desk.client = Client::resuming(ClientConfig::default(), [7; 32], START, point);
    desk.open();
    desk.frame(&welcome("sess_1", "rt_2"));
    desk.submit();
    let members = r#""final_status":"error","code":"INTERNAL_ERROR","message":"it broke""#;
    assert_eq!(desk.frame(&job_error("job_of_the_former", 5, members)), [""; 0]);
    let lines = desk.frame(&accepted("job_1", Some(&desk.id_of("job.submit"))));
    assert_eq!(lines, ["h0 accepted job_1"]);
}

#[test]
fn requests_are_bounded_by_their_bytes_too() {
    let mut desk = Desk::live_with(ClientConfig { request_bytes: 4_000, ..ClientConfig::default() });
    let input = serde_json::value::to_raw_value(&"x".repeat(1_500)).unwrap();
    let submit = Submit { agent: "echo".into(), input: Some(&input), ..Submit::default() };
    desk.submit_as(&submit);
    let id = desk.id_of("job.submit");
    let mut asked = 1;
    let refused = loop {
        match desk.client.submit(desk.now, &submit) {
            Ok(_) => asked += 1,
            Err(refused) => break refused,
        }
        assert!(asked < 10, "it grows past its limit");
    };
    assert_eq!(refused, ClientRefused::Limit { limit: "request_bytes", max: 4_000 });
    desk.drain();
    desk.frame(&accepted("j", Some(&id)));
    assert!(desk.client.submit(desk.now, &submit).is_ok(), "an answer makes room");
}

#[test]
fn reading_stops_while_the_bytes_of_events_pile_up() {
    let mut desk = Desk::live_with(ClientConfig { event_bytes: 2_000, ..ClientConfig::default() });
    desk.job("j");
    desk.takes = false;
    let long = |seq| kind("j", seq, "log", &format!(r#"{{"level":"info","message":"{}"}}"#, "x".repeat(900)));
    let mut seq = 0;
    while desk.client.reading() {
        seq += 1;
        desk.frame(&long(seq));
        assert!(seq < 5, "it reads on past its limit");
    }
    assert!(seq > 1, "one event fits");
    desk.client.handle_taken(desk.now, usize::try_from(seq).unwrap());
    desk.drain();
    assert!(desk.client.reading());
}

#[test]
fn events_of_unknown_jobs_are_bounded_by_their_bytes_too() {
    let mut desk = Desk::live_with(ClientConfig { held_bytes: 2_000, ..ClientConfig::default() });
    let long = |seq| kind("x", seq, "log", &format!(r#"{{"level":"info","message":"{}"}}"#, "x".repeat(900)));
    let lines: Vec<String> = (1..=4).flat_map(|seq| desk.frame(&long(seq))).collect();
    assert!(lines.iter().all(|line| line.starts_with("gap ")), "{lines:?}");
    assert!((1..4).contains(&lines.len()), "the oldest are given up, not all: {lines:?}");
}

#[test]
fn no_credential_is_kept_once_it_was_handed_on() {
    let value = "x".repeat(100_000);
    let with = |value: &str| {
        let mut desk = Desk::live();
        desk.submit();
        let id = desk.id_of("job.submit");
        let credentials =
            format!(r#""credentials":[{{"id":"c","scheme":"bearer","value":"{value}","endpoint":"https://e"}}]"#);
        let lines = desk.frame(&plain("job.accepted", &format!(r#""job_id":"j","request_id":"{id}",{credentials}"#)));
        assert_eq!(lines, ["h0 accepted j"]);
        let mut held = vec![desk.client.bytes_held()];
        desk.subscribe("j");
        desk.frame(&plain("job.subscribed", &format!(r#""job_id":"j","current_status":"running",{credentials}"#)));
        held.push(desk.client.bytes_held());
        let rotated = format!(r#"{{"phase":"credential_rotated","credential_id":"c","id":"c","value":"{value}"}}"#);
        assert_eq!(desk.frame(&kind("j", 1, "status", &rotated)).len(), 2, "both handles are told");
        held.push(desk.client.bytes_held());
        desk.frame(&success("j", 2));
        held.push(desk.client.bytes_held());
        held
    };
    assert_eq!(with(&value), with("x"), "what it holds does not depend on what it was shown");
}
