//! The questions of one job (ours).

pub(crate) mod state;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use core::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use self::state::QuestionState;
use crate::arcp::runtime::event::Timer;
use crate::arcp::runtime::host::JobKey;
use crate::arcp::runtime::timers::{Deadline, Timers};
use crate::arcp::wire::question::{Outcome, Question};
use crate::digest::Digest;
use crate::lease::Operation;
use crate::time::Time;

/// The bytes that a question holds besides its texts.
const ENTRY_BYTES: usize = 192;

/// The questions that a job has asked in all its runs, by their numbers.
#[derive(Clone, Debug)]
pub(crate) struct Questions {
    all: BTreeMap<u64, Asked>,
    /// The last number of each name.
    by_name: BTreeMap<Box<str>, u64>,
    /// The questions without a key in this run.
    unnamed: u64,
    open: usize,
    bytes: usize,
    /// When the next one expires.
    deadline: Deadline,
}

/// A question that was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    name: Box<str>,
    digest: Digest,
    /// The number of the run that has asked it last.
    run: u32,
    until: Option<Time>,
    state: QuestionState,
    /// While it is open, its body as in its event. Afterwards it is empty.
    body: Box<str>,
    /// How it has ended, unless its job has ended before.
    outcome: Option<Outcome>,
}

/// What a question is to the questions before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// It was asked before, under this number.
    Known(u64),
    /// It is new. The one of this number was asked under its name in an earlier run.
    New(Option<u64>),
    /// This run has asked something else under the same name.
    Taken,
}

impl Questions {
    pub(crate) fn new() -> Questions {
        Questions {
            all: BTreeMap::new(),
            by_name: BTreeMap::new(),
            unnamed: 0,
            open: 0,
            bytes: 0,
            deadline: Deadline::new(Timer::Question),
        }
    }

    /// Returns the questions that were asked in all runs.
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// Returns the questions that are open.
    pub(crate) fn open(&self) -> usize {
        self.open
    }

    /// Returns the numbers of the questions that are open.
    pub(crate) fn open_numbers(&self) -> impl Iterator<Item = u64> {
        self.all.iter().filter(|(_, asked)| asked.state == QuestionState::Open).map(|(number, _)| *number)
    }

    pub(crate) fn get(&self, number: u64) -> Option<&Asked> {
        self.all.get(&number)
    }

    /// Returns the name of a question that is asked now: its key, or its place among those without one. The questions that
    /// ask for an approval are named by [`Questions::approval_name`].
    pub(crate) fn name(&self, question: &Question) -> Box<str> {
        match question.name() {
            Some(key) => alloc::format!("={key}").into(),
            None => alloc::format!("#{}", self.unnamed + 1).into(),
        }
    }

    /// Returns whether a name is the place of a question without a key.
    pub(crate) fn is_place(name: &str) -> bool {
        name.starts_with('#')
    }

    /// Returns the name of the question that asks for the approval of an operation. No key of an agent is equal to it.
    pub(crate) fn approval_name(operation: &Operation) -> Box<str> {
        let mut hasher = Sha256::new();
        hasher.update(operation.namespace().as_str());
        hasher.update([0]);
        hasher.update(operation.target());
        let mut name = String::from("!");
        for byte in hasher.finalize() {
            // Writing into a string cannot fail.
            let _infallible = write!(name, "{byte:02x}");
        }
        name.into()
    }

    /// Returns the last question of this name.
    pub(crate) fn named(&self, name: &str) -> Option<(u64, &Asked)> {
        self.by_name.get(name).and_then(|number| Some((*number, self.all.get(number)?)))
    }

    /// Returns what a question of this name is to those before it.
    pub(crate) fn place(&self, name: &str, digest: &Digest, run: u32) -> Place {
        match self.named(name) {
            Some((number, asked)) if asked.digest == *digest => Place::Known(number),
            Some((_, asked)) if asked.run == run => Place::Taken,
            Some((number, _)) => Place::New(Some(number)),
            None => Place::New(None),
        }
    }

    /// Returns the number of the next question.
    pub(crate) fn next(&self) -> u64 {
        self.all.last_key_value().map_or(1, |(number, _)| number + 1)
    }

    /// Notes that the present run asks a question that was asked before.
    pub(crate) fn ask_again(&mut self, number: u64, run: u32, named: bool) {
        self.unnamed += u64::from(!named);
        if let Some(asked) = self.all.get_mut(&number) {
            asked.run = run;
        }
    }

    /// Adds a question under the next number.
    pub(in crate::arcp::runtime::jobs) fn add(
        &mut self,
        number: u64,
        asked: Asked,
        named: bool,
        id: JobKey,
        timers: &mut Timers,
    ) {
        self.unnamed += u64::from(!named);
        self.by_name.insert(asked.name.clone(), number);
        self.bytes += asked.held();
        self.open += 1;
        self.all.insert(number, asked);
        self.arm(id, timers);
    }

    /// Begins another run, in which the questions without a key are counted anew.
    pub(crate) fn begin_run(&mut self) {
        self.unnamed = 0;
    }

    /// Returns the question whose deadline passed first, if one has by now.
    pub(crate) fn overdue(&self, now: Time) -> Option<u64> {
        let open = self.all.iter().filter(|(_, asked)| asked.state == QuestionState::Open);
        let due = open.filter_map(|(number, asked)| Some((asked.until.filter(|until| *until <= now)?, *number)));
        due.min().map(|(_, number)| number)
    }

    /// Notes that the deadline has passed.
    pub(crate) fn passed(&mut self) {
        self.deadline.passed();
    }

    /// Ends an open question with the transition of its outcome. Returns whether it was open.
    pub(in crate::arcp::runtime::jobs) fn settle(
        &mut self,
        number: u64,
        transition: impl FnOnce(&mut QuestionState) -> bool,
        outcome: Outcome,
        id: JobKey,
        timers: &mut Timers,
    ) -> bool {
        let Some(asked) = self.all.get_mut(&number) else { return false };
        if !transition(&mut asked.state) {
            return false;
        }
        self.bytes -= asked.held();
        asked.body = Box::default();
        asked.outcome = Some(outcome);
        self.bytes += asked.held();
        self.open -= 1;
        self.arm(id, timers);
        true
    }

    /// Withdraws every open question, because the job has ended.
    pub(in crate::arcp::runtime::jobs) fn end(&mut self, id: JobKey, timers: &mut Timers) {
        for asked in self.all.values_mut() {
            if asked.state.withdraw() {
                self.bytes -= asked.held();
                asked.body = Box::default();
                self.bytes += asked.held();
            }
        }
        self.open = 0;
        self.deadline.clear(id, timers);
    }

    /// Clears the deadline, because the job is left to the next start.
    pub(in crate::arcp::runtime::jobs) fn leave(&mut self, id: JobKey, timers: &mut Timers) {
        self.deadline.clear(id, timers);
    }

    fn arm(&mut self, id: JobKey, timers: &mut Timers) {
        let open = self.all.values().filter(|asked| asked.state == QuestionState::Open);
        let next = open.filter_map(|asked| asked.until).min();
        if next == self.deadline.at() {
            return;
        }
        match next {
            Some(at) => self.deadline.set(at, id, timers),
            None => self.deadline.clear(id, timers),
        }
    }

    pub(crate) fn held(&self) -> usize {
        self.bytes
    }
}

impl Asked {
    /// Creates an open question. `body` is that of its event.
    pub(crate) fn new(name: Box<str>, digest: Digest, run: u32, until: Option<Time>, body: &str) -> Asked {
        Asked { name, digest, run, until, state: QuestionState::Open, body: body.into(), outcome: None }
    }

    pub(crate) fn state(&self) -> QuestionState {
        self.state
    }

    /// Whether it asks for the approval of an operation.
    pub(crate) fn is_approval(&self) -> bool {
        self.name.starts_with('!')
    }

    /// Its body as in its event, while it is open.
    pub(crate) fn body(&self) -> &str {
        &self.body
    }

    /// How it has ended, unless its job has ended before.
    pub(crate) fn outcome(&self) -> Option<&Outcome> {
        self.outcome.as_ref()
    }

    fn held(&self) -> usize {
        let answer =
            self.outcome.as_ref().and_then(Outcome::answer).map_or(0, crate::arcp::wire::question::Answer::held);
        self.name.len() * 2 + self.body.len() + answer + ENTRY_BYTES
    }
}
