//! Agents that ask people, and people that answer.

use std::time::Duration;

use nuncio_core::arcp::client::QuestionQuery;
use nuncio_core::arcp::{Answer, JobKey, Question, QuestionId, Refused};
use serde_json::{Value, json};

use super::Sim;
use super::model::rules;
use crate::seeded::{Draw, note};
use crate::world::{SECOND, json_text};

/// A question by its key: the seconds for which it is open, its choices, and its default.
type Known = (&'static str, Option<u64>, &'static [&'static str], Option<&'static str>);

const QUESTIONS: [Known; 4] = [
    ("k0", Some(3), &["yes", "no"], Some("no")),
    ("k1", Some(20), &["yes", "no"], None),
    ("k2", None, &[], None),
    (APPROVAL, Some(3_600), &["approve", "refuse"], None),
];

/// The key of a question that looks like the one about the operation `tool.call t.a`.
const APPROVAL: &str = "!tool.call t.a";

impl Sim {
    /// Lets an agent ask a question, which it may have asked before.
    pub(super) fn ask(&mut self, job: JobKey, draw: &mut Draw<'_, '_>) {
        let id = self.ulid(job);
        let (key, secs, choices, default) = draw.one(&QUESTIONS);
        let suffix = draw.one(&["", "", "", "b"]);
        let prompt = match (key, self.model.job(id)) {
            (APPROVAL, Some(_)) => self.model.approval_prompt(id, "tool.call", "t.a") + suffix,
            _ => format!("{key}{suffix}"),
        };
        let mut question = Question::new(prompt.as_str()).key(key);
        let mut body = json!({"prompt": prompt});
        if !choices.is_empty() {
            question = question.choices(choices.iter().copied());
            body["choices"] = json!(choices);
        }
        if let Some(default) = default {
            question = question.default(default);
            body["default"] = json!(default);
        }
        let until = secs.map(|secs| self.now.plus_secs(secs));
        if let Some(secs) = secs {
            question = question.deadline(Duration::from_secs(secs));
            body["expires_at"] = json!(self.wall().plus_micros(secs * SECOND).to_rfc3339());
        }
        let name = format!("={key}");
        let place = self.model.place(id, &name, &prompt);
        let answer = self.runtime.ask(self.now, job, &question);
        note(|| format!("  agent of {job:?} asks {prompt}: {answer:?}, expected {place:?}"));
        if let (Err(Refused::Invalid(_)), true) = (&answer, self.model.runs(id)) {
            rules::a_key_names_one_question(id, place == super::model::Place::Taken);
            return;
        }
        let carried = answer.as_ref().map(drop).map_err(Clone::clone);
        if self.carried_out(job, &carried)
            && let Ok(QuestionId(number)) = answer
        {
            body["question_id"] = json!(format!("q{number}"));
            self.model.asked(id, (&name, place), (number, body), until);
            self.count("asked");
        }
    }

    /// Compares the end of a question with the model.
    pub(super) fn question_ended(&mut self, job: JobKey, QuestionId(number): QuestionId, answer: &Answer) {
        let id = self.ulid(job);
        if self.model.job(id).is_none() {
            return;
        }
        let value = answer.value().map(|value| serde_json::from_str::<Value>(value.get()).expect("JSON"));
        let mut body = json!({"question_id": format!("q{number}")});
        body["outcome"] = match answer {
            Answer::Given { by, note, .. } => {
                body["by"] = json!(&**by);
                if let Some(note) = note {
                    body["note"] = json!(&**note);
                }
                json!("answered")
            }
            Answer::Default { .. } => json!("default"),
            Answer::Expired => json!("expired"),
        };
        if let Some(value) = value {
            body["value"] = value;
        }
        let outcome = body["outcome"].as_str().unwrap_or_default().to_owned();
        self.model.end_question(id, number, body, self.now);
        self.count(match outcome.as_str() {
            "answered" => "answered",
            "default" => "answered by default",
            _ => "expired question",
        });
    }

    /// Lets an application answer a question: of its own principal or of another one, open or not, fitting or not.
    pub(super) fn answer_question(&mut self, who: usize, draw: &mut Draw<'_, '_>) {
        let mut questions = self.model.all_questions();
        if draw.chance(60) {
            questions.retain(|(_, question)| question.ended.is_none());
        }
        let last = questions.len().saturating_sub(6);
        let Some((job, question)) = draw.pick(questions.get(last..).unwrap_or_default()).cloned() else { return };
        let is_approval = question.choices[0] == "approve";
        let values = if is_approval {
            ["\"approve\"", "\"refuse\"", "\"approve\"", "\"Approve\"", "true"]
        } else {
            ["\"yes\"", "\"no\"", "\"yes\"", "\"maybe\"", "7"]
        };
        let value = json_text(draw.one(&values));
        let note = draw.chance(30).then_some("not on a Sunday");
        // A client that is closed, or has too many requests, refuses.
        let _ = self.peers[who].client.answer(self.now, &job, &question.id, &value, note);
    }

    /// Lets an application list the open questions.
    pub(super) fn list_questions(&mut self, who: usize) {
        let query = QuestionQuery { limit: Some(2), ..QuestionQuery::default() };
        let _ = self.peers[who].client.questions(self.now, &query);
    }
}
