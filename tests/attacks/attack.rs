//! The attacks of a hostile tenant with one token, and of peers without one.

use std::io;
use std::time::{Duration, Instant};

use nuncio_shared::arcp::Config;
use serde_json::{Value, json};

use nuncio_tests::wire::{Tally, Wire};

/// Far longer than a server needs for anything here.
const PATIENCE: Duration = Duration::from_mins(5);

/// How much an attack does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    /// As much as a hostile tenant may.
    Long,
    /// Enough to reach the limits of a small server.
    Short,
}

impl Scale {
    pub(crate) fn parse(text: &str) -> Option<Scale> {
        match text {
            "long" => Some(Scale::Long),
            "short" => Some(Scale::Short),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Scale::Long => "long",
            Scale::Short => "short",
        }
    }

    fn of(self, long: usize, short: usize) -> usize {
        match self {
            Scale::Long => long,
            Scale::Short => short,
        }
    }

    /// How long the state is kept that an attack has led to.
    fn lasting(self) -> Duration {
        Duration::from_millis(self.of(5_000, 300) as u64)
    }
}

/// An attack, with what it is called in the table.
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    run: fn(&Stage) -> io::Result<()>,
}

pub(crate) const ATTACKS: [Attack; 17] = [
    Attack { name: "nothing", title: "nothing, for comparison", run: nothing },
    Attack { name: "inputs", title: "4 sessions × 1 000 jobs with inputs of 1 MB", run: inputs },
    Attack { name: "histories", title: "60 jobs that flood an attentive session", run: histories },
    Attack { name: "detached", title: "11 000 floods, detached", run: detached },
    Attack { name: "keys", title: "120 000 jobs with idempotency keys", run: keys },
    Attack { name: "sleepers", title: "100 sessions × 1 000 sleepers", run: sleepers },
    Attack { name: "lists", title: "64 no-match lists over 100 000 kept jobs", run: lists },
    Attack { name: "leases", title: "64 worst child leases at a time", run: leases },
    Attack { name: "hellos", title: "900 connections with 1 MiB − 1 of a first frame", run: hellos },
    Attack { name: "idle", title: "1 000 idle connections without a hello", run: idle },
    Attack { name: "halves", title: "900 sessions with 1 MiB − 1 of a frame", run: halves },
    Attack { name: "readers", title: "200 sessions that watch floods and never read", run: readers },
    Attack { name: "replies", title: "900 sessions that ask for lists and never read", run: replies },
    Attack { name: "storm", title: "a storm of submits and cancels", run: storm },
    Attack { name: "families", title: "4 families of 10 000 jobs, cancelled and ended at once", run: families },
    Attack { name: "subscriptions", title: "20 sessions × 1 000 subscriptions with histories", run: subscriptions },
    Attack { name: "results", title: "200 streamed results of 64 MB, never read", run: results },
];

/// An attack that is none: the hostile tenant panics.
pub(crate) const UNKNOWN: Attack = Attack { name: "unknown", title: "an attack that nobody knows", run: nothing };

/// Where an attack takes place.
pub(crate) struct Stage {
    url: String,
    scale: Scale,
    tally: Tally,
}

/// The configuration of the server for an attack.
pub(crate) fn config(name: &str, scale: Scale) -> Config {
    let mut config = Config::default();
    let limits = &mut config.limits;
    if scale == Scale::Short {
        let bytes = 24 << 20;
        (limits.bytes, limits.bytes_per_principal) = (bytes, bytes / 2);
        (limits.input_bytes, limits.input_bytes_per_principal) = (bytes, bytes / 2);
        (limits.jobs, limits.jobs_per_principal) = (1_000, 500);
        (limits.idempotency_records, limits.idempotency_records_per_principal) = (800, 700);
        (limits.ungreeted, limits.ungreeted_per_address) = (50, 40);
        limits.ungreeted_bytes = 1 << 20;
    }
    if name == "lists" {
        (limits.retained_jobs, limits.retained_jobs_per_principal) = (200_000, 110_000);
        (limits.retained_bytes, limits.retained_bytes_per_principal) = (limits.bytes, limits.bytes);
    }
    config
}

/// Carries an attack out, and prints what came of it.
pub(crate) fn run(name: &str, scale: Scale, url: &str) {
    let attack = ATTACKS.iter().find(|attack| attack.name == name).expect("a known attack");
    let stage = Stage { url: url.to_owned(), scale, tally: Tally::default() };
    if let Err(error) = (attack.run)(&stage) {
        stage.tally.add(&format!("stopped: {error}"));
    }
    let counts = stage.tally.counts();
    let shown: Vec<_> = counts.iter().map(|(what, count)| format!("{what} {count}")).collect();
    println!("DONE {}", shown.join(", "));
}

impl Stage {
    fn login(&self) -> io::Result<Wire> {
        Wire::login(&self.url, "hostile")
    }

    /// Logs in, and reads whatever comes on another thread.
    fn attentive(&self) -> io::Result<Wire> {
        let mut wire = self.login()?;
        wire.discard(&self.tally)?;
        Ok(wire)
    }

    /// Opens as many sessions as the server takes, up to a number.
    fn sessions(&self, count: usize) -> Vec<Wire> {
        let mut sessions = Vec::new();
        for _ in 0..count {
            match self.login() {
                Ok(wire) => sessions.push(wire),
                Err(_) => self.tally.add("login refused"),
            }
        }
        sessions
    }

    /// Waits until an answer has come so often.
    fn until(&self, what: &str, count: usize) {
        let began = Instant::now();
        while self.tally.of(what) < count as u64 {
            assert!(began.elapsed() < PATIENCE, "{what}: only {} of {count} have come", self.tally.of(what));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until nothing new has come for a while.
    fn settle(&self) {
        let (mut before, mut since) = (u64::MAX, Instant::now());
        while since.elapsed() < self.scale.lasting() {
            let now = self.tally.counts().values().sum();
            if now != before {
                (before, since) = (now, Instant::now());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn submit(agent: &str, input: &Value) -> Value {
    json!({"agent": agent, "input": input})
}

fn much(agent: &str, pieces: usize, bytes: usize) -> Value {
    submit(agent, &json!({"pieces": pieces, "bytes": bytes}))
}

fn nothing(stage: &Stage) -> io::Result<()> {
    let _idle = stage.login()?;
    stage.settle();
    Ok(())
}

fn inputs(stage: &Stage) -> io::Result<()> {
    let input = json!("x".repeat(1_000_000));
    let mut sessions = Vec::new();
    for _ in 0..4 {
        sessions.push(stage.attentive()?);
    }
    for _ in 0..stage.scale.of(1_000, 20) {
        for session in &mut sessions {
            session.request("job.submit", &submit("sleep", &input))?;
        }
    }
    stage.settle();
    Ok(())
}

fn histories(stage: &Stage) -> io::Result<()> {
    let mut session = stage.attentive()?;
    let events = stage.scale.of(20_000, 300);
    for _ in 0..stage.scale.of(60, 20) {
        session.request("job.submit", &much("flood", events, 4_000))?;
    }
    stage.settle();
    Ok(())
}

fn detached(stage: &Stage) -> io::Result<()> {
    for _ in 0..stage.scale.of(11, 2) {
        let mut session = stage.attentive()?;
        for _ in 0..stage.scale.of(1_000, 60) {
            session.request("job.submit", &much("flood", 400, 4_000))?;
        }
        session.cut();
    }
    stage.settle();
    Ok(())
}

fn keys(stage: &Stage) -> io::Result<()> {
    let mut session = stage.attentive()?;
    for number in 0..stage.scale.of(120_000, 1_500) {
        let payload = json!({"agent": "echo", "input": 1, "idempotency_key": format!("hostile-{number}")});
        session.request("job.submit", &payload)?;
    }
    stage.settle();
    Ok(())
}

fn sleepers(stage: &Stage) -> io::Result<()> {
    let mut sessions = Vec::new();
    for _ in 0..stage.scale.of(100, 5) {
        let mut session = stage.attentive()?;
        for _ in 0..stage.scale.of(1_000, 150) {
            session.request("job.submit", &submit("sleep", &Value::Null))?;
        }
        sessions.push(session);
    }
    stage.settle();
    Ok(())
}

fn lists(stage: &Stage) -> io::Result<()> {
    let mut session = stage.attentive()?;
    let jobs = stage.scale.of(100_000, 1_000);
    for _ in 0..jobs {
        session.request("job.submit", &submit("echo", &Value::Null))?;
    }
    stage.until("job.result", jobs);
    let no_match = json!({"filter": {"agent": "nobody"}, "limit": 1_000});
    let mut askers = Vec::new();
    for _ in 0..stage.scale.of(8, 2) {
        askers.push(stage.attentive()?);
    }
    for _ in 0..stage.scale.of(64, 4) {
        for asker in &mut askers {
            asker.request("session.list_jobs", &no_match)?;
        }
    }
    stage.settle();
    Ok(())
}

fn leases(stage: &Stage) -> io::Result<()> {
    let mut session = stage.login()?;
    let wide: Vec<String> = (0..60).map(|width| format!("/**/a{}/b", "/*".repeat(width))).collect();
    let lease = json!({"agent.delegate": ["*"], "fs.read": wide});
    let id = session.request("job.submit", &json!({"agent": "sleep", "lease_request": lease}))?;
    let parent = session.answer(&id)?["payload"]["job_id"].clone();
    session.discard(&stage.tally)?;
    let deep = format!("/{}b", "**/a/*/".repeat(30));
    let count = stage.scale.of(20 * 64, 8);
    for _ in 0..count {
        let payload = json!({"agent": "echo", "parent_job_id": parent, "lease_request": {"fs.read": [deep]}});
        session.request("job.submit", &payload)?;
    }
    stage.until("session.error LEASE_SUBSET_VIOLATION", count);
    Ok(())
}

/// Connections that send all but the last byte of a frame.
fn almost(stage: &Stage, mut wires: Vec<Wire>) -> Vec<Wire> {
    let part = vec![b'x'; (1 << 20) - 2];
    // In many steps, as long as the server reads.
    wires.retain_mut(|wire| wire.send_part(&part, part.len() + 1).is_ok());
    stage.tally.add("sent");
    wires
}

fn hellos(stage: &Stage) -> io::Result<()> {
    let mut wires = Vec::new();
    for _ in 0..stage.scale.of(900, 60) {
        wires.extend(Wire::open(&stage.url));
    }
    for wire in &mut wires {
        wire.discard(&stage.tally)?;
    }
    let _held = almost(stage, wires);
    stage.settle();
    Ok(())
}

fn idle(stage: &Stage) -> io::Result<()> {
    let mut wires = Vec::new();
    for _ in 0..stage.scale.of(1_000, 60) {
        if let Ok(mut wire) = Wire::open(&stage.url) {
            wire.discard(&stage.tally)?;
            wires.push(wire);
        }
    }
    stage.settle();
    Ok(())
}

fn halves(stage: &Stage) -> io::Result<()> {
    let mut wires = stage.sessions(stage.scale.of(900, 60));
    for wire in &mut wires {
        wire.discard(&stage.tally)?;
    }
    let _held = almost(stage, wires);
    stage.settle();
    Ok(())
}

fn readers(stage: &Stage) -> io::Result<()> {
    let mut session = stage.login()?;
    let mut jobs = Vec::new();
    for _ in 0..stage.scale.of(20, 4) {
        let id = session.request("job.submit", &much("flood", stage.scale.of(20_000, 300), 4_000))?;
        jobs.push(session.answer(&id)?["payload"]["job_id"].clone());
    }
    session.discard(&stage.tally)?;
    let mut watchers = stage.sessions(stage.scale.of(200, 20));
    for watcher in &mut watchers {
        for job in &jobs {
            watcher.request("job.subscribe", &json!({"job_id": job, "history": true}))?;
        }
    }
    stage.settle();
    Ok(())
}

fn replies(stage: &Stage) -> io::Result<()> {
    let mut session = stage.attentive()?;
    let jobs = stage.scale.of(5_000, 400);
    for _ in 0..jobs {
        session.request("job.submit", &submit("echo", &Value::Null))?;
    }
    stage.until("job.result", jobs);
    let mut askers = stage.sessions(stage.scale.of(900, 40));
    for asker in &mut askers {
        for _ in 0..64 {
            asker.request("session.list_jobs", &json!({"limit": 1_000}))?;
        }
    }
    stage.settle();
    Ok(())
}

fn storm(stage: &Stage) -> io::Result<()> {
    let mut session = stage.login()?;
    for _ in 0..stage.scale.of(100, 3) {
        let mut ids = Vec::new();
        for _ in 0..50 {
            ids.push(session.request("job.submit", &submit("sleep", &Value::Null))?);
        }
        let mut jobs = Vec::new();
        for id in ids {
            let answer = session.answer(&id)?;
            stage.tally.add(answer["type"].as_str().unwrap_or_default());
            jobs.push(answer["payload"]["job_id"].clone());
        }
        for job in &jobs {
            session.request("job.cancel", &json!({"job_id": job}))?;
        }
    }
    session.discard(&stage.tally)?;
    stage.settle();
    Ok(())
}

fn families(stage: &Stage) -> io::Result<()> {
    let mut session = stage.login()?;
    let mut roots = Vec::new();
    for _ in 0..4 {
        let payload = json!({"agent": "sleep", "lease_request": {"agent.delegate": ["*"]}});
        let id = session.request("job.submit", &payload)?;
        roots.push(session.answer(&id)?["payload"]["job_id"].clone());
    }
    session.discard(&stage.tally)?;
    // A session has a limited number of live jobs.
    let (sessions, each) = (stage.scale.of(40, 4), stage.scale.of(1_000, 100));
    let mut others = Vec::new();
    for number in 0..sessions {
        let mut other = stage.attentive()?;
        for _ in 0..each {
            let root = &roots[number % roots.len()];
            other.request("job.submit", &json!({"agent": "sleep", "parent_job_id": root}))?;
        }
        others.push(other);
    }
    stage.until("job.accepted", sessions * each);
    for root in &roots {
        session.request("job.cancel", &json!({"job_id": root}))?;
    }
    stage.until("job.error CANCELLED", sessions * each + roots.len());
    Ok(())
}

fn subscriptions(stage: &Stage) -> io::Result<()> {
    let mut session = stage.login()?;
    let mut jobs = Vec::new();
    for _ in 0..stage.scale.of(1_000, 50) {
        let id = session.request("job.submit", &much("flood", 50, 400))?;
        jobs.push(session.answer(&id)?["payload"]["job_id"].clone());
    }
    session.discard(&stage.tally)?;
    let mut watchers = Vec::new();
    for _ in 0..stage.scale.of(20, 4) {
        watchers.push(stage.attentive()?);
    }
    for watcher in &mut watchers {
        for job in &jobs {
            watcher.request("job.subscribe", &json!({"job_id": job, "history": true}))?;
        }
    }
    stage.settle();
    Ok(())
}

fn results(stage: &Stage) -> io::Result<()> {
    let mut sessions = stage.sessions(stage.scale.of(200, 20));
    for session in &mut sessions {
        session.request("job.submit", &much("stream", stage.scale.of(1_000, 50), 64_000))?;
    }
    stage.settle();
    Ok(())
}
