//! Jobs of other runtimes of the host: listed, watched, cancelled and answered from any of them (ours; `core/docs/arcp.md`).

use std::sync::Arc;

use nuncio_core::arcp::{AnyPrincipal, Dialect, Question, Runtime};
use serde_json::{Value, json};

use crate::shards::{Client, Shards, messages};

const HERE: usize = 0;
const THERE: usize = 1;
const BEYOND: usize = 2;

fn operator(shards: &mut Shards) -> Client {
    shards.session(HERE, "op", Dialect::NUNCIO).0
}

/// A session of another principal in each of two other runtimes.
fn others(shards: &mut Shards) -> (Client, Client) {
    (shards.session(THERE, "alice", Dialect::SPEC).0, shards.session(BEYOND, "bob", Dialect::SPEC).0)
}

fn subscribe(shards: &mut Shards, client: Client, job: &str, history: bool) -> Vec<Value> {
    shards.frame(client, "job.subscribe", json!({"job_id": job, "history": history}));
    shards.frames(client)
}

fn numbers(frames: &[Value]) -> Vec<u64> {
    frames.iter().filter_map(|frame| frame["event_seq"].as_u64()).collect()
}

#[test]
fn a_list_has_the_jobs_of_all_runtimes_in_the_order_of_their_ids() {
    let mut shards = Shards::new(|_| {});
    let (op, (alice, bob)) = (operator(&mut shards), others(&mut shards));
    let mut jobs = Vec::new();
    for _ in 0..3 {
        for client in [bob, alice, op] {
            jobs.push(shards.submit(client).0);
        }
    }
    let (mut listed, mut cursor) = (Vec::new(), Value::Null);
    for page in 1.. {
        let request = shards.frame(op, "session.list_jobs", json!({"limit": 2, "cursor": cursor}));
        let answer = shards.next(op);
        assert_eq!((&answer["type"], &answer["payload"]["request_id"]), (&json!("session.jobs"), &json!(request)));
        let rows = answer["payload"]["jobs"].as_array().unwrap();
        assert!(rows.len() <= 2, "page {page}");
        listed.extend(rows.iter().map(|row| row["job_id"].as_str().unwrap().to_owned()));
        cursor = answer["payload"]["next_cursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!(listed, jobs);
    // A principal that sees its own jobs only is answered without the others.
    let relayed = shards.relayed;
    shards.frame(alice, "session.list_jobs", json!({}));
    let answer = shards.frames(alice).pop().unwrap();
    assert_eq!((answer["payload"]["jobs"].as_array().unwrap().len(), shards.relayed), (3, relayed));
}

#[test]
fn an_operator_lists_the_sessions_of_all_runtimes_and_others_their_own() {
    let mut shards = Shards::new(|_| {});
    let (op, welcome) = shards.session(HERE, "op", Dialect::NUNCIO);
    let mut all = vec![welcome["session_id"].clone()];
    let (alice, welcome) = shards.session(THERE, "alice", Dialect::SPEC);
    all.push(welcome["session_id"].clone());
    for _ in 0..3 {
        all.push(shards.session(BEYOND, "bob", Dialect::SPEC).1["session_id"].clone());
    }
    all.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
    let (mut listed, mut cursor) = (Vec::new(), Value::Null);
    loop {
        let request = shards.frame(op, "x-vendor.nuncio.list_sessions", json!({"limit": 2, "cursor": cursor}));
        let answer = shards.next(op);
        assert_eq!(answer["payload"]["request_id"], json!(request));
        let rows = answer["payload"]["sessions"].as_array().unwrap();
        assert!(rows.len() <= 2);
        listed.extend(rows.iter().map(|row| row["session_id"].clone()));
        cursor = answer["payload"]["next_cursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!(listed, all, "each once, and no guest");
    let relayed = shards.relayed;
    shards.frame(alice, "x-vendor.nuncio.list_sessions", json!({}));
    let answer = shards.next(alice);
    assert_eq!((answer["payload"]["sessions"].as_array().unwrap().len(), shards.relayed), (1, relayed));
}

#[test]
fn a_filter_holds_in_all_runtimes() {
    let mut shards = Shards::new(|_| {});
    let (op, (alice, bob)) = (operator(&mut shards), others(&mut shards));
    let (done, key) = shards.submit(alice);
    shards.submit(bob);
    shards.finish(THERE, key);
    shards.frame(op, "session.list_jobs", json!({"filter": {"status": ["success"]}}));
    let answer = shards.next(op);
    let rows = answer["payload"]["jobs"].as_array().unwrap();
    assert_eq!((rows.len(), &rows[0]["job_id"], &answer["payload"]["next_cursor"]), (1, &json!(done), &Value::Null));
    let request = shards.frame(op, "session.list_jobs", json!({"limit": 0}));
    assert_eq!(shards.next(op)["payload"]["request_id"], json!(request), "a bad request is refused here");
}

#[test]
fn a_subscription_numbers_the_events_in_its_own_session() {
    let mut shards = Shards::new(|_| {});
    let (op, (alice, _)) = (operator(&mut shards), others(&mut shards));
    let (own, own_key) = shards.submit(op);
    let (job, key) = shards.submit(alice);
    shards.emit(THERE, key, "one");
    shards.frames(op);
    let frames = subscribe(&mut shards, op, &job, true);
    assert_eq!((&frames[0]["type"], &frames[0]["job_id"]), (&json!("job.subscribed"), &json!(job)));
    assert_eq!((&frames[0]["payload"]["replayed"], messages(&frames)), (&json!(true), vec!["one"]));
    shards.emit(HERE, own_key, "own");
    shards.emit(THERE, key, "two");
    shards.finish(THERE, key);
    let rest = shards.frames(op);
    assert_eq!(messages(&rest), ["own", "two"]);
    let last = rest.last().unwrap();
    assert_eq!(
        (&last["type"], &last["job_id"], &last["payload"]["result"]),
        (&json!("job.result"), &json!(job), &json!(1))
    );
    let all: Vec<u64> = numbers(&frames).into_iter().chain(numbers(&rest)).collect();
    assert!(all.windows(2).all(|pair| pair[1] == pair[0] + 1), "no number is missing, none is given twice: {all:?}");
    let of_session = |frame: &&Value| frame["session_id"] == frames[0]["session_id"];
    assert_eq!(rest.iter().filter(of_session).count(), rest.len());
    // It has ended, so it can be read once more from the beginning.
    let again = subscribe(&mut shards, op, &job, true);
    assert_eq!((messages(&again), &again.last().unwrap()["type"]), (vec!["one", "two"], &json!("job.result")));
    assert_ne!(own, job);
}

#[test]
fn a_policy_that_shows_the_jobs_of_others_is_answered_by_their_runtimes() {
    let mut shards = Shards::new(|config| config.policy = Arc::new(AnyPrincipal));
    let (carol, _) = shards.session(HERE, "carol", Dialect::SPEC);
    let (alice, _) = others(&mut shards);
    let (job, key) = shards.submit(alice);
    assert_eq!(subscribe(&mut shards, carol, &job, false)[0]["type"], "job.subscribed");
    shards.emit(THERE, key, "seen");
    assert_eq!(messages(&shards.frames(carol)), ["seen"]);
    shards.frame(carol, "job.cancel", json!({"job_id": job}));
    assert_eq!(shards.next(carol)["payload"]["code"], "PERMISSION_DENIED");
    shards.frame(carol, "job.unsubscribe", json!({"job_id": job}));
    shards.emit(THERE, key, "unseen");
    assert_eq!(shards.frames(carol), [] as [Value; 0]);
}

#[test]
fn a_private_policy_asks_no_other_runtime() {
    let mut shards = Shards::new(|_| {});
    let (carol, _) = shards.session(HERE, "carol", Dialect::SPEC);
    let (alice, _) = others(&mut shards);
    let (job, _) = shards.submit(alice);
    for kind in ["job.subscribe", "job.cancel", "x-vendor.nuncio.answer"] {
        shards.frame(carol, kind, json!({"job_id": job, "question_id": "q1", "value": 1}));
        assert_eq!(shards.next(carol)["payload"]["code"], "JOB_NOT_FOUND", "{kind}");
    }
    assert_eq!(shards.relayed, 0);
}

/// Every request about a job that is nowhere is answered, once, and the next one is read.
#[test]
fn a_job_that_no_runtime_has_is_not_found() {
    for dialect in Dialect::all() {
        let mut shards = Shards::new(|_| {});
        let (op, _) = shards.session(HERE, "op", dialect);
        let (local, _) = shards.session(HERE, "carol", dialect);
        let job = "job_01ARZ3NDEKTSV4RRFFQ69G5FAV";
        for kind in ["job.subscribe", "job.cancel", "x-vendor.nuncio.answer", "job.unsubscribe"] {
            let request = json!({"job_id": job, "question_id": "q1", "value": 1});
            let answers = |shards: &mut Shards, client: Client| -> Vec<(Value, Value)> {
                shards.frame(client, kind, request.clone());
                let frames = shards.frames(client);
                frames.into_iter().map(|frame| (frame["type"].clone(), frame["payload"]["code"].clone())).collect()
            };
            let (of_all, of_one) = (answers(&mut shards, op), answers(&mut shards, local));
            assert_eq!(of_all, of_one, "{kind} in the dialect {dialect} is refused as by a single runtime");
            assert!(shards.runtimes[HERE].reading(op.conn), "{kind} in the dialect {dialect}");
        }
        shards.frame(op, "session.ping", json!({"nonce": "n"}));
        assert_eq!(shards.next(op)["type"], "session.pong");
    }
}

#[test]
fn an_operator_cancels_a_job_of_another_runtime() {
    let mut shards = Shards::new(|_| {});
    let (op, (alice, _)) = (operator(&mut shards), others(&mut shards));
    let (job, key) = shards.submit(alice);
    let request = shards.frame(op, "job.cancel", json!({"job_id": job, "reason": "enough"}));
    let answer = shards.next(op);
    assert_eq!((&answer["type"], &answer["payload"]["request_id"]), (&json!("job.cancelled"), &json!(request)));
    assert_eq!(answer["payload"]["reason"], "enough");
    shards.finish(THERE, key);
    // A job that has ended is not answered, as in its own runtime, and the next request is.
    shards.frame(op, "job.cancel", json!({"job_id": job}));
    assert_eq!(shards.frames(op), [] as [Value; 0]);
    shards.frame(op, "session.ping", json!({"nonce": "n"}));
    assert_eq!(shards.next(op)["type"], "session.pong");
}

#[test]
fn questions_of_all_runtimes_are_listed_and_answered() {
    let mut shards = Shards::new(|_| {});
    let (judge, _) = shards.session(HERE, "judge", Dialect::NUNCIO);
    let (alice, bob) = others(&mut shards);
    let mut asked = Vec::new();
    for (client, at) in [(bob, BEYOND), (alice, THERE)] {
        let (job, key) = shards.submit(client);
        let question = Question::new("Go on?");
        shards.run(at, |runtime, now| runtime.ask(now, key, &question)).unwrap();
        asked.push(job);
    }
    let (mut listed, mut cursor) = (Vec::new(), Value::Null);
    loop {
        shards.frame(judge, "x-vendor.nuncio.list_questions", json!({"limit": 1, "cursor": cursor}));
        let answer = shards.next(judge)["payload"].clone();
        listed.extend(
            answer["questions"].as_array().unwrap().iter().map(|row| row["job_id"].as_str().unwrap().to_owned()),
        );
        assert!(answer["questions"].as_array().unwrap().iter().all(|row| row["may_answer"] == true));
        cursor = answer["next_cursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!(listed, asked);
    shards.frame(judge, "x-vendor.nuncio.list_questions", json!({"job_id": asked[1]}));
    assert_eq!(shards.next(judge)["payload"]["questions"].as_array().unwrap().len(), 1);
    let answer = json!({"job_id": asked[0], "question_id": "q1", "value": "yes"});
    shards.frame(judge, "x-vendor.nuncio.answer", answer);
    let answered = shards.next(judge);
    assert_eq!((&answered["type"], &answered["payload"]["by"]), (&json!("x-vendor.nuncio.answered"), &json!("judge")));
}

/// A page of questions may be short, because a runtime has looked at enough. Then those of others beyond it wait for the next one.
#[test]
fn a_question_is_listed_once_although_pages_are_short() {
    let mut shards = Shards::new(|config| config.limits.turn_work = 1);
    let (judge, _) = shards.session(HERE, "judge", Dialect::NUNCIO);
    let (alice, bob) = others(&mut shards);
    let mut asked = Vec::new();
    for (client, at) in [(bob, BEYOND), (alice, THERE), (alice, THERE), (bob, BEYOND), (alice, THERE)] {
        let (job, key) = shards.submit(client);
        shards.run(at, |runtime, now| runtime.ask(now, key, &Question::new("Go on?"))).unwrap();
        asked.push(job);
    }
    let (mut listed, mut cursor) = (Vec::new(), Value::Null);
    loop {
        shards.frame(judge, "x-vendor.nuncio.list_questions", json!({"cursor": cursor}));
        let answer = shards.next(judge)["payload"].clone();
        let rows = answer["questions"].as_array().unwrap();
        listed.extend(rows.iter().map(|row| row["job_id"].as_str().unwrap().to_owned()));
        cursor = answer["next_cursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!(listed, asked);
}

#[test]
fn a_session_that_resumes_gets_what_was_emitted_elsewhere_meanwhile() {
    let mut shards = Shards::new(|_| {});
    let (op, welcome) = shards.session(HERE, "op", Dialect::NUNCIO);
    let (alice, _) = others(&mut shards);
    let (job, key) = shards.submit(alice);
    subscribe(&mut shards, op, &job, false);
    shards.emit(THERE, key, "one");
    let seen = *numbers(&shards.frames(op)).last().unwrap();
    shards.run(HERE, |runtime, now| runtime.handle_close(now, op.conn));
    shards.emit(THERE, key, "two");
    let resume =
        json!({"session_id": welcome["session_id"], "resume_token": welcome["resume_token"], "last_event_seq": seen});
    let (again, _) = shards.hello(HERE, "op", Dialect::NUNCIO, resume);
    shards.emit(THERE, key, "three");
    let frames = shards.frames(again);
    assert_eq!((messages(&frames), numbers(&frames)), (vec!["two", "three"], vec![seen + 1, seen + 2]));
}

#[test]
fn the_guests_of_a_session_leave_with_it() {
    let mut shards = Shards::new(|_| {});
    let (op, (alice, _)) = (operator(&mut shards), others(&mut shards));
    let (job, key) = shards.submit(alice);
    let before: Vec<_> = shards.runtimes.iter().map(Runtime::stats).collect();
    subscribe(&mut shards, op, &job, false);
    for (runtime, before) in shards.runtimes.iter().zip(&before) {
        let now = runtime.stats();
        assert_eq!(
            (now.connections, now.sessions_live),
            (before.connections, before.sessions_live),
            "guests do not count"
        );
    }
    assert_eq!(shards.guests(), 2);
    shards.frame(op, "session.close", json!({}));
    assert_eq!(shards.guests(), 2, "the session may be resumed");
    shards.now = shards.now.plus_secs(3_600);
    shards.run(HERE, Runtime::handle_timeout);
    assert_eq!(shards.guests(), 0);
    shards.emit(THERE, key, "unheard");
    assert_eq!(shards.runtimes[THERE].stats().sessions_live, 1);
}
