//! Mistakes about operations that people approve first.

use super::{Mutation, at};

pub(super) const APPROVALS: [Mutation; 8] = [
    at(
        "approval: any answer approves an operation",
        "arcp/wire/question/approval.rs",
        "if answer.text().as_deref() == Some(APPROVE) =>",
        "if answer.text().is_some() =>",
    ),
    at(
        "approval: an operation is done that was not approved in time",
        "arcp/wire/question/approval.rs",
        "            Outcome::Settled(Answer::Default { .. } | Answer::Expired) => {",
        "            Outcome::Settled(Answer::Expired) => Decision::Approved,\n            \
         Outcome::Settled(Answer::Default { .. }) => {",
    ),
    at(
        "approval: the note of a refusal is lost",
        "arcp/wire/question/approval.rs",
        "let note = note.as_ref().map_or_else(",
        "let note = note.as_ref().filter(|note| note.is_empty()).map_or_else(",
    ),
    at(
        "approval: a refused operation is asked about again",
        "arcp/runtime/approve.rs",
        "Some(Decision::Refused(fault)) => Err(Denied::Fault(fault)),",
        "Some(Decision::Refused(_)) => Err(Denied::NeedsApproval(Box::new(operation.clone()))),",
    ),
    at(
        "approval: what was approved counts for every target",
        "arcp/runtime/jobs/questions/mod.rs",
        "        hasher.update(operation.target());\n",
        "",
    ),
    at(
        "approval: a delegation is shown before it is approved",
        "arcp/runtime/delegate.rs",
        "if !this.config.ask_first.is_empty()\n",
        "if this.config.ask_first.is_empty()\n",
    ),
    at(
        "approval: one who approves may cancel",
        "arcp/runtime/access.rs",
        "            || self.config.is_operator(principal)\n    }",
        "            || self.sees_all(principal)\n    }",
    ),
    at(
        "restart: a decision of people is forgotten",
        "arcp/runtime/restore/questions.rs",
        "let asked = Asked::new(name, question.digest(), run, until, body);",
        "let name = if name.starts_with('!') { \"!\".into() } else { name };\n                \
         let asked = Asked::new(name, question.digest(), run, until, body);",
    ),
];
