//! Deliberate mistakes in the core, the drivers and the command, one line each. If the suites pass with one of them, they have a hole.

mod approvals;
mod cap;
mod caracal;
mod drivers;
mod elsewhere;
mod parts;

use std::fs;
use std::path::{Path, PathBuf};

/// A mistake.
#[derive(Clone, Copy, Debug)]
pub struct Mutation {
    /// A description of the mistake.
    pub name: &'static str,
    /// The path of the file below `core/src/`, or that of a file of the drivers, which begins with `drivers/`.
    pub file: &'static str,
    /// A text that occurs in the file exactly once.
    pub original: &'static str,
    /// The text that replaces it.
    pub replacement: &'static str,
    /// What has to find it.
    pub suite: Suite,
}

/// What has to find a mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suite {
    /// The simulator of the file's protocol, or else its conformance tests.
    Core,
    /// These tests.
    Tests(Tests),
}

/// Tests of one program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tests {
    /// The package.
    pub package: &'static str,
    /// The name of the program; empty for the unit tests of the library.
    pub target: &'static str,
    /// A text that the names of the tests contain.
    pub filter: &'static str,
}

impl Mutation {
    /// Returns whether the mistake is one of the drivers.
    pub fn is_of_drivers(&self) -> bool {
        self.file.starts_with("drivers/")
    }

    /// Returns the path of the file below the root of the workspace.
    pub fn path(&self) -> PathBuf {
        if self.is_of_drivers() { PathBuf::from(self.file) } else { Path::new("core/src").join(self.file) }
    }

    /// Returns the file's text with the mistake.
    ///
    /// # Errors
    /// A sentence if the file cannot be read or the original does not occur exactly once.
    pub fn apply(&self, root: &Path) -> Result<String, String> {
        let path = root.join(self.path());
        let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        match text.matches(self.original).count() {
            1 => Ok(text.replacen(self.original, self.replacement, 1)),
            count => Err(format!("mutation {:?} matches {count} times in {}, not once", self.name, path.display())),
        }
    }
}

const fn at(name: &'static str, file: &'static str, original: &'static str, replacement: &'static str) -> Mutation {
    Mutation { name, file, original, replacement, suite: Suite::Core }
}

/// Returns all mistakes.
pub fn all() -> impl Iterator<Item = &'static Mutation> {
    ARCP.iter()
        .chain(&approvals::APPROVALS)
        .chain(&cap::CAP)
        .chain(&caracal::CARACAL)
        .chain(&drivers::DRIVERS)
        .chain(&elsewhere::ELSEWHERE)
        .chain(&parts::PARTS)
}

/// The mistakes in ARCP.
const ARCP: [Mutation; 50] = [
    Mutation {
        suite: Suite::Tests(Tests { package: "nuncio-core", target: "client", filter: "liveness::" }),
        ..at(
            "an acknowledgement that was lost with its transport is not repeated",
            "arcp/client/session.rs",
            "        self.acks = Acks::default();",
            "        let _ = Acks::default();",
        )
    },
    at(
        "a resume repeats the last event",
        "arcp/runtime/sessions/log.rs",
        "        self.sent = last;\n        self.written = last;",
        "        self.sent = last.saturating_sub(1);\n        self.written = last;",
    ),
    at(
        "a resume skips an event",
        "arcp/runtime/sessions/log.rs",
        "        self.sent = last;\n        self.written = last;",
        "        self.sent = last + 1;\n        self.written = last;",
    ),
    at("an ack beyond what was sent is believed", "arcp/runtime/sessions/log.rs", "if seq > self.high || ", "if "),
    at(
        "unwritten events are freed while the connection is up",
        "arcp/runtime/sessions/log.rs",
        "if (live && self.base > self.written) || self.entries.len() == 1 {",
        "if self.entries.len() == 1 {",
    ),
    at(
        "the lag is never reset",
        "arcp/runtime/sessions/log.rs",
        "            self.lagging = false;",
        "            self.lagging = true;",
    ),
    at(
        "the resume token does not rotate",
        "arcp/runtime/sessions/session/mod.rs",
        "        self.newest = token;\n        self.closed = false;",
        "        if self.epoch == 0 { self.newest = token; }\n        self.closed = false;",
    ),
    at(
        "an old resume token stays valid",
        "arcp/runtime/resume.rs",
        "!session.holds(&claim.token)",
        "!(session.holds(&claim.token) || claim.last < 9)",
    ),
    at(
        "another principal may resume a session",
        "arcp/runtime/resume.rs",
        "if **session.principal() != *principal || !session",
        "if !session",
    ),
    at(
        "a child's budget does not return",
        "budget/mod.rs",
        "            counter.remaining = counter.remaining.add_downwards(ended.remaining);",
        "",
    ),
    at(
        "more than the remaining budget is set aside",
        "budget/mod.rs",
        "if amount > remaining {",
        "if amount > counter.granted {",
    ),
    at(
        "a budget of zero is not exhausted",
        "budget/mod.rs",
        "let left = remaining.is_positive()",
        "let left = !remaining.is_negative()",
    ),
    at(
        "a bearer token that was refused is shown again",
        "arcp/client/renew.rs",
        "Some(fault) if token == self.config.token",
        "Some(fault) if token.expose().is_empty()",
    ),
    at(
        "a reserved amount can be reserved again",
        "budget/mod.rs",
        "        counter.remaining = counter.remaining.exact_sub(amount)?;\n        Ok(",
        "        Ok(",
    ),
    at(
        "what a job has reserved is lost with its end",
        "arcp/runtime/jobs/mod.rs",
        "        self.release_all(id);\n",
        "",
    ),
    at(
        "a cancelled job succeeds",
        "arcp/runtime/jobs/state.rs",
        "    finish: Running => Success, Cancelling => Cancelled;",
        "    finish: Running | Cancelling => Success;",
    ),
    at(
        "any session that sees a job may cancel it",
        "arcp/runtime/access.rs",
        "orphan && *principal == job.accepted().principal",
        "*principal == job.accepted().principal",
    ),
    at(
        "a terminal is sent twice",
        "arcp/runtime/end.rs",
        "let shown = self.show(key, id, kind, payload.clone(), None);",
        "let _ = self.show(key, id, kind, payload.clone(), None); let shown = self.show(key, id, kind, payload.clone(), None);",
    ),
    at(
        "children outlive their parents",
        "arcp/runtime/jobs/family.rs",
        "        let mut first = child(id)?;",
        "        let mut first: JobKey = child(id).filter(|_| false)?;",
    ),
    at(
        "credit leaks",
        "arcp/runtime/conns/credit.rs",
        "            self.bytes -= frame.bytes;",
        "            self.bytes -= frame.bytes / 2;",
    ),
    at(
        "an agent is never unblocked",
        "arcp/runtime/ack.rs",
        "                    session.written(seq);\n                    this.unblock(key);",
        "                    session.written(seq);",
    ),
    at(
        "a rotated secret is replayed",
        "arcp/runtime/sessions/log.rs",
        "if let Some(secret) = entry.secret.take() {",
        "if let Some(secret) = entry.secret.clone() {",
    ),
    at(
        "a watcher reads a rotated secret",
        "arcp/runtime/append.rs",
        "secret.clone().filter(|_| trusted)",
        "secret.clone()",
    ),
    at(
        "credentials are not revoked",
        "arcp/runtime/end.rs",
        "            self.revoke(ulid, Some(credential.id), Some(credential.value), 1);",
        "            drop(credential);",
    ),
    at(
        "restart: credentials that may have been minted are not revoked",
        "arcp/runtime/submit.rs",
        "            self.outputs.store(Record::CredentialsAsked { job: job.ulid() });",
        "            let _ = job.ulid();",
    ),
    at(
        "a lease does not expire",
        "arcp/runtime/jobs/job/lease.rs",
        "is_some_and(|over| now >= over)",
        "is_some_and(|over| now > over.plus_micros(999_999))",
    ),
    at(
        "a lease does not follow a wall clock that is set ahead",
        "arcp/runtime/jobs/job/lease.rs",
        "self.accepted.expires_at.map(|at| offset.machine(at).max(now))",
        "self.accepted.expires_at.map(|at| at.max(now)).filter(|_| offset == WallOffset::default())",
    ),
    at(
        "a question is answered without a record",
        "arcp/runtime/ask.rs",
        "        self.append_question(id, &Body::answered(&settled), QuestionFact::Settled);",
        "        self.append(id, &Body::answered(&settled), None);",
    ),
    at(
        "restart: a question is asked again",
        "arcp/runtime/restore/questions.rs",
        "let asked = Asked::new(name, question.digest(), run, until, body);",
        "let asked = Asked::new(name, [0; 32], run, until, body);",
    ),
    at(
        "a question expires late",
        "arcp/runtime/jobs/questions/mod.rs",
        "asked.until.filter(|until| *until <= now)?",
        "asked.until.filter(|until| *until < now)?",
    ),
    at(
        "a principal that sees a job may answer its questions",
        "arcp/runtime/question_answer.rs",
        "            Some((_, asked)) => self.may_answer_question(&principal, job.accepted(), asked),",
        "            Some((_, asked)) => self.may_answer_question(&job.accepted().principal, job.accepted(), asked),",
    ),
    at(
        "everyone reads the state of the runtime",
        "arcp/runtime/status.rs",
        "if !self.config.is_operator(session.principal()) {",
        "if session.principal().is_empty() {",
    ),
    at(
        "a wrong answer is taken for a repeated one",
        "arcp/runtime/question_answer.rs",
        "&& is_same_value(given.get(), value) {",
        "&& is_same_value(value, value) && !given.get().is_empty() {",
    ),
    at(
        "progress goes to everyone",
        "arcp/runtime/append.rs",
        "            Meta::Progress => Features::NONE.with(Feature::Progress),",
        "            Meta::Progress => Features::NONE,",
    ),
    at(
        "a repeated idempotency key runs again",
        "arcp/runtime/retry.rs",
        "self.idempotency.find(record_key) else",
        "self.idempotency.find(record_key).filter(|_| request_id.is_empty()) else",
    ),
    at(
        "lease inclusion compares prefixes",
        "lease/inclusion.rs",
        "if index.contains(child, work)? {",
        "if index.overlapping(child, work)?.iter().any(|parent| child.as_str().starts_with(parent.as_str().trim_end_matches('*'))) {",
    ),
    at(
        "restart: the newest token is not known",
        "arcp/runtime/sessions/session/mod.rs",
        "        (self.newest, self.proved) = (newest, proved);",
        "        let _ = newest; self.proved = proved;",
    ),
    at("restart: a resume was not stored", "arcp/runtime/resume.rs", "        self.record_tokens(key);\n", ""),
    at(
        "restart: an ended job ends again",
        "arcp/runtime/jobs/job/mod.rs",
        "        self.state = JobState::ended(terminal.status);",
        "        let _ = JobState::ended(terminal.status);",
    ),
    at(
        "restart: a number is skipped",
        "arcp/runtime/sessions/log.rs",
        "        self.high = seq;\n        true",
        "        self.high = seq;\n        self.base += 1;\n        true",
    ),
    at(
        "restart: idempotency keys are forgotten",
        "arcp/runtime/restore/sessions.rs",
        "            runtime.idempotency.begin(key, fingerprint, id, accepted.id, accepted.created_at);",
        "            let _ = (key, fingerprint, id);",
    ),
    at(
        "restart: credentials are forgotten",
        "arcp/runtime/restore/mod.rs",
        "            runtime.revoke(job, Some(id), None, values);",
        "            let _ = (job, id, values);",
    ),
    at(
        "restart: a cancel was not stored",
        "arcp/runtime/journal.rs",
        "Some(Record::JobDoomed { job: this.jobs.get(id)?.ulid(), cancelled })",
        "Some(Record::JobDoomed { job: this.jobs.get(id)?.ulid(), cancelled: false }).filter(|_| !cancelled)",
    ),
    at(
        "restart: a terminal after a replayed history is sent again",
        "arcp/runtime/restore/events.rs",
        "            if let (Some(key), Some(id)) = (self.number(target, ulid, &record), id) {\n                self.runtime.unwatch(key, id);\n            }",
        "            self.number(target, ulid, &record);",
    ),
    at(
        "restart: jobs are evicted before all numbers are known",
        "arcp/runtime/restore/events.rs",
        "        runtime.evict_restored();",
        "        runtime.evict();",
    ),
    at(
        "a frame does not wait for its store",
        "arcp/runtime/flush.rs",
        "            After::Free | After::All => stored,",
        "            After::Free | After::All => stored.saturating_sub(1),",
    ),
    at(
        "an event does not wait for its record",
        "arcp/runtime/append.rs",
        "self.outputs.stored() + 1 } else { u64::MAX };",
        "self.outputs.stored() } else { u64::MAX };",
    ),
    at(
        "a terminal does not wait for its record",
        "arcp/runtime/append.rs",
        "self.outputs.stored() + 1 } else { u64::MAX };",
        "self.outputs.stored() + 1 } else { 0 };",
    ),
    at(
        "new work is accepted while the journal is stalled",
        "arcp/runtime/journal.rs",
        "        if self.is_stuck() {",
        "        if self.is_stuck() && self.drain.is_draining() {",
    ),
    at(
        "replayed events have different numbers",
        "arcp/runtime/sessions/log.rs",
        "        self.past_from = self.sent + 1;",
        "        self.past_from = self.sent;",
    ),
];
