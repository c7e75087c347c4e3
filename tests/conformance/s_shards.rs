//! Runtimes beside each other, each with the sessions of some of the principals (ours; `core/docs/arcp.md`).

use std::collections::{HashMap, VecDeque};

use nuncio_core::arcp::{
    AgentSpec, Config, ConnId, ErrorCode, Event, Fault, JobKey, JobResult, Limits, Output, Refused, Resumed, Runtime,
    Via, shard_of,
};
use nuncio_core::time::Time;
use nuncio_tests::world::{SECOND, START, json_text};
use serde_json::{Value, json};

/// Two runtimes of one host, which moves connections between them when the test says so.
struct Host {
    runtimes: [Runtime; 2],
    now: Time,
    /// Frames that were sent, by runtime and connection.
    sent: HashMap<(usize, ConnId), VecDeque<Value>>,
    events: [VecDeque<Event>; 2],
    closed: Vec<(usize, ConnId, u16)>,
    hellos: u32,
}

const FRONT: usize = 0;
const OTHER: usize = 1;

impl Host {
    fn new() -> Host {
        Host::with(|_| {})
    }

    fn with(change: impl Fn(&mut Config)) -> Host {
        let runtime = |seed| {
            let config = Config::default().with(|config| {
                config.shards = 2;
                change(config);
            });
            let mut runtime = Runtime::new(config, [seed; 32], START);
            for (name, max) in [("echo", None), ("narrow", Some(1))] {
                runtime.register(AgentSpec { max_concurrent: max, ..AgentSpec::new(name) }).unwrap();
            }
            runtime
        };
        Host {
            runtimes: [runtime(1), runtime(2)],
            now: START,
            sent: HashMap::new(),
            events: [VecDeque::new(), VecDeque::new()],
            closed: Vec::new(),
            hellos: 0,
        }
    }

    /// Gives a runtime an input, and takes its outputs.
    fn run<R>(&mut self, which: usize, input: impl FnOnce(&mut Runtime, Time) -> R) -> R {
        let answer = input(&mut self.runtimes[which], self.now);
        while let Some(output) = self.runtimes[which].poll_output() {
            match output {
                Output::Send { conn, frame, .. } => {
                    self.sent.entry((which, conn)).or_default().push_back(serde_json::from_slice(&frame).unwrap());
                    self.runtimes[which].handle_sent(self.now, conn, 1);
                }
                Output::Close { conn, code, .. } => self.closed.push((which, conn, code)),
                Output::Event { event: Event::Submitted { job, .. }, .. } => {
                    self.runtimes[which].start(self.now, job, Vec::new()).unwrap();
                }
                Output::Event { event, .. } => self.events[which].push_back(event),
                Output::Store { .. } | Output::Reading { .. } => {}
            }
        }
        answer
    }

    fn frame(&mut self, which: usize, conn: ConnId, kind: &str, payload: Value) {
        self.hellos += 1;
        let frame = json!({"arcp": "1.1", "id": format!("m{}", self.hellos), "type": kind, "payload": payload});
        self.run(which, |runtime, now| runtime.handle_frame(now, conn, frame.to_string().as_bytes()));
    }

    /// Opens a connection and sends a hello, which waits for its answer.
    fn hello(&mut self, resume: Option<Value>) -> ConnId {
        let conn = self.run(FRONT, |runtime, now| runtime.handle_open(now, Via::Memory));
        let mut hello = json!({
            "client": {"name": "c", "version": "1"}, "auth": {"scheme": "bearer", "token": "t"},
            "capabilities": {"features": ["ack", "list_jobs"]}
        });
        if let Some(resume) = resume {
            hello["resume"] = resume;
        }
        self.frame(FRONT, conn, "session.hello", hello);
        assert!(matches!(self.events[FRONT].pop_back(), Some(Event::Authenticate { .. })), "the host is asked");
        conn
    }

    /// Moves a connection from the front to the other runtime, for a principal.
    fn move_over(&mut self, conn: ConnId, principal: &str) -> ConnId {
        let handover = self.run(FRONT, |runtime, now| runtime.hand_over(now, conn)).unwrap();
        self.run(OTHER, |runtime, now| runtime.adopt(now, handover, principal, None))
    }

    fn next(&mut self, which: usize, conn: ConnId) -> Value {
        self.sent.get_mut(&(which, conn)).and_then(VecDeque::pop_front).expect("a frame")
    }

    /// Opens a session in the other runtime; returns its connection and its welcome.
    fn session(&mut self, principal: &str) -> (ConnId, Value) {
        let conn = self.hello(None);
        let moved = self.move_over(conn, principal);
        let welcome = self.next(OTHER, moved);
        assert_eq!(welcome["type"], "session.welcome");
        (moved, welcome["payload"].clone())
    }

    fn submit(&mut self, which: usize, conn: ConnId, agent: &str) {
        self.frame(which, conn, "job.submit", json!({"agent": agent, "input": 1}));
    }

    /// Takes the agents that were started.
    fn started(&mut self, which: usize) -> Vec<JobKey> {
        let (started, others): (Vec<_>, Vec<_>) =
            self.events[which].drain(..).partition(|event| matches!(event, Event::Start { .. }));
        self.events[which].extend(others);
        started.into_iter().map(|event| if let Event::Start { job } = event { job } else { unreachable!() }).collect()
    }

    fn finish(&mut self, which: usize, job: JobKey) {
        let result = json_text("1");
        self.run(which, |runtime, now| runtime.finish(now, job, JobResult::Inline(&result))).unwrap();
    }

    /// Counts, and removes, the events about slots.
    fn slots(&mut self, which: usize) -> (usize, usize) {
        let count =
            |events: &VecDeque<Event>, wanted: fn(&Event) -> bool| events.iter().filter(|event| wanted(event)).count();
        let events = &mut self.events[which];
        let counts = (
            count(events, |event| matches!(event, Event::SlotWanted { agent } if &**agent == "narrow")),
            count(events, |event| matches!(event, Event::SlotFreed { agent } if &**agent == "narrow")),
        );
        events.retain(|event| !matches!(event, Event::SlotWanted { .. } | Event::SlotFreed { .. }));
        counts
    }
}

#[test]
fn a_connection_moves_before_its_welcome_and_leaves_nothing_behind() {
    let mut host = Host::new();
    let (conn, welcome) = host.session("alice");
    assert!(host.sent.keys().all(|(which, _)| *which == OTHER) && host.closed.is_empty());
    assert_eq!(host.runtimes[FRONT].stats().connections, 0);
    assert_eq!(host.runtimes[OTHER].stats().sessions_live, 1);
    // It is a session like any other.
    host.submit(OTHER, conn, "echo");
    assert_eq!(host.next(OTHER, conn)["type"], "job.accepted");
    assert_eq!(host.next(OTHER, conn)["session_id"], welcome["session_id"]);
    // The deadline of the hello went with it.
    host.now = START.plus_secs(3_600);
    host.run(FRONT, Runtime::handle_timeout);
    assert_eq!(host.runtimes[FRONT].poll_timeout(), None);
}

#[test]
fn a_session_is_resumed_by_way_of_the_front() {
    let mut host = Host::new();
    let (conn, welcome) = host.session("alice");
    host.run(OTHER, |runtime, now| runtime.handle_close(now, conn));
    let resume =
        json!({"session_id": welcome["session_id"], "resume_token": welcome["resume_token"], "last_event_seq": 0});
    let again = host.hello(Some(resume.clone()));
    let moved = host.move_over(again, "alice");
    assert_eq!(host.next(OTHER, moved)["payload"]["session_id"], welcome["session_id"]);
    // Another principal does not get it, even there.
    let stranger = host.hello(Some(resume));
    let moved = host.move_over(stranger, "bob");
    assert_eq!(host.next(OTHER, moved)["payload"]["code"], "RESUME_WINDOW_EXPIRED");
    assert_eq!(host.closed, [(OTHER, moved, 1008)]);
}

/// §6.3: the hello that was sent later has the session, whichever is answered first.
#[test]
fn hellos_keep_their_order_on_the_way() {
    let mut host = Host::new();
    let (conn, welcome) = host.session("alice");
    host.run(OTHER, |runtime, now| runtime.handle_close(now, conn));
    let resume =
        json!({"session_id": welcome["session_id"], "resume_token": welcome["resume_token"], "last_event_seq": 0});
    let (earlier, later) = (host.hello(Some(resume.clone())), host.hello(Some(resume)));
    let later = host.move_over(later, "alice");
    assert_eq!(host.next(OTHER, later)["type"], "session.welcome");
    let earlier = host.move_over(earlier, "alice");
    assert_eq!(host.next(OTHER, earlier)["payload"]["code"], "RESUME_WINDOW_EXPIRED");
    assert_eq!(host.closed, [(OTHER, earlier, 1008)]);
}

#[test]
fn only_a_connection_whose_hello_waits_is_handed_over() {
    let mut host = Host::new();
    let unheard = host.run(FRONT, |runtime, now| runtime.handle_open(now, Via::Memory));
    assert_eq!(host.run(FRONT, |runtime, now| runtime.hand_over(now, unheard)).unwrap_err(), Refused::Stale);
    let conn = host.hello(None);
    host.run(FRONT, |runtime, now| runtime.admit(now, conn, "alice")).unwrap();
    assert_eq!(host.run(FRONT, |runtime, now| runtime.hand_over(now, conn)).unwrap_err(), Refused::Stale);
    let moved = host.hello(None);
    host.move_over(moved, "alice");
    assert_eq!(
        host.run(FRONT, |runtime, now| runtime.hand_over(now, moved)).unwrap_err(),
        Refused::Stale,
        "it is gone"
    );
    let fault = Fault::new(ErrorCode::Unauthenticated, "the token is unknown");
    assert_eq!(host.run(FRONT, |runtime, now| runtime.reject(now, moved, fault)).unwrap_err(), Refused::Stale);
}

#[test]
fn a_full_shard_refuses_what_is_handed_to_it() {
    let mut host = Host::with(|config| config.limits.sessions = 1);
    host.session("alice");
    let conn = host.hello(None);
    let refused = host.move_over(conn, "bob");
    assert_eq!(host.next(OTHER, refused)["payload"]["details"]["limit"], "sessions");
    let mut host = Host::with(|config| config.limits.connections = 1);
    host.session("alice");
    let conn = host.hello(None);
    let refused = host.move_over(conn, "alice");
    assert_eq!(host.next(OTHER, refused)["payload"]["details"]["limit"], "connections");
    assert_eq!(host.closed, [(OTHER, refused, 1013)]);
}

#[test]
fn a_resume_by_its_token_alone_is_located() {
    let mut host = Host::with(|config| config.resume_by_token = true);
    let (conn, welcome) = host.session("alice");
    host.run(OTHER, |runtime, now| runtime.handle_close(now, conn));
    let resume =
        |token: &Value| json!({"session_id": welcome["session_id"], "resume_token": token, "last_event_seq": 0});
    let locate = |host: &mut Host, token: &Value| {
        let conn = host.run(FRONT, |runtime, now| runtime.handle_open(now, Via::Memory));
        host.frame(FRONT, conn, "session.resume", resume(token));
        match host.events[FRONT].pop_back() {
            Some(Event::Locate { conn: asked, resumed }) if asked == conn => (conn, resumed),
            other => panic!("{other:?}"),
        }
    };
    let owner = |host: &Host, resumed: &Resumed| host.runtimes.each_ref().map(|runtime| runtime.owner_of(resumed));
    let (conn, resumed) = locate(&mut host, &welcome["resume_token"]);
    assert_eq!(owner(&host, &resumed), [None, Some("alice".into())]);
    let moved = host.move_over(conn, "alice");
    assert_eq!(host.next(OTHER, moved)["payload"]["session_id"], welcome["session_id"]);
    // The session is found by its id, and its token proves nothing any more once it was used.
    let (conn, resumed) = locate(&mut host, &json!("rt_wrong"));
    assert_eq!(owner(&host, &resumed), [None, Some("alice".into())]);
    let moved = host.move_over(conn, "alice");
    let refused = host.next(OTHER, moved)["payload"].clone();
    assert_eq!(refused["code"], "RESUME_WINDOW_EXPIRED");
    // One that nobody has is refused in the same words.
    let unknown = host.run(FRONT, |runtime, now| runtime.handle_open(now, Via::Memory));
    let resume = json!({"session_id": "sess_00000000000000000000000001", "resume_token": "rt_x", "last_event_seq": 0});
    host.frame(FRONT, unknown, "session.resume", resume);
    assert!(matches!(host.events[FRONT].pop_back(), Some(Event::Locate { .. })));
    host.run(FRONT, |runtime, now| runtime.not_located(now, unknown)).unwrap();
    let answer = host.next(FRONT, unknown)["payload"].clone();
    assert_eq!((&answer["code"], &answer["message"]), (&refused["code"], &refused["message"]));
    assert_eq!(host.run(FRONT, |runtime, now| runtime.not_located(now, unknown)).unwrap_err(), Refused::Stale);
}

/// §7.5: a slot is one of the host's, not of a runtime.
#[test]
fn a_job_runs_in_a_slot_that_the_host_lends() {
    let mut host = Host::new();
    let (conn, _) = host.session("alice");
    host.submit(OTHER, conn, "narrow");
    host.submit(OTHER, conn, "narrow");
    assert_eq!(host.started(OTHER), [], "no slot is lent");
    assert_eq!(host.slots(OTHER), (2, 0));
    host.run(OTHER, |runtime, now| runtime.lend_slot(now, "narrow"));
    let [first] = host.started(OTHER)[..] else { panic!("one job runs") };
    host.finish(OTHER, first);
    assert_eq!((host.slots(OTHER), host.started(OTHER)), ((0, 1), vec![]), "its slot goes back");
    host.run(OTHER, |runtime, now| runtime.lend_slot(now, "narrow"));
    let [second] = host.started(OTHER)[..] else { panic!("the other one runs") };
    host.finish(OTHER, second);
    assert_eq!(host.slots(OTHER), (0, 1));
    host.run(OTHER, |runtime, now| runtime.lend_slot(now, "narrow"));
    assert_eq!((host.slots(OTHER), host.started(OTHER)), ((0, 1), vec![]), "nothing waits for it");
    // Agents without a limit need none.
    host.submit(OTHER, conn, "echo");
    assert_eq!((host.started(OTHER).len(), host.slots(OTHER)), (1, (0, 0)));
}

#[test]
fn a_job_that_ends_while_it_waits_needs_no_slot() {
    let mut host = Host::new();
    let (conn, _) = host.session("alice");
    host.submit(OTHER, conn, "narrow");
    let job = host.next(OTHER, conn)["payload"]["job_id"].clone();
    assert_eq!(host.slots(OTHER), (1, 0));
    host.frame(OTHER, conn, "job.cancel", json!({"job_id": job}));
    assert_eq!(host.slots(OTHER), (0, 0), "it had none");
    host.run(OTHER, |runtime, now| runtime.lend_slot(now, "narrow"));
    assert_eq!((host.slots(OTHER), host.started(OTHER)), ((0, 1), vec![]));
    host.run(OTHER, |runtime, now| runtime.lend_slot(now, "none"));
    assert_eq!(host.slots(OTHER), (0, 0), "there is no such agent");
}

#[test]
fn a_principal_has_one_shard() {
    for shards in [1, 2, 3, 4, 64] {
        let mut used = vec![0; shards as usize];
        for number in 0..1_000 {
            let principal = format!("user-{number}@example.com");
            let shard = shard_of(&principal, shards);
            assert_eq!(shard, shard_of(&principal, shards));
            used[shard as usize] += 1;
        }
        let fair = 1_000 / shards;
        assert!(used.iter().all(|count| (fair / 3..=fair * 3).contains(count)), "{shards}: {used:?}");
    }
    // Recorded once: another function would leave every session of a journal where nobody looks for it.
    assert_eq!(["alice", "bob", "me@example.com", ""].map(|principal| shard_of(principal, 4)), [3, 2, 1, 0]);
    assert_eq!(shard_of("alice", 0), 0);
}

#[test]
fn what_is_limited_for_all_sessions_is_divided() {
    let whole = Limits::default();
    let part = whole.clone().divided(3);
    assert_eq!((part.jobs, part.sessions, part.bytes), (33_334, 3_334, whole.bytes.div_ceil(3)));
    assert_eq!((part.connections, part.ungreeted), (whole.connections, whole.ungreeted));
    assert_eq!((part.jobs_per_principal, part.jobs_per_session), (whole.jobs_per_principal, whole.jobs_per_session));
    assert_eq!(whole.clone().divided(1).jobs, whole.jobs);
    assert_eq!(whole.divided(u32::MAX).sessions, 1, "there is room for something");
}

#[test]
fn a_hello_that_is_not_answered_in_time_is_not_handed_over() {
    let mut host = Host::new();
    let conn = host.hello(None);
    host.now = START.plus_micros(60 * SECOND);
    host.run(FRONT, Runtime::handle_timeout);
    assert_eq!(host.run(FRONT, |runtime, now| runtime.hand_over(now, conn)).unwrap_err(), Refused::Stale);
}
