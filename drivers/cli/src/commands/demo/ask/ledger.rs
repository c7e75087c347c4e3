//! What was asked and answered, against what has to be.

use std::collections::BTreeMap;

use nuncio_tokio::arcp::{QuestionOutcome, Update};

use super::agent::{Campaign, NOT_TOLD};
use crate::text::print_line;

/// The questions of the agent.
const QUESTIONS: usize = 4;
/// Those that are answered; the last one has a default.
const ANSWERS: u32 = 3;

/// Counts questions by their prompts, and answers.
#[derive(Default)]
pub(super) struct Ledger {
    asked: BTreeMap<String, u32>,
    answered: u32,
    defaults: u32,
    refused_others: u32,
}

impl Ledger {
    /// Counts an event of the job.
    pub(super) fn note(&mut self, update: &Update) {
        let Update::Event(event) = update else { return };
        if let Some(question) = event.question() {
            *self.asked.entry(question.prompt).or_default() += 1;
        }
        let is_default = |outcome| outcome == QuestionOutcome::Default;
        self.defaults += u32::from(event.answered().is_some_and(|answered| is_default(answered.outcome)));
    }

    /// Counts an answer of the boss.
    pub(super) fn answered(&mut self) {
        self.answered += 1;
    }

    /// Counts an answer of somebody who may not answer.
    pub(super) fn tried(&mut self, is_refused: bool) {
        self.refused_others += u32::from(is_refused);
    }

    /// Checks what was counted and the result of the job, and prints the last line.
    pub(super) fn close(&self, result: &Campaign) -> Result<(), String> {
        let expected = Campaign {
            mailed: true,
            refund: "boss@example.com has refused tool.call \"payments.refund\": not on a Sunday".to_owned(),
            told: Some(NOT_TOLD.to_owned()),
            restarts: 1,
        };
        if *result != expected {
            return Err(format!("the result is {result:?} in place of {expected:?}"));
        }
        let twice = self.asked.values().filter(|times| **times > 1).count();
        let counts = (self.asked.len(), self.answered, self.defaults, self.refused_others, twice);
        if counts != (QUESTIONS, ANSWERS, 1, 1, 0) {
            return Err(format!("asked, answered, by default, refused, asked twice: {counts:?}"));
        }
        print_line("");
        print_line(&format!(
            "OK: questions asked {}, answered {}, by default {}, restarted 1, asked twice {twice}.",
            self.asked.len(),
            self.answered,
            self.defaults
        ));
        Ok(())
    }
}
