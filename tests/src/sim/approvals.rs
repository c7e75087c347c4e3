//! Operations that people approve first: agents that ask for an approval and act on what was decided.

use nuncio_core::arcp::{Denied, Fault, JobKey, JobUlid, QuestionId, Refused};
use nuncio_core::lease::Operation;
use serde_json::{Value, json};

use super::Sim;
use super::lease::OPERATIONS;
use super::model::{NEEDS_APPROVAL, name_of, rules};
use crate::seeded::{Draw, note};
use crate::world::SECOND;

/// An operation: its namespace and its target.
pub(super) type Named = (&'static str, &'static str);

/// The principal that answers the questions of every job, in some runs.
pub(super) const APPROVER: &str = "bob";

/// The operations that people approve first, as the patterns of a lease: one of these in each run.
pub(super) const MARKS: [&str; 6] = [
    "{}",
    "{}",
    r#"{"tool.call":["t.*"]}"#,
    r#"{"tool.call":["*"],"fs.read":["/ws/**"],"agent.delegate":["echo"]}"#,
    r#"{"fs.write":["/**"],"model.use":["tier/*"],"agent.delegate":["**"],"tool.call":["u"]}"#,
    r#"{"tool.call":["t.a"],"fs.read":["/tmp/*"]}"#,
];

impl Sim {
    /// Lets an agent do an operation that is allowed, or ask for an approval.
    pub(super) fn approve(&mut self, job: JobKey, draw: &mut Draw<'_, '_>) {
        let marked: Vec<Named> =
            OPERATIONS.into_iter().filter(|(space, name)| self.model.is_marked(space, name)).collect();
        let operation = draw.pick(&marked).copied().unwrap_or(OPERATIONS[6]);
        self.ask_approval(job, operation);
    }

    /// Asks for the approval of an operation, and compares the answer with the model.
    pub(super) fn ask_approval(&mut self, job: JobKey, (namespace, target): Named) {
        let id = self.ulid(job);
        let operation = Operation::new(namespace, target).expect("a good target");
        let answer = self.runtime.approve(self.now, job, &operation);
        note(|| format!("  agent of {job:?} asks for the approval of {namespace} {target}: {answer:?}"));
        if self.model.job(id).is_none() {
            return;
        }
        match answer {
            Ok(None) => self.check_authority(job, (namespace, target), &Ok(())),
            Ok(Some(question)) => self.asked_about(job, (namespace, target), question),
            Err(Denied::Blocked) => {
                self.carried_out(job, &Err(Refused::Blocked));
            }
            Err(denied) => self.check_authority(job, (namespace, target), &Err(denied)),
        }
    }

    fn asked_about(&mut self, job: JobKey, (namespace, target): Named, QuestionId(number): QuestionId) {
        let id = self.ulid(job);
        rules::only_running_jobs_act(id, self.model.runs(id));
        let is_open = self.model.authority(id, namespace, target, self.now) == Err(NEEDS_APPROVAL);
        rules::only_marked_operations_are_asked_about(id, &format!("{namespace} {target}"), is_open);
        let (name, prompt) = (name_of(namespace, target), self.model.approval_prompt(id, namespace, target));
        let place = self.model.place(id, &name, &prompt);
        let secs = self.params.approval_secs;
        let body = json!({"question_id": format!("q{number}"), "prompt": prompt, "choices": ["approve", "refuse"],
            "expires_at": self.wall().plus_micros(secs * SECOND).to_rfc3339()});
        self.model.asked(id, (&name, place), (number, body), Some(self.now.plus_secs(secs)));
        self.host.undecided.insert((job, QuestionId(number)), (namespace, target));
        self.count("approval asked for");
    }

    /// A run after a restart does the operations that an earlier run has asked people about.
    pub(super) fn repeat_operations(&mut self, job: JobKey) {
        let id = self.ulid(job);
        let asked = OPERATIONS.into_iter().filter(|(space, name)| self.model.was_asked(id, space, name));
        self.host.decided.extend(asked.map(|operation| (job, operation)));
    }

    /// Lets the agents act that were told what people have decided, or are run again.
    pub(super) fn act_on_decisions(&mut self) {
        while let Some((job, operation)) = self.host.decided.pop() {
            if self.try_operation(job, operation) {
                self.ask_approval(job, operation);
            }
        }
    }

    /// Lets an agent do an operation if it is allowed; returns whether people have to approve it first.
    pub(super) fn try_operation(&mut self, job: JobKey, (namespace, target): Named) -> bool {
        let operation = Operation::new(namespace, target).expect("a good target");
        let answer = self.runtime.authorize(self.now, job, &operation);
        note(|| format!("  agent of {job:?} authorizes {namespace} {target}: {answer:?}"));
        if self.model.job(self.ulid(job)).is_some() {
            self.check_authority(job, (namespace, target), &answer);
        }
        matches!(answer, Err(Denied::NeedsApproval(_)))
    }

    /// Compares the answer to an operation with the model.
    fn check_authority(&mut self, job: JobKey, (namespace, target): Named, answer: &Result<(), Denied>) {
        let id = self.ulid(job);
        let code = match answer {
            Ok(()) => Ok(()),
            Err(Denied::Fault(fault)) => Err(fault.code.as_str()),
            Err(Denied::NeedsApproval(_)) => Err(NEEDS_APPROVAL),
            Err(denied) => {
                rules::no_running_job_is_refused(id, self.model.runs(id), denied);
                return;
            }
        };
        rules::only_running_jobs_act(id, self.model.runs(id));
        let predicted = self.model.authority(id, namespace, target, self.now);
        let name = format!("{namespace} {target}");
        if code.is_ok() {
            self.only_approved_operations_are_done(id, (namespace, target));
        }
        rules::authority_follows_the_lease(&name, code, predicted);
        self.count(code.err().unwrap_or("authorized"));
        if let Err(Denied::Fault(fault)) = answer {
            self.check_refusal(id, (namespace, target), fault);
        }
        if code != Err(NEEDS_APPROVAL) && self.model.was_decided_before(id, namespace, target) {
            self.count("decided before a restart");
        }
        if code == Err("LEASE_EXPIRED") {
            self.model.doom(id);
        }
    }

    pub(super) fn only_approved_operations_are_done(&mut self, id: JobUlid, (namespace, target): Named) {
        if self.model.is_marked(namespace, target) {
            let is_approved = self.model.is_approved(id, namespace, target);
            rules::only_approved_operations_are_done(id, &format!("{namespace} {target}"), is_approved);
            self.count("approved operation");
        }
    }

    /// Compares the error of an operation that people have not approved with the model.
    pub(super) fn check_refusal(&mut self, id: JobUlid, (namespace, target): Named, fault: &Fault) {
        let details = fault.details.as_deref().map(|details| serde_json::from_str::<Value>(details).expect("JSON"));
        let details = details.unwrap_or_default();
        // Without the detail, the lease does not cover the operation.
        if details["approval"].is_null() {
            return;
        }
        let (message, expected) = self.model.refusal(id, namespace, target).unwrap_or_default();
        rules::a_refusal_says_who_and_why(id, (&fault.message, &details), (&message, &expected));
        self.count(if details["approval"] == "refused" { "refused operation" } else { "not approved in time" });
    }
}
