//! core/docs/arcp.md, "Dialects": each SDK's client, played by its recorded frames and its own rules of correlation.

use nuncio_core::arcp::{Dialect, ErrorCode, Event, Journaling, Record};
use nuncio_tests::sdk::{Answer, OnJobError, Player, SDKS, Sdk, run};
use nuncio_tests::world::{OnSubmit, World};
use serde_json::json;

fn sdk(name: &str) -> &'static Sdk {
    SDKS.iter().find(|sdk| sdk.name == name).unwrap()
}

/// Returns the job of a submit that was accepted.
fn granted(answer: Answer) -> String {
    match answer {
        Answer::Granted(job) => job,
        other => panic!("{other:?}"),
    }
}

#[test]
fn dialects_every_sdk_is_recognised_by_its_recorded_hello() {
    for sdk in &SDKS {
        let mut w = World::new();
        Player::connect(&mut w, sdk, "tok-alice");
        let dialect = w.host_event("SessionLive", |event| match event {
            Event::SessionLive { dialect, .. } => Some(*dialect),
            _ => None,
        });
        assert_eq!(dialect, sdk.dialect, "{}", sdk.name);
    }
}

#[test]
fn dialects_the_peers_wish_goes_before_the_principals_and_that_before_the_setting() {
    for (asked, named, set, expected) in [
        (None, None, None, Dialect::GO),
        (None, None, Some(Dialect::JAVA), Dialect::JAVA),
        (None, Some(Dialect::RUBY), Some(Dialect::JAVA), Dialect::RUBY),
        (Some(Dialect::SPEC), Some(Dialect::RUBY), Some(Dialect::JAVA), Dialect::SPEC),
    ] {
        let mut w = World::with(|config| config.dialect = set);
        w.on_authenticate = nuncio_tests::world::OnAuthenticate::Hold;
        let conn = w.open();
        if let Some(dialect) = asked {
            w.runtime.handle_dialect(w.now, conn, dialect);
        }
        let hello = sdk("go").lines().find(|line| line.contains("session.hello") && !line.contains("resume")).unwrap();
        w.send_text(conn, hello);
        w.runtime.admit_in(w.now, conn, "alice", named).unwrap();
        w.advance(0);
        let dialect = w.host_event("SessionLive", |event| match event {
            Event::SessionLive { dialect, .. } => Some(*dialect),
            _ => None,
        });
        assert_eq!(dialect, expected, "{asked:?} {named:?} {set:?}");
    }
}

#[test]
fn dialects_a_new_submit_after_a_resume_is_never_answered_by_an_old_job() {
    for sdk in &SDKS {
        let mut w = World::new();
        let mut player = Player::connect(&mut w, sdk, "tok-alice");
        let first = player.submit(&mut w, json!({"agent": "slow", "input": null}), &["agent.delegate"]);
        let mut old = granted(player.answer(&mut w, first));
        for round in 0..100 {
            // One job is running, another is still asked for, and a child's job.accepted is due.
            let parent = w.job_by_id(&old);
            w.delegate(&parent, &json!({"agent": "slow", "delegate_id": format!("d{round}")})).unwrap();
            w.on_submit = OnSubmit::Hold;
            player.submit(&mut w, json!({"agent": "slow", "input": round}), &[]);
            let asked = w.last_submitted();
            player.resume(&mut w);
            let pending = player.submit(&mut w, json!({"agent": "slow", "input": null}), &["agent.delegate"]);
            let newer = w.last_submitted();
            w.on_submit = OnSubmit::Start;
            w.start(asked);
            assert_eq!(player.answer(&mut w, pending), Answer::Open, "{}, round {round}", sdk.name);
            w.start(newer);
            old = granted(player.answer(&mut w, pending));
        }
    }
}

#[test]
fn dialects_a_refused_submit_ends_alone() {
    for sdk in &SDKS {
        let mut w = World::new();
        let mut player = Player::connect(&mut w, sdk, "tok-alice");
        let alone = player.submit(&mut w, json!({"agent": "nobody", "input": 1}), &[]);
        assert!(matches!(player.answer(&mut w, alone), Answer::Refused(_)), "{}", sdk.name);
        let first = player.submit(&mut w, json!({"agent": "slow", "input": 1}), &[]);
        let running = granted(player.answer(&mut w, first));
        for agent in ["nobody", "not an agent", "ver@9.9.9"] {
            let refused = player.submit(&mut w, json!({"agent": agent, "input": 1}), &[]);
            match player.answer(&mut w, refused) {
                Answer::Refused(code) => assert!(code.is_some(), "{}: the code is lost", sdk.name),
                Answer::Granted(job) => assert_eq!(player.streams[&job].end.as_ref().unwrap().status, "error"),
                Answer::Open => panic!("{}: the submit of {agent:?} hangs", sdk.name),
            }
        }
        let declined = w.on_submit.clone();
        w.on_submit = OnSubmit::Decline(nuncio_core::arcp::ErrorCode::PermissionDenied);
        let refused = player.submit(&mut w, json!({"agent": "slow", "input": 2}), &[]);
        assert_ne!(player.answer(&mut w, refused), Answer::Open, "{}: a submit that the host declines hangs", sdk.name);
        w.on_submit = declined;
        let job = w.job_by_id(&running);
        w.finish(&job, "\"fine\"");
        player.read(&mut w);
        assert!(player.harmed.is_empty(), "{}: {:?}", sdk.name, player.harmed);
        assert_eq!(player.streams[&running].end.as_ref().unwrap().value, json!("fine"));
    }
}

#[test]
fn dialects_refused_lists_and_subscriptions_end() {
    for sdk in &SDKS {
        let mut w = World::new();
        let mut player = Player::connect(&mut w, sdk, "tok-alice");
        let list = player.list(&mut w, json!({"limit": 0}));
        assert!(matches!(player.answer(&mut w, list), Answer::Refused(_)), "{}: a refused list hangs", sdk.name);
        let subscribe = player.subscribe(&mut w, "job_01M7XYPH85GSFKWQXBK44MZHS9");
        let code = Some("JOB_NOT_FOUND".to_owned());
        assert_eq!(player.answer(&mut w, subscribe), Answer::Refused(code), "{}", sdk.name);
        let list = player.list(&mut w, json!({}));
        assert_eq!(player.answer(&mut w, list), Answer::Granted("0".into()), "{}", sdk.name);
    }
}

#[test]
fn dialects_a_refused_cancel_harms_nothing() {
    for sdk in &SDKS {
        let mut w = World::new();
        let other = w.login("tok-alice");
        let foreign = w.job(other, "slow");
        let mut player = Player::connect(&mut w, sdk, "tok-alice");
        let first = player.submit(&mut w, json!({"agent": "slow", "input": 1}), &[]);
        let running = granted(player.answer(&mut w, first));
        player.cancel(&mut w, &foreign.id);
        player.cancel(&mut w, "job_01M7XYPH85GSFKWQXBK44MZHS9");
        let pending = player.submit(&mut w, json!({"agent": "slow", "input": 1}), &[]);
        granted(player.answer(&mut w, pending));
        assert!(player.harmed.is_empty(), "{}: {:?}", sdk.name, player.harmed);
        player.cancel(&mut w, &running);
        let job = w.job_by_id(&running);
        w.finish(&job, "1");
        player.read(&mut w);
        assert_eq!(player.streams[&running].end.as_ref().unwrap().status, "cancelled", "{}", sdk.name);
    }
}

#[test]
fn dialects_a_subscription_shows_its_job() {
    for sdk in &SDKS {
        let mut w = World::new();
        let other = w.login("tok-alice");
        let job = w.job(other, "slow");
        w.log(&job, "before");
        let mut player = Player::connect(&mut w, sdk, "tok-alice");
        let subscribe = player.subscribe(&mut w, &job.id);
        assert_eq!(player.answer(&mut w, subscribe), Answer::Granted(job.id.clone()), "{}", sdk.name);
        w.log(&job, "after");
        w.finish(&job, "[1]");
        w.advance(nuncio_tests::world::SECOND);
        player.read(&mut w);
        let stream = &player.streams[&job.id];
        assert_eq!((stream.events.len(), &stream.end.as_ref().unwrap().value), (3, &json!([1])), "{}", sdk.name);
    }
}

#[test]
fn dialects_the_same_run_shows_every_client_the_same() {
    for seed in 0..24 {
        let expected = run(&SDKS[0], seed, 40);
        for sdk in &SDKS[1..] {
            assert_eq!(run(sdk, seed, 40), expected, "{}, seed {seed}", sdk.name);
        }
    }
}

#[test]
fn dialects_a_refused_hello_has_the_form_that_the_sdk_reads() {
    for sdk in &SDKS {
        let mut w = World::new();
        let conn = w.open();
        let hello = sdk.lines().find(|line| line.contains("session.hello") && !line.contains("resume_token")).unwrap();
        w.send_text(conn, &hello.replace("tok-alice", "wrong").replace("TOKEN", "wrong"));
        let frames = w.drain(conn);
        assert_eq!(frames[0].kind(), "session.error", "{}: session.error comes first", sdk.name);
        let job_error = frames.iter().any(|frame| frame.kind() == "job.error" && frame.get("job_id").is_none());
        assert_eq!(job_error, sdk.on_job_error == OnJobError::FailsRequest, "{}: {frames:?}", sdk.name);
        assert_eq!(w.closed(conn), Some(1008));
    }
}

#[test]
fn dialects_a_restart_keeps_the_dialect() {
    for sdk in &SDKS {
        let mut w = World::with(|config| config.journal = Journaling::Kept);
        let mut player = Player::connect(&mut w, sdk, "tok-alice");
        let [ended, running] = [1, 2].map(|n| {
            let submit = player.submit(&mut w, json!({"agent": "slow", "input": n}), &["agent.delegate"]);
            granted(player.answer(&mut w, submit))
        });
        w.cut(player.conn);
        let job = w.job_by_id(&ended);
        w.delegate(&job, &json!({"agent": "echo", "delegate_id": "d"})).unwrap();
        w.finish(&job, "[1]");
        w.restart();
        player.reconnect(&mut w);
        player.read(&mut w);
        assert_eq!(player.streams[&ended].end.as_ref().unwrap().value, json!([1]), "{}", sdk.name);
        assert_eq!(player.streams[&running].end.as_ref().unwrap().status, "error", "{}", sdk.name);
        let dialect = w.host_event("SessionLive", |event| match event {
            Event::SessionLive { dialect, .. } => Some(*dialect),
            _ => None,
        });
        assert_eq!(dialect, sdk.dialect, "{}", sdk.name);
    }
}

#[test]
fn dialects_records_of_earlier_versions_are_read() {
    let mut w = World::with(|config| config.journal = Journaling::Kept);
    let mut player = Player::connect(&mut w, sdk("py"), "tok-alice");
    let submit = player.submit(&mut w, json!({"agent": "slow", "input": 1}), &[]);
    let job = granted(player.answer(&mut w, submit));
    player.cancel(&mut w, &job);
    let job = w.job_by_id(&job);
    w.finish(&job, "1");
    let (mut named, mut opened) = (0, 0);
    for (_, record) in &w.stored {
        let now = String::from_utf8(record.encode()).unwrap();
        let before = now.replace(r#""dialect":"python-1.1""#, r#""python":true"#);
        assert_eq!(Record::decode(before.as_bytes()).unwrap(), *record, "{before}");
        named += usize::from(now != before);
        opened += usize::from(record.kind() == "session_opened");
    }
    assert!(opened == 1 && named >= 3, "{named} records name a dialect");
    let unknown = br#"{"v":1,"t":"session_opened","session":"sess_01M7XYPHEFXZS43J3Q7GF7TK63","principal":"p","features":[],"token":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","at":1,"dialect":"later-9.9"}"#;
    let record = Record::decode(unknown).unwrap();
    assert!(!String::from_utf8(record.encode()).unwrap().contains("dialect"), "it is read as spec");
}

#[test]
fn dialects_the_setting_for_a_principal_goes_before_that_for_all() {
    let mut w = World::with(|config| {
        config.dialect = Some(Dialect::JAVA);
        config.dialects.insert("bob".into(), Dialect::RUBY);
    });
    for (token, expected) in [("tok-alice", Dialect::JAVA), ("tok-bob", Dialect::RUBY)] {
        let conn = w.open();
        w.hello(conn, token, &[]);
        let dialect = w.host_event("SessionLive", |event| match event {
            Event::SessionLive { dialect, .. } => Some(*dialect),
            _ => None,
        });
        assert_eq!(dialect, expected);
    }
}

#[test]
fn dialects_a_list_of_capabilities_is_a_lease() {
    let mut w = World::new();
    let player = Player::connect(&mut w, sdk("ruby"), "tok-alice");
    let submit = |lease: serde_json::Value, constraints: serde_json::Value| json!({"agent": "echo", "lease_request": lease, "lease_constraints": constraints});
    for (request, lease) in [
        (
            submit(json!({"capabilities": ["tool.call:llm.*", "net.fetch", "cost.spend", "fs.read"]}), json!({})),
            Some(json!({"tool.call": ["llm.*"], "net.fetch": ["**"], "fs.read": ["/**"]})),
        ),
        (
            submit(
                json!({"capabilities": [], "cost.budget": ["USD:3.0", "EUR:1"], "model.use": ["tier/*"]}),
                json!({"max_budget": ["USD:2.0"]}),
            ),
            Some(json!({"cost.budget": ["USD:2", "EUR:1"], "model.use": ["tier/*"]})),
        ),
        (
            submit(json!({"capabilities": []}), json!({"max_budget": ["USD:2.0"]})),
            Some(json!({"cost.budget": ["USD:2"]})),
        ),
        (submit(json!({"capabilities": ["tool.call:*"]}), json!({"max_budget": "much"})), None),
        // A bound that cannot be kept is not dropped.
        (submit(json!({"cost.budget": ["USD:10"]}), json!({"max_budget": ["USD:1"]})), None),
        (submit(json!({"tool.call": ["*"]}), json!({})), Some(json!({"tool.call": ["*"]}))),
    ] {
        w.send_submit(player.conn, request.clone());
        let granted = w.drain(player.conn).iter().find(|frame| frame.kind() == "job.accepted").map(|frame| {
            let job = w.key(frame.job());
            serde_json::from_str::<serde_json::Value>(&w.runtime.job(job).unwrap().lease.to_json()).unwrap()
        });
        let sorted = |lease: Option<serde_json::Value>| {
            lease.map(|mut lease| {
                if let Some(amounts) = lease["cost.budget"].as_array_mut() {
                    amounts.sort_by_key(std::string::ToString::to_string);
                }
                lease
            })
        };
        assert_eq!(sorted(granted), sorted(lease), "{request}");
    }
    w.advance(0);
    let frames = w.drain(player.conn);
    assert!(frames.iter().all(|frame| frame.kind() != "session.error"), "{frames:?}");
}

#[test]
fn dialects_a_key_stands_for_the_expiry_and_the_bound_of_its_submit() {
    let mut w = World::new();
    let player = Player::connect(&mut w, sdk("ruby"), "tok-alice");
    let mut submit = |key: &str, expires_at: &str, max: &str| {
        let lease = json!({"capabilities": [], "cost.budget": ["USD:10"], "expires_at": expires_at});
        let constraints = json!({"max_budget": [max]});
        let payload =
            json!({"agent": "echo", "idempotency_key": key, "lease_request": lease, "lease_constraints": constraints});
        w.send_submit(player.conn, payload);
        let frames = w.drain(player.conn);
        frames.iter().find(|frame| frame.kind() == "session.error").map(|error| error.payload()["code"].clone())
    };
    assert_eq!(submit("k", "2030-01-01T00:00:00Z", "USD:1"), None);
    assert_eq!(submit("k", "2030-01-01T00:00:00Z", "USD:1"), None, "the same submit");
    assert_eq!(submit("k", "2031-01-01T00:00:00Z", "USD:1"), Some(json!("DUPLICATE_KEY")));
    assert_eq!(submit("k", "2030-01-01T00:00:00Z", "USD:2"), Some(json!("DUPLICATE_KEY")));
}

#[test]
fn dialects_nothing_is_read_before_the_answer_to_a_submit_of_a_client_that_binds_by_arrival() {
    for (name, in_order) in
        [("ts", true), ("csharp", true), ("go", true), ("java", true), ("py", false), ("ruby", false)]
    {
        for declines in [false, true] {
            let mut w = World::new();
            let player = Player::connect(&mut w, sdk(name), "tok-alice");
            w.on_submit = OnSubmit::Hold;
            let job = w.submit_held(player.conn, json!({"agent": "echo"}));
            assert_eq!(w.runtime.reading(player.conn), !in_order, "{name}");
            if declines {
                w.decline(job, ErrorCode::PermissionDenied);
            } else {
                w.start(job);
            }
            assert!(w.runtime.reading(player.conn) && w.reading_announced(player.conn), "{name}");
        }
    }
}

#[test]
fn dialects_a_client_that_binds_by_arrival_is_read_again_after_the_answer_to_a_lost_submit() {
    let mut w = World::new();
    let mut player = Player::connect(&mut w, sdk("go"), "tok-alice");
    w.on_submit = OnSubmit::Hold;
    let first = w.submit_held(player.conn, json!({"agent": "echo"}));
    player.resume(&mut w);
    let second = w.submit_held(player.conn, json!({"agent": "slow"}));
    w.start(second);
    assert!(!w.runtime.reading(player.conn));
    w.decline(first, ErrorCode::PermissionDenied);
    assert!(w.runtime.reading(player.conn));
}

#[test]
fn dialects_a_submit_that_is_not_json_harms_no_other_job() {
    let mut w = World::new();
    let python = w.login_python("tok-alice");
    let job = w.job(python, "slow");
    w.send_text(python, r#"{"arcp":"1.1","id":"m1","type":"job.submit","payload":{"agent":"echo","input":NaN}}"#);
    let accepted = w.expect(python, "job.accepted");
    assert_eq!(accepted.payload()["request_id"], "m1");
    let error = w.expect(python, "job.error");
    assert_eq!((error.job(), &error.payload()["code"]), (accepted.job(), &json!("INVALID_REQUEST")));
    w.send_text(python, r#"{"arcp":"1.1","id":"m2","type":"job.cancel","payload":{"reason":NaN}}"#);
    w.expect_nothing(python);
    w.finish(&job, "1");
    w.expect(python, "job.result");
}

/// The abort refuses the submit, after which a connection whose client binds answers in their order is read again, if it does
/// not end.
#[test]
fn ours_reading_is_not_announced_for_a_connection_that_ends() {
    let mut waiting = 0;
    for dialect in ["go-1.1", "java-1.0", "csharp-1.0", "ruby-1.0", "typescript-2.0", "python-1.1"] {
        let mut w = World::new();
        w.on_submit = OnSubmit::Hold;
        let conn = w.open();
        w.runtime.handle_dialect(w.now, conn, dialect.parse().unwrap());
        w.hello(conn, "tok-alice", &[]);
        w.expect(conn, "session.welcome");
        w.send(conn, "job.submit", json!({"agent": "slow"}));
        waiting += usize::from(!w.runtime.reading(conn));
        // The world checks every announcement.
        w.abort();
        assert_eq!(w.closed(conn), Some(1001), "{dialect}");
    }
    assert!(waiting > 0, "a submit is unanswered");
}
