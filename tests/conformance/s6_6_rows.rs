//! §6.6: what rows of jobs tell clients of Nuncio in addition (ours).

use nuncio_core::arcp::{Dialect, Question};
use nuncio_tests::world::{Frame, SECOND, World};
use serde_json::{Value, json};

use crate::s6_6_list::ids;

#[test]
fn ours_a_list_says_to_nuncio_how_jobs_have_ended() {
    for dialect in [Dialect::NUNCIO, Dialect::SPEC] {
        let mut w = World::with(|config| config.dialect = Some(dialect));
        let a = w.login("tok-alice");
        let (succeeds, fails) = (w.job(a, "echo"), w.job(a, "echo"));
        w.advance(SECOND);
        w.finish(&succeeds, "1");
        w.fail(&fails, "INVALID_REQUEST", "no pages").unwrap();
        w.drain(a);
        let _running = w.job(a, "slow");
        let page = w.list(a, json!({"limit": 100}));
        let ended: Vec<&Value> = (0..3).map(|row| &page.payload()["jobs"][row]["x-vendor.nuncio.ended"]).collect();
        let at = "2026-05-13T19:30:01.000Z";
        let failed = json!({"completed_at": at, "code": "INVALID_REQUEST", "message": "no pages"});
        let told = [json!({"completed_at": at}), failed, Value::Null];
        let expected = if dialect == Dialect::NUNCIO { told } else { [Value::Null, Value::Null, Value::Null] };
        assert_eq!(ended, expected.iter().collect::<Vec<_>>());
    }
}

#[test]
fn ours_a_list_shows_the_jobs_that_ended_after_a_time() {
    for dialect in [Dialect::NUNCIO, Dialect::SPEC] {
        let mut w = World::with(|config| config.dialect = Some(dialect));
        let a = w.login("tok-alice");
        let (early, late) = (w.job(a, "echo"), w.job(a, "echo"));
        let _running = w.job(a, "slow");
        w.advance(SECOND);
        w.finish(&early, "1");
        w.advance(SECOND);
        w.finish(&late, "1");
        w.drain(a);
        let mut after = |time: &str| ids(&w.list(a, json!({"filter": {"x-vendor.nuncio.ended_after": time}})));
        assert_eq!(after("2026-05-13T19:30:00Z"), [early.id.clone(), late.id.clone()], "and none that runs");
        assert_eq!(after("2026-05-13T19:30:01Z"), std::slice::from_ref(&late.id), "not what ended at that time");
        assert_eq!(after("2026-05-13T19:30:02Z"), [] as [String; 0]);
        w.send(a, "session.list_jobs", json!({"filter": {"x-vendor.nuncio.ended_after": "today"}}));
        assert_eq!(w.expect(a, "session.error").payload()["code"], "INVALID_REQUEST");
    }
}

#[test]
fn ours_a_list_says_to_nuncio_which_session_owns_or_owned_a_job() {
    for dialect in [Dialect::NUNCIO, Dialect::SPEC] {
        let mut w = World::with(|config| config.dialect = Some(dialect));
        let (a, b) = (w.login("tok-alice"), w.login("tok-alice"));
        let _job = w.job(a, "slow");
        let owner = w.session(a);
        let page = w.list(b, json!({}));
        let told = |page: &Frame| {
            let row = &page.payload()["jobs"][0];
            ["x-vendor.nuncio.session_id", "x-vendor.nuncio.session_closed"].map(|member| row[member].clone())
        };
        let expected = |told: [Value; 2]| if dialect == Dialect::NUNCIO { told } else { [Value::Null, Value::Null] };
        assert_eq!(told(&page), expected([json!(owner), Value::Null]));
        // The resume window has passed, and the session is closed.
        w.cut(a);
        w.cut(b);
        w.advance(700 * SECOND);
        let c = w.login("tok-alice");
        let page = w.list(c, json!({}));
        assert_eq!(told(&page), expected([json!(owner), json!(true)]), "it is closed");
    }
}

#[test]
fn ours_a_list_says_to_nuncio_how_long_a_job_may_run() {
    for dialect in [Dialect::NUNCIO, Dialect::SPEC] {
        let mut w = World::with(|config| config.dialect = Some(dialect));
        let a = w.login("tok-alice");
        let _limited = w.submit(a, json!({"agent": "slow", "max_runtime_sec": 90}));
        let _unlimited = w.submit(a, json!({"agent": "slow"}));
        w.drain(a);
        let page = w.list(a, json!({}));
        let told = [0, 1].map(|row| page.payload()["jobs"][row]["x-vendor.nuncio.max_runtime_sec"].clone());
        let expected = if dialect == Dialect::NUNCIO { json!(90) } else { Value::Null };
        assert_eq!(told, [expected, Value::Null]);
    }
}

#[test]
fn ours_a_list_says_to_nuncio_which_jobs_wait_for_people_and_which_are_to_stop() {
    for dialect in [Dialect::NUNCIO, Dialect::SPEC] {
        let mut w = World::with(|config| config.dialect = Some(dialect));
        let a = w.login("tok-alice");
        let (_runs, asks, stops) = (w.job(a, "slow"), w.job(a, "slow"), w.job(a, "slow"));
        w.ask(&asks, &Question::new("Go on?")).unwrap();
        w.ask(&stops, &Question::new("Go on?")).unwrap();
        w.send(a, "job.cancel", json!({"job_id": stops.id}));
        w.drain(a);
        let phases = |w: &mut World| {
            let page = w.list(a, json!({}));
            let jobs = page.payload()["jobs"].as_array().unwrap().clone();
            let phases = jobs.iter().map(|job| (job["status"].clone(), job["x-vendor.nuncio.phase"].clone()));
            phases.collect::<Vec<_>>()
        };
        let expected = |told: [Value; 3]| {
            told.map(|phase| (json!("running"), if dialect == Dialect::NUNCIO { phase } else { Value::Null })).to_vec()
        };
        assert_eq!(phases(&mut w), expected([Value::Null, json!("asking"), json!("cancelling")]));
        let answer = json!({"job_id": asks.id, "question_id": "q1", "value": "yes"});
        w.send(a, "x-vendor.nuncio.answer", answer);
        w.drain(a);
        assert_eq!(phases(&mut w), expected([Value::Null, Value::Null, json!("cancelling")]));
    }
}
