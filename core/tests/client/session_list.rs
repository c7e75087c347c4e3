//! Lists of sessions (core/docs/arcp.md, "Sessions").

use nuncio_core::arcp::client::{ClientEvent, ClientOutput, ClientRefused, SessionPage, SessionQuery, SessionRow};
use serde_json::json;

use crate::support::{Harness, SECOND, error, plain};

const LIST: &str = "x-vendor.nuncio.list_sessions";
const SESSIONS: &str = "x-vendor.nuncio.sessions";

fn ask(harness: &mut Harness, query: &SessionQuery<'_>) -> String {
    harness.client.list_sessions(harness.now, query).unwrap();
    harness.drain();
    harness.id_of(LIST)
}

/// Returns the page that an answer with these members leads to.
fn read(harness: &mut Harness, members: &str) -> SessionPage {
    let id = ask(harness, &SessionQuery::default());
    let frame = plain(SESSIONS, &format!(r#""request_id":"{id}"{members}"#));
    harness.client.handle_frame(harness.now, &bytes::Bytes::from(frame));
    loop {
        match harness.client.poll_output() {
            Some(ClientOutput::Event(ClientEvent::Sessions { page, .. })) => return *page,
            Some(_) => {}
            None => panic!("no event came of {members}"),
        }
    }
}

#[test]
fn a_page_of_sessions_is_asked_for_and_read() {
    let mut harness = Harness::live();
    let id = ask(&mut harness, &SessionQuery { limit: Some(2), cursor: Some("sess_0".into()) });
    assert_eq!(harness.last(LIST)["payload"], json!({"limit": 2, "cursor": "sess_0"}));
    let answer = plain(SESSIONS, &format!(r#""request_id":"{id}","sessions":[{{"session_id":"sess_1"}}]"#));
    assert_eq!(harness.frame(&answer), [r#"sessions ["sess_1"] next=None"#]);
    assert!(harness.frame(&answer).is_empty(), "it is answered once");

    let live =
        r#"{"session_id":"sess_1","principal":"alice","state":"live","jobs":2,"dialect":"spec","last_event_seq":7}"#;
    let detached = r#"{"session_id":"sess_2","principal":"bob","state":"detached","jobs":0,"dialect":"nuncio","last_event_seq":0,"resumable_until":"2026-11-21T00:01:00.000Z"}"#;
    let page = read(&mut harness, &format!(r#","sessions":[{live},{detached}],"next_cursor":"sess_2""#));
    assert_eq!(harness.last(LIST)["payload"], json!({}));
    assert_eq!((page.sessions.len(), page.next_cursor.as_deref()), (2, Some("sess_2")));
    let SessionRow { session_id, principal, state, jobs, dialect, last_event_seq, resumable_until, .. } =
        &page.sessions[0];
    assert_eq!((session_id.as_str(), principal.as_str(), state.as_str()), ("sess_1", "alice", "live"));
    assert_eq!((dialect.as_str(), *jobs, *last_event_seq, resumable_until), ("spec", 2, 7, &None));
    assert_eq!(page.sessions[1].resumable_until.as_deref(), Some("2026-11-21T00:01:00.000Z"));
}

#[test]
fn what_cannot_be_read_of_a_page_counts_as_absent() {
    let mut harness = Harness::live();
    for members in ["", r#","sessions":7,"next_cursor":7"#, r#","sessions":[7,{},{"session_id":1}],"next_cursor":"""#] {
        let page = read(&mut harness, members);
        assert_eq!((page.sessions.len(), page.next_cursor), (0, None), "{members}");
    }
    let row = r#"{"session_id":"s","principal":1,"state":null,"jobs":-1,"last_event_seq":"7","resumable_until":0}"#;
    let page = read(&mut harness, &format!(r#","sessions":[{row}]"#));
    let row = &page.sessions[0];
    assert_eq!((row.session_id.as_str(), row.principal.as_str(), row.state.as_str()), ("s", "", ""));
    assert_eq!((row.dialect.as_str(), row.jobs, row.last_event_seq, &row.resumable_until), ("", 0, 0, &None));
}

#[test]
fn a_page_of_sessions_answers_its_own_request_alone() {
    let mut harness = Harness::live();
    let id = ask(&mut harness, &SessionQuery::default());
    harness.client.questions(harness.now, &nuncio_core::arcp::client::QuestionQuery::default()).unwrap();
    harness.drain();
    let other = harness.id_of("x-vendor.nuncio.list_questions");
    for quoted in ["other", &other] {
        assert!(harness.frame(&plain(SESSIONS, &format!(r#""request_id":"{quoted}","sessions":[]"#))).is_empty());
    }
    let lines = harness.frame(&plain(SESSIONS, &format!(r#""request_id":"{id}","sessions":[]"#)));
    assert_eq!(lines, ["sessions [] next=None"]);
}

#[test]
fn a_refused_list_of_sessions_fails_and_one_without_an_answer_times_out() {
    let mut harness = Harness::live();
    let id = ask(&mut harness, &SessionQuery::default());
    let refusal = format!(r#""code":"INVALID_REQUEST","message":"m","retryable":false,"request_id":"{id}""#);
    assert_eq!(harness.frame(&error(&refusal)), ["sessions failed: INVALID_REQUEST"]);
    ask(&mut harness, &SessionQuery::default());
    let lines: Vec<String> = (0..70)
        .flat_map(|_| {
            let lines = harness.wait(SECOND);
            harness.frame(&plain("session.pong", r#""ping_nonce":"n""#));
            lines
        })
        .filter(|line| line.contains("failed"))
        .collect();
    assert_eq!(lines, ["sessions failed: timed out"]);
}

#[test]
fn a_list_of_sessions_that_was_lost_is_asked_for_again_after_the_resume() {
    let mut harness = Harness::live();
    let first = ask(&mut harness, &SessionQuery::default());
    harness.cut();
    assert!(harness.resume().iter().any(|line| *line == format!("> {LIST}")));
    assert_ne!(harness.id_of(LIST), first);
    harness.client.close(harness.now, None);
    let refused = harness.client.list_sessions(harness.now, &SessionQuery::default());
    assert_eq!(refused, Err(ClientRefused::Closed));
}
