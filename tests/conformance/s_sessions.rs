//! Ours: the list of sessions (`docs/arcp.md`, "Sessions").

use std::collections::BTreeSet;

use nuncio_core::arcp::{ConnId, Dialect};
use nuncio_tests::world::{Frame, SECOND, START, World};
use serde_json::{Value, json};

/// A world in which bob is an operator.
fn operated(change: impl FnOnce(&mut nuncio_core::arcp::Config)) -> World {
    World::with(|config| {
        config.operators.insert("bob".to_owned());
        change(config);
    })
}

fn list(w: &mut World, conn: ConnId, payload: Value) -> Frame {
    let request = w.send(conn, "x-vendor.nuncio.list_sessions", payload);
    let page = w.expect(conn, "x-vendor.nuncio.sessions");
    assert_eq!(page.payload()["request_id"], request.as_str());
    page
}

fn rows(page: &Frame) -> Vec<Value> {
    page.payload()["sessions"].as_array().unwrap().clone()
}

fn ids(page: &Frame) -> Vec<String> {
    rows(page).iter().map(|row| row["session_id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn ours_a_principal_lists_its_own_sessions_and_an_operator_all() {
    let mut w = operated(|_| {});
    let (a, other, b) = (w.login("tok-alice"), w.login("tok-alice"), w.login("tok-bob"));
    let (own, all): (BTreeSet<String>, BTreeSet<String>) =
        ([a, other].map(|conn| w.session(conn)).into(), [a, other, b].map(|conn| w.session(conn)).into());
    let page = list(&mut w, a, json!({}));
    assert_eq!(ids(&page), own.into_iter().collect::<Vec<_>>(), "in the order of their ids");
    assert!(page.payload().get("next_cursor").is_none());
    assert!(rows(&page).iter().all(|row| row["principal"] == "alice"));
    assert_eq!(ids(&list(&mut w, b, json!({}))), all.into_iter().collect::<Vec<_>>());
}

#[test]
fn ours_an_approver_lists_its_own_sessions_alone() {
    let mut w = World::with(|config| {
        config.approvers.insert("bob".to_owned());
    });
    let (_a, b) = (w.login("tok-alice"), w.login("tok-bob"));
    assert_eq!(ids(&list(&mut w, b, json!({}))), [w.session(b)]);
}

#[test]
fn ours_a_session_is_shown_with_its_state_its_jobs_and_its_events() {
    let mut w = operated(|config| config.dialect = Some(Dialect::SPEC));
    let (a, b) = (w.login("tok-alice"), w.login("tok-bob"));
    let id = w.session(a);
    let _runs = w.job(a, "slow");
    let ended = w.job(a, "echo");
    w.finish(&ended, "1");
    w.drain(a);
    let shown = |w: &mut World| rows(&list(w, b, json!({}))).into_iter().find(|row| row["session_id"] == *id).unwrap();
    let live = json!({"session_id": id, "principal": "alice", "state": "live", "jobs": 1, "dialect": "spec", "last_event_seq": 3});
    assert_eq!(shown(&mut w), live);
    // It is lost, and can be resumed until its window has passed.
    w.advance(SECOND);
    w.cut(a);
    let window = w.runtime.config().resume_window;
    let until = START.plus_secs(1).plus(window).to_rfc3339();
    let mut detached = live;
    detached["state"] = json!("detached");
    detached["resumable_until"] = json!(until);
    assert_eq!(shown(&mut w), detached);
    w.advance(window.as_secs() * SECOND);
    let b = w.login("tok-bob");
    assert!(!ids(&list(&mut w, b, json!({}))).contains(&id), "it is over");
    // A session that its client has closed.
    let c = w.login("tok-alice");
    let closed = w.session(c);
    w.send(c, "session.close", json!({}));
    let page = rows(&list(&mut w, b, json!({})));
    assert_eq!(page.iter().find(|row| row["session_id"] == *closed).unwrap()["state"], "closed");
}

#[test]
fn ours_pages_of_sessions_have_each_of_them_once() {
    for turn_work in [1, 50_000] {
        let mut w = operated(|config| config.limits.turn_work = turn_work);
        let tokens = ["tok-alice"; 7].into_iter().chain(["tok-bob"]);
        let conns: Vec<ConnId> = tokens.map(|token| w.login(token)).collect();
        let expected: BTreeSet<String> = conns.iter().map(|conn| w.session(*conn)).collect();
        let (mut listed, mut cursor) = (Vec::new(), Value::Null);
        for _ in 0..20 {
            let page = list(&mut w, conns[7], json!({"limit": 3, "cursor": cursor}));
            assert!(ids(&page).len() <= 3);
            listed.extend(ids(&page));
            cursor = page.payload()["next_cursor"].clone();
            if cursor.is_null() {
                break;
            }
        }
        assert_eq!(listed, expected.into_iter().collect::<Vec<_>>());
        let own = list(&mut w, conns[0], json!({"cursor": listed.last().unwrap()}));
        assert_eq!(ids(&own), [] as [String; 0]);
    }
}

#[test]
fn limit_list_page_bounds_a_page_of_sessions() {
    let mut w = operated(|config| config.limits.list_page = 2);
    let a = w.login("tok-alice");
    for _ in 0..2 {
        w.login("tok-alice");
    }
    assert_eq!(ids(&list(&mut w, a, json!({}))).len(), 2);
    for payload in [json!({"limit": 0}), json!({"limit": 3}), json!({"cursor": "job_x"}), json!({"cursor": 7})] {
        w.send(a, "x-vendor.nuncio.list_sessions", payload);
        w.refusal(a, "INVALID_REQUEST");
    }
    w.send(a, "x-vendor.nuncio.sessions", json!({"sessions": []}));
    w.refusal(a, "INVALID_REQUEST");
}

/// A page ends before the frame is larger than a frame may be.
#[test]
fn limit_frame_bytes_bounds_a_page_of_sessions() {
    let mut w = operated(|config| config.limits.frame_bytes = 4096);
    let conns: Vec<ConnId> = (0..40).map(|_| w.login("tok-bob")).collect();
    let (mut listed, mut cursor) = (0, Value::Null);
    loop {
        let page = list(&mut w, conns[0], json!({"cursor": cursor}));
        assert!(page.payload().to_string().len() <= 4096);
        listed += ids(&page).len();
        cursor = page.payload()["next_cursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!(listed, 40);
}

#[test]
fn ours_sessions_are_listed_while_nothing_can_be_stored() {
    let mut w = operated(|_| {});
    let b = w.login("tok-bob");
    w.journal_stalled = true;
    assert_eq!(ids(&list(&mut w, b, json!({}))), [w.session(b)]);
}
