//! §6.6: listing jobs.

use std::sync::Arc;
use std::time::Duration;

use nuncio_core::arcp::{Access, AnyPrincipal, Policy};
use nuncio_tests::world::{Frame, OnSubmit, SECOND, World};
use serde_json::{Value, json};

pub(crate) fn ids(page: &Frame) -> Vec<String> {
    let jobs = page.payload()["jobs"].as_array().unwrap();
    jobs.iter().map(|job| job["job_id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn s6_6_an_entry_is_complete() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job =
        w.submit(a, json!({"agent": "ver", "lease_request": {"fs.read": ["/ws/**"], "cost.budget": ["USD:5.00"]}}));
    w.log(&job, "2");
    w.drain(a);
    w.advance(SECOND);
    let page = w.list(a, json!({"filter": {"status": ["running", "pending"]}, "limit": 100, "cursor": null}));
    assert_eq!(
        page.payload()["jobs"],
        json!([{
            "job_id": job.id,
            "agent": "ver@2.0.0",
            "status": "running",
            "lease": {"fs.read": ["/ws/**"], "cost.budget": ["USD:5.00"]},
            "parent_job_id": null,
            "created_at": "2026-05-13T19:30:00.000Z",
            "submitted_at": "2026-05-13T19:30:00.000Z",
            "trace_id": job.accepted["trace_id"],
            "last_event_seq": 2,
        }])
    );
    assert!(page.payload().get("next_cursor").is_some_and(Value::is_null), "null shown");
}

#[test]
fn s6_6_statuses() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let success = w.job(a, "echo");
    w.finish(&success, "1");
    w.drain(a);
    let failed = w.job(a, "echo");
    w.fail(&failed, "INTERNAL_ERROR", "x").unwrap();
    w.drain(a);
    let cancelled = w.job(a, "echo");
    w.send(a, "job.cancel", json!({"job_id": cancelled.id}));
    w.finish(&cancelled, "1");
    let timed_out = w.submit_after_drain(a, json!({"agent": "echo", "max_runtime_sec": 1}));
    w.advance(2 * SECOND);
    let running = w.submit_after_drain(a, json!({"agent": "narrow"}));
    w.send_submit(a, json!({"agent": "narrow"}));
    let pending = w.expect(a, "job.accepted").job().to_owned();
    for (status, id) in [
        ("success", &success.id),
        ("error", &failed.id),
        ("cancelled", &cancelled.id),
        ("timed_out", &timed_out.id),
        ("running", &running.id),
        ("pending", &pending),
    ] {
        let page = w.list(a, json!({"filter": {"status": [status]}}));
        assert_eq!(ids(&page), std::slice::from_ref(id), "{status}");
        assert_eq!(page.payload()["jobs"][0]["status"], status);
    }
    let page = w.list(a, json!({"filter": {"status": ["from_the_future"]}}));
    assert_eq!(ids(&page), [""; 0], "an unknown status matches nothing");
    let page = w.list(a, json!({"filter": {"status": ["from_the_future", "pending"]}}));
    assert_eq!(ids(&page), [pending]);
}

trait AfterDrain {
    fn submit_after_drain(&mut self, conn: nuncio_core::arcp::ConnId, payload: Value) -> nuncio_tests::world::Job;
}

impl AfterDrain for World {
    fn submit_after_drain(&mut self, conn: nuncio_core::arcp::ConnId, payload: Value) -> nuncio_tests::world::Job {
        self.drain(conn);
        self.submit(conn, payload)
    }
}

#[test]
fn s6_6_agent_filter_bare_names_match_every_version() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let one = w.job(a, "ver@1.0.0");
    let two = w.job(a, "ver@2.0.0");
    w.job(a, "echo");
    assert_eq!(ids(&w.list(a, json!({"filter": {"agent": "ver"}}))), [one.id.clone(), two.id]);
    assert_eq!(ids(&w.list(a, json!({"filter": {"agent": "ver@1.0.0"}}))), [one.id]);
    assert_eq!(ids(&w.list(a, json!({"filter": {"agent": "ve"}}))), [""; 0]);
    assert_eq!(ids(&w.list(a, json!({"filter": {"agent": "unknown"}}))), [""; 0]);
}

#[test]
fn s6_6_created_filters() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let early = w.job(a, "echo");
    w.advance(10 * SECOND);
    w.drain(a);
    let late = w.job(a, "echo");
    assert_eq!(
        ids(&w.list(a, json!({"filter": {"created_after": "2026-05-13T19:30:05Z"}}))),
        std::slice::from_ref(&late.id)
    );
    assert_eq!(
        ids(&w.list(a, json!({"filter": {"created_before": "2026-05-13T21:30:05+02:00"}}))),
        std::slice::from_ref(&early.id)
    );
    assert_eq!(
        ids(&w.list(
            a,
            json!({"filter": {"created_after": "2026-05-13T19:29:00Z", "created_before": "2026-05-13T19:31:00.5Z"}})
        )),
        [early.id, late.id]
    );
}

#[test]
fn s6_6_nulls_are_accepted() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    for payload in [
        json!({"filter": null, "limit": null, "cursor": null}),
        json!({"filter": {"status": null, "agent": null, "created_after": null, "created_before": null}}),
        json!({}),
    ] {
        assert_eq!(ids(&w.list(a, payload)), std::slice::from_ref(&job.id));
    }
}

#[test]
fn s6_6_bad_values_are_invalid() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    for payload in [
        json!({"limit": 0}),
        json!({"limit": 1001}),
        json!({"limit": "10"}),
        json!({"filter": []}),
        json!({"filter": {"status": "running"}}),
        json!({"filter": {"status": [1]}}),
        json!({"filter": {"agent": 7}}),
        json!({"filter": {"created_after": "yesterday"}}),
        json!({"filter": {"created_before": 17}}),
        json!({"cursor": 1}),
        json!({"cursor": "nonsense of no runtime"}),
        json!({"cursor": ""}),
    ] {
        let id = w.send(a, "session.list_jobs", payload.clone());
        let error = w.refusal(a, "INVALID_REQUEST");
        assert_eq!(error.payload()["request_id"], id.as_str(), "{payload}");
    }
    for limit in [1, 1000] {
        w.list(a, json!({"limit": limit}));
    }
}

#[test]
fn s6_6_pages_list_the_oldest_jobs_first() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let jobs: Vec<String> = (0..7).map(|_| w.job(a, "echo").id).collect();
    let mut found = Vec::new();
    let mut cursor = json!(null);
    let mut pages = 0;
    loop {
        let page = w.list(a, json!({"limit": 3, "cursor": cursor}));
        found.extend(ids(&page));
        pages += 1;
        cursor = page.payload()["next_cursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!((found, pages), (jobs, 3));
}

#[test]
fn s6_6_a_full_last_page_ends_the_list() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    for _ in 0..4 {
        w.job(a, "echo");
    }
    let page = w.list(a, json!({"limit": 2}));
    let page = w.list(a, json!({"limit": 2, "cursor": page.payload()["next_cursor"]}));
    assert_eq!(ids(&page).len(), 2);
    if !page.payload()["next_cursor"].is_null() {
        let page = w.list(a, json!({"limit": 2, "cursor": page.payload()["next_cursor"]}));
        assert_eq!(ids(&page), [""; 0]);
        assert!(page.payload()["next_cursor"].is_null());
    }
}

#[test]
fn s6_6_the_cursor_is_stable_while_jobs_come_and_go() {
    let mut w = World::with(|config| config.limits.retained_jobs = 0);
    let a = w.login("tok-alice");
    let jobs: Vec<_> = (0..6).map(|_| w.job(a, "echo")).collect();
    let page = w.list(a, json!({"limit": 3}));
    assert_eq!(ids(&page), [jobs[0].id.clone(), jobs[1].id.clone(), jobs[2].id.clone()]);
    // The cursor's own job and an earlier one end, and a new one starts.
    w.finish(&jobs[2], "1");
    w.finish(&jobs[0], "1");
    w.drain(a);
    let new = w.job(a, "echo");
    let page = w.list(a, json!({"limit": 10, "cursor": page.payload()["next_cursor"]}));
    assert_eq!(ids(&page), [jobs[3].id.clone(), jobs[4].id.clone(), jobs[5].id.clone(), new.id]);
}

#[test]
fn s6_6_a_cursor_is_valid_in_another_session() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let jobs: Vec<String> = (0..3).map(|_| w.job(a, "echo").id).collect();
    let page = w.list(a, json!({"limit": 1}));
    let cursor = page.payload()["next_cursor"].clone();
    w.cut(a);
    let b = w.login("tok-alice");
    assert_eq!(ids(&w.list(b, json!({"cursor": cursor}))), jobs[1..]);
}

#[test]
fn s6_6_the_default_page_is_100() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    for _ in 0..101 {
        w.job(a, "echo");
    }
    let page = w.list(a, json!({}));
    assert_eq!(ids(&page).len(), 100);
    assert!(page.payload()["next_cursor"].is_string());
}

#[test]
fn s6_6_no_leak_across_principals() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    w.job(a, "echo");
    let b = w.login("tok-bob");
    assert_eq!(ids(&w.list(b, json!({}))), [""; 0]);
    let other = w.login("tok-alice2");
    assert_eq!(ids(&w.list(other, json!({}))).len(), 1, "the list covers the principal, not the session");
}

#[test]
fn s6_6_a_policy_may_show_more() {
    let mut w = World::with(|config| config.policy = Arc::new(AnyPrincipal));
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    let b = w.login("tok-bob");
    assert_eq!(ids(&w.list(b, json!({}))), [job.id]);
}

#[test]
fn s6_6_the_policy_sees_observer_owner_and_agent() {
    struct Only;
    impl Policy for Only {
        fn access(&self, observer: &str, owner: &str, agent: &str) -> Access {
            match (observer, owner, agent) {
                ("bob", "alice", "ver@1.0.0") => Access::Listed,
                (observer, owner, _) if observer == owner => Access::Observed,
                _ => Access::Hidden,
            }
        }
    }
    let mut w = World::with(|config| config.policy = Arc::new(Only));
    let a = w.login("tok-alice");
    let shown = w.job(a, "ver@1.0.0");
    w.job(a, "ver@2.0.0");
    w.job(a, "echo");
    let b = w.login("tok-bob");
    assert_eq!(ids(&w.list(b, json!({}))), [shown.id]);
}

#[test]
fn s14_lists_never_contain_credentials() {
    let mut w = World::with(|config| config.provisioner = true);
    let a = w.login("tok-alice");
    let job = w.submit(a, json!({"agent": "echo", "lease_request": {"model.use": ["tier-fast/*"]}}));
    assert!(job.accepted.payload()["credentials"].is_array());
    let page = w.list(a, json!({}));
    assert!(!page.text().contains("credential") && !page.text().contains("secret"), "{page:?}");
}

#[test]
fn s6_6_ended_jobs_are_dropped_after_the_retention() {
    let mut w = World::with(|config| config.job_retention = Duration::from_secs(100));
    let a = w.login_without("tok-alice", &["heartbeat"]);
    let job = w.job(a, "echo");
    let live = w.job(a, "echo");
    w.finish(&job, "1");
    w.drain(a);
    w.advance(99 * SECOND);
    assert_eq!(ids(&w.list(a, json!({}))), [job.id, live.id.clone()]);
    w.advance(2 * SECOND);
    assert_eq!(ids(&w.list(a, json!({}))), [live.id]);
}

#[test]
fn s6_6_a_job_that_was_not_accepted_is_not_listed() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    w.on_submit = OnSubmit::Hold;
    let key = w.submit_held(a, json!({"agent": "echo"}));
    w.decline(key, nuncio_core::arcp::ErrorCode::PermissionDenied);
    w.refusal(a, "PERMISSION_DENIED");
    assert_eq!(ids(&w.list(a, json!({}))), [""; 0]);
}

#[test]
fn s6_6_a_child_shows_its_parent() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let parent = w.submit(a, json!({"agent": "echo", "lease_request": {"agent.delegate": ["*"]}}));
    w.delegate(&parent, &json!({"agent": "slow"})).unwrap();
    w.drain(a);
    let page = w.list(a, json!({"filter": {"agent": "slow"}}));
    assert_eq!(page.payload()["jobs"][0]["parent_job_id"], parent.id.as_str());
}

/// Comparing each job with each status would take minutes.
#[test]
fn s6_6_a_filter_may_name_any_number_of_statuses() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    for _ in 0..500 {
        w.job(a, "slow");
    }
    let statuses = vec!["x"; 200_000];
    let page = w.list(a, json!({"filter": {"status": statuses}}));
    assert_eq!(page.payload()["jobs"], json!([]));
    let page = w.list(a, json!({"filter": {"status": ["x", "running", "running"]}, "limit": 3}));
    assert_eq!(page.payload()["jobs"].as_array().map(Vec::len), Some(3));
}
