//! Questions and their answers (core/docs/arcp.md, "Questions"). The state of a question follows from the history of its job.

use nuncio_core::arcp::JobUlid;
use nuncio_core::time::Time;
use serde_json::{Value, json};

use super::{Entry, Model, State, rules};

pub(in super::super) const ASKED: &str = "x-vendor.nuncio.question";
pub(in super::super) const ANSWERED: &str = "x-vendor.nuncio.answered";

/// A question as the history of its job describes it.
#[derive(Clone, Debug)]
pub(in super::super) struct Question {
    pub(in super::super) id: String,
    /// What its job tells it from others by: its key, or the operation that it is about.
    pub(super) name: String,
    prompt: String,
    pub(in super::super) choices: Value,
    /// The body of the event that has ended it.
    pub(in super::super) ended: Option<Value>,
}

/// What a question is to those before it.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) enum Place {
    Known(String),
    /// The open question that it replaces, if any.
    New(Option<String>),
    Taken,
}

/// What is known of a question besides its events.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    name: String,
    /// The run that has asked it last.
    pub(super) run: u32,
    until: Option<Time>,
}

impl Question {
    /// Whether a value answers it.
    fn fits(&self, value: &Value) -> bool {
        value.is_string() && self.choices.as_array().is_none_or(|choices| choices.contains(value))
    }
}

impl Model {
    /// Returns the questions that a job has asked.
    pub(in super::super) fn questions(&self, id: JobUlid) -> Vec<Question> {
        let mut questions: Vec<Question> = Vec::new();
        for entry in self.jobs.get(&id).into_iter().flat_map(|job| &job.history) {
            let Entry::Event { kind, body } = entry else { continue };
            let named = body["question_id"].as_str().unwrap_or_default();
            if kind == ASKED {
                let prompt = body["prompt"].as_str().unwrap_or_default().to_owned();
                let choices = body["choices"].clone();
                let name = self.asked.get(&(id, named.to_owned())).map(|asked| asked.name.clone()).unwrap_or_default();
                questions.push(Question { id: named.to_owned(), name, prompt, choices, ended: None });
            } else if kind == ANSWERED
                && let Some(question) = questions.iter_mut().find(|question| question.id == named)
            {
                question.ended = Some(body.clone());
            }
        }
        questions
    }

    /// Returns every question of every job, with the name of the job.
    pub(in super::super) fn all_questions(&self) -> Vec<(String, Question)> {
        let of = |(id, name): (JobUlid, String)| {
            self.questions(id).into_iter().map(move |question| (name.clone(), question))
        };
        self.jobs.iter().map(|(id, job)| (*id, job.id.clone())).flat_map(of).collect()
    }

    /// Returns what a question is to those that its job has asked before.
    pub(in super::super) fn place(&self, id: JobUlid, name: &str, prompt: &str) -> Place {
        let of_name = self.questions(id).into_iter().rev().find(|known| known.name == name);
        let Some(known) = of_name else { return Place::New(None) };
        let run = self.asked.get(&(id, known.id.clone())).map(|asked| asked.run);
        if known.prompt == prompt {
            Place::Known(known.id)
        } else if run == self.jobs.get(&id).map(|job| job.restarts) {
            Place::Taken
        } else {
            Place::New(known.ended.is_none().then_some(known.id))
        }
    }

    /// An agent has asked a question.
    pub(in super::super) fn asked(
        &mut self,
        id: JobUlid,
        (name, place): (&str, Place),
        (number, body): (u64, Value),
        until: Option<Time>,
    ) {
        let run = self.job_mut(id).restarts;
        let named = format!("q{number}");
        match place {
            Place::Known(known) => {
                rules::a_question_is_asked_once(id, &known, &named);
                if let Some(asked) = self.asked.get_mut(&(id, known)) {
                    asked.run = run;
                }
            }
            Place::New(replaced) => {
                rules::a_question_is_asked_once(id, &format!("q{}", self.questions(id).len() + 1), &named);
                if let Some(replaced) = replaced {
                    self.append(id, Entry::event(ANSWERED, json!({"question_id": replaced, "outcome": "withdrawn"})));
                }
                self.append(id, Entry::event(ASKED, body));
                self.asked.insert((id, named), Asked { name: name.to_owned(), run, until });
            }
            Place::Taken => rules::a_key_names_one_question(id, false),
        }
    }

    /// A question has ended, or its agent is told again how it has.
    pub(in super::super) fn end_question(&mut self, id: JobUlid, number: u64, body: Value, now: Time) {
        let named = format!("q{number}");
        let question = self.questions(id).into_iter().find(|question| question.id == named);
        let question = rules::only_asked_questions_end(id, &named, question);
        if let Some(ended) = &question.ended {
            return rules::the_first_answer_counts(id, ended, &body);
        }
        if body["outcome"] == "answered" {
            let may = self.may_decide(body["by"].as_str().unwrap_or_default(), &self.jobs[&id]);
            rules::only_those_who_may_answer(id, &body["by"], may);
            rules::only_fitting_answers_count(id, question.fits(&body["value"]), &body);
        } else {
            let until = self.asked.get(&(id, named)).and_then(|asked| asked.until);
            rules::questions_expire_at_their_deadline(id, until.is_some_and(|until| until <= now), &body);
        }
        self.append(id, Entry::event(ANSWERED, body));
    }

    /// Returns the question that an answer of a session ends, if it may answer and the value fits.
    pub(in super::super) fn ends(&self, session: &str, payload: &Value) -> Option<(JobUlid, String)> {
        let id = self.named(payload["job_id"].as_str()?)?;
        let job = self.jobs.get(&id)?;
        let live = matches!(job.state, State::Pending | State::Running | State::Cancelling) && job.ending.is_none();
        let may = self.may_decide(&self.sessions.get(session)?.principal, job);
        let question =
            self.questions(id).into_iter().find(|question| payload["question_id"] == question.id.as_str())?;
        (live && may && question.ended.is_none() && question.fits(&payload["value"])).then_some((id, question.id))
    }

    /// Returns whether a question is open in the history of its job.
    pub(in super::super) fn is_open(&self, id: JobUlid, named: &str) -> bool {
        self.questions(id).iter().any(|question| question.id == named && question.ended.is_none())
    }

    /// A client was sent the reply to its answer.
    pub(in super::super) fn answer_sent(&mut self, payload: &Value) {
        let Some(id) = self.named(payload["job_id"].as_str().unwrap_or_default()) else { return };
        let named = payload["question_id"].as_str().unwrap_or_default().to_owned();
        let ended = self.questions(id).into_iter().find(|question| question.id == named).and_then(|it| it.ended);
        let members = ["question_id", "outcome", "value", "by", "note"];
        let told = members.iter().filter_map(|name| Some(((*name).to_owned(), payload.get(*name)?.clone())));
        rules::the_first_answer_counts(id, &ended.unwrap_or_default(), &Value::Object(told.collect()));
        self.taken.insert((id, named), payload["value"].clone());
    }

    /// After a crash: no answer is lost whose reply was sent.
    pub(super) fn check_taken(&self) {
        for ((id, named), value) in self.taken.iter().filter(|((id, _), _)| self.jobs.contains_key(id)) {
            let question = self.questions(*id).into_iter().find(|question| question.id == *named);
            let kept = question.and_then(|question| question.ended).is_some_and(|ended| ended["value"] == *value);
            rules::no_accepted_answer_is_lost(*id, named, kept);
        }
    }

    /// No question is open beyond its deadline.
    pub(in super::super) fn check_deadlines(&self, now: Time) {
        for ((id, named), asked) in &self.asked {
            let live = self.jobs.get(id).is_some_and(|job| {
                matches!(job.state, State::Pending | State::Running | State::Cancelling) && job.ending.is_none()
            });
            let overdue = asked.until.is_some_and(|until| until <= now);
            if live && overdue {
                rules::no_question_outlives_its_deadline(*id, named, self.is_open(*id, named));
            }
        }
    }
}
