//! What a job needs to be run after a restart: its request, the runs so far, and its agent's note.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::time::Duration;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::Job;
use crate::arcp::runtime::host::JobKey;
use crate::arcp::runtime::jobs::runs::Unfinished;
use crate::arcp::runtime::record::{Begun, JobInput};
use crate::arcp::runtime::timers::Timers;
use crate::json::on_one_line;
use crate::time::Time;

impl Job {
    /// Bytes of its input and extensions.
    pub(crate) fn input_len(&self) -> usize {
        let len = |raw: Option<&RawValue>| raw.map_or(0, |raw| raw.get().len());
        len(self.input.as_deref()) + len(self.extensions.as_deref())
    }

    /// Returns its request for the journal, unless it is on record.
    pub(crate) fn take_request(&mut self) -> Option<JobInput> {
        let text = |raw: Option<&RawValue>| raw.map(|raw| Box::from(on_one_line(raw.get())));
        (!core::mem::replace(&mut self.runs.recorded, true)).then(|| JobInput {
            job: self.accepted.id,
            input: text(self.input.as_deref()),
            extensions: text(self.extensions.as_deref()),
            max_runtime_secs: self.max_runtime_secs,
        })
    }

    /// Restores its request. Returns `None` if the job has ended or its text is not JSON.
    pub(crate) fn restore_request(&mut self, request: JobInput) -> Option<()> {
        let json = |text: Option<Box<str>>| text.map(|text| RawValue::from_string(text.into())).transpose().ok();
        if self.terminal.is_some() {
            return None;
        }
        (self.input, self.extensions) = (json(request.input)?.map(Arc::from), json(request.extensions)?);
        self.max_runtime_secs = request.max_runtime_secs;
        self.runs.recorded = true;
        Some(())
    }

    /// Returns the run that has just begun, if it can be repeated: its request is on record.
    pub(crate) fn repeatable_run(&self) -> Option<Begun> {
        let since = self.runs.since.filter(|_| self.runs.recorded)?;
        Some(Begun { since, restarts: self.runs.restarts })
    }

    /// Restores an event that begins a run.
    pub(crate) fn restore_run(&mut self, begun: Begun) {
        self.runs.since = Some(begun.since);
        self.runs.restarts = begun.restarts;
        self.begin_repeatable();
    }

    /// Notes that a run that may be repeated is on record.
    pub(crate) fn begin_repeatable(&mut self) {
        self.runs.repeatable = true;
    }

    /// Notes that a part of its result is on record.
    pub(crate) fn note_chunk(&mut self) {
        self.runs.streamed = true;
    }

    /// Leaves it to the next start of the runtime. Returns whether it was left: it had not ended, was not about to,
    /// and was not cancelled.
    pub(in crate::arcp::runtime::jobs) fn leave(&mut self, id: JobKey, timers: &mut Timers) -> bool {
        if self.is_ending() || !self.state.leave() {
            return false;
        }
        self.end_deadlines(id, timers);
        self.blocked = false;
        self.output.end();
        true
    }

    /// Whether it goes on after a restart, if its agent does.
    pub(crate) fn unfinished(&self) -> Unfinished {
        let runs = &self.runs;
        match (runs.recorded, self.history.end() > 0) {
            (true, false) => Unfinished::Waiting,
            // Its request may have left the journal already.
            (_, true) if runs.repeatable && runs.streamed => Unfinished::Streaming,
            (true, true) if runs.repeatable => Unfinished::Repeatable,
            (true, true) | (false, _) => Unfinished::Lost,
        }
    }

    /// Notes that it waits for a slot of its agent from now on.
    pub(crate) fn wait(&mut self, now: Time) {
        self.runs.wait(now);
    }

    /// Returns how long it has waited for a slot, or once it has one, has run; `None` if it has not since the last restart.
    pub(crate) fn in_phase(&self, now: Time) -> Option<Duration> {
        self.runs.in_phase(now)
    }

    /// Notes that the restart has interrupted its run. The names of its delegations are free again, because the jobs below
    /// it have ended.
    pub(crate) fn interrupt(&mut self) {
        self.runs.restarts = self.runs.restarts.saturating_add(1);
        self.delegate_ids.clear();
        self.questions.begin_run();
    }

    /// The number of runs that a restart has interrupted.
    pub(crate) fn restarts(&self) -> u32 {
        self.runs.restarts
    }

    /// Keeps a note, and returns its number.
    pub(crate) fn keep_note(&mut self, note: Bytes) -> u64 {
        self.runs.note = Some(note);
        self.runs.notes += 1;
        self.runs.notes
    }

    /// The last note that an agent has left.
    pub(crate) fn note(&self) -> Option<&[u8]> {
        self.runs.note.as_deref()
    }
}
