//! Operations that people approve before a job does them (core/docs/arcp.md, "Questions"). What they have decided follows from
//! the history of the job.

use nuncio_core::arcp::JobUlid;
use serde_json::{Value, json};

use super::super::lease::covers;
use super::{Job, Model};

/// The answer that approves.
const APPROVE: &str = "approve";

/// What people have decided about an operation.
#[derive(Clone, Debug, PartialEq)]
enum Decision {
    Approved,
    /// With the message and the details of the error.
    Refused(String, Value),
}

/// Returns the name of the question about an operation, which no key of an agent is equal to.
pub(in super::super) fn name_of(namespace: &str, target: &str) -> String {
    format!("!{namespace} {target}")
}

impl Model {
    /// Returns whether a principal may watch a job and answer its questions.
    pub(super) fn may_decide(&self, principal: &str, job: &Job) -> bool {
        principal == job.principal || self.approvers.contains(principal)
    }

    /// Returns whether people have to approve an operation.
    pub(in super::super) fn is_marked(&self, namespace: &str, target: &str) -> bool {
        covers(&self.marks, namespace, target)
    }

    /// Returns the question about an operation.
    pub(in super::super) fn approval_prompt(&self, id: JobUlid, namespace: &str, target: &str) -> String {
        format!("Approve {namespace} {target:?} of the agent {}?", self.jobs[&id].agent)
    }

    /// Predicts whether an operation is allowed as far as people decide about it.
    pub(super) fn approval(&self, id: JobUlid, namespace: &str, target: &str) -> Result<(), &'static str> {
        if !self.is_marked(namespace, target) {
            return Ok(());
        }
        match self.decision(id, namespace, target) {
            Some(Decision::Approved) => Ok(()),
            Some(Decision::Refused(..)) => Err("PERMISSION_DENIED"),
            None => Err(super::NEEDS_APPROVAL),
        }
    }

    /// Returns whether one who may answer has approved an operation.
    pub(in super::super) fn is_approved(&self, id: JobUlid, namespace: &str, target: &str) -> bool {
        self.decision(id, namespace, target) == Some(Decision::Approved)
    }

    /// Returns the message and the details with which an operation is denied that people have not approved.
    pub(in super::super) fn refusal(&self, id: JobUlid, namespace: &str, target: &str) -> Option<(String, Value)> {
        match self.decision(id, namespace, target)? {
            Decision::Approved => None,
            Decision::Refused(message, details) => Some((message, details)),
        }
    }

    /// Returns whether people were asked about an operation.
    pub(in super::super) fn was_asked(&self, id: JobUlid, namespace: &str, target: &str) -> bool {
        let name = name_of(namespace, target);
        self.questions(id).iter().any(|question| question.name == name)
    }

    /// Returns whether people had decided about an operation before the run of the job that there is now.
    pub(in super::super) fn was_decided_before(&self, id: JobUlid, namespace: &str, target: &str) -> bool {
        let name = name_of(namespace, target);
        let asked = self.questions(id).into_iter().find(|question| question.name == name && question.ended.is_some());
        let run = asked.and_then(|question| self.asked.get(&(id, question.id))).map(|asked| asked.run);
        run.is_some_and(|run| run < self.jobs[&id].restarts)
    }

    fn decision(&self, id: JobUlid, namespace: &str, target: &str) -> Option<Decision> {
        let name = name_of(namespace, target);
        let ended = self.questions(id).into_iter().find(|question| question.name == name)?.ended?;
        let text = |member: &str| ended[member].as_str().unwrap_or_default().to_owned();
        let operation = format!("{namespace} {target:?}");
        if ended["outcome"] == "answered" && ended["value"] == APPROVE && self.may_decide(&text("by"), &self.jobs[&id])
        {
            return Some(Decision::Approved);
        }
        if ended["outcome"] != "answered" {
            let message = format!("{operation} was not approved in time");
            return Some(Decision::Refused(message, json!({"approval": "expired"})));
        }
        let note = if ended["note"].is_null() { String::new() } else { format!(": {}", text("note")) };
        let message = format!("{} has refused {operation}{note}", text("by"));
        Some(Decision::Refused(message, json!({"approval": "refused"})))
    }
}
