//! Agents: they emit, spend, authorize, delegate, stream, rotate, return and fail, and may continue after they were
//! asked to stop.

use nuncio_core::arcp::{Body, Chunk, Delegate, Denied, JobFailure, JobKey, JobResult, Number, Refused, Secret};
use nuncio_core::budget::Amount;
use nuncio_core::lease::Operation;
use serde_json::{Value, json};

use super::Sim;
use super::lease::{self, OPERATIONS};
use super::model::{Ending, Entry, NEEDS_APPROVAL, Source, rules};
use crate::seeded::Draw;
use crate::seeded::note;
use crate::world::json_text;

impl Sim {
    /// Lets one agent act once.
    pub(super) fn act_agent(&mut self, draw: &mut Draw<'_, '_>) {
        self.act_on_decisions();
        let Some(job) = draw.pick(&self.host.running).copied() else { return };
        if self.host.blocked.contains(&job) && draw.chance(70) {
            return;
        }
        if self.host.stopping.contains(&job) && !draw.chance(self.params.stubborn) {
            self.finish(job, false);
            return;
        }
        let approvals = if self.params.has_marks() { 14 } else { 0 };
        match draw.weighted(&[30, 10, 14, 8, 16, 14, 14, 3, 8, 4, 4, 10, 8, 14, approvals]) {
            0 => {
                let text = ["a", "b\n", "ä\"", ""][draw.below(4)];
                self.emit(job, &Body::log("info", text, None), "log", json!({"level": "info", "message": text}));
            }
            1 => {
                let current = Number::from(draw.between(0, 3));
                let number: Value = serde_json::from_str(current.as_str()).expect("a number");
                let body = Body::progress(&current, None, None, None).expect("a progress");
                self.emit(job, &body, "progress", json!({"current": number}));
            }
            2 => self.spend(job, draw),
            3 => {
                let result = json_text("{\"ok\":1}");
                let body = Body::tool_result("c1", &result);
                self.emit(job, &body, "tool_result", json!({"call_id": "c1", "result": {"ok": 1}}));
            }
            4 => self.authorize(job, draw),
            5 => self.delegate(job, draw),
            6 => self.stream(job, draw),
            7 => self.rotate(job),
            8 => self.finish(job, false),
            9 => self.finish(job, true),
            10 => self.fail(job, draw),
            11 => self.reserve(job, draw),
            12 => self.settle(job, draw),
            13 => self.ask(job, draw),
            _ => self.approve(job, draw),
        }
        self.drain();
    }

    /// Compares the runtime's answer to a command with the model; returns whether the command was carried out.
    pub(super) fn carried_out(&mut self, job: JobKey, answer: &Result<(), Refused>) -> bool {
        let id = self.ulid(job);
        note(|| format!("  agent of {job:?} gets {answer:?}"));
        match answer {
            Ok(()) => {
                let runs = self.model.job(id).is_none() || self.model.runs(id);
                rules::only_running_jobs_act(id, runs);
                self.model.job(id).is_some()
            }
            Err(Refused::Blocked) => {
                self.count("blocked");
                let small = self.params.log_events < 1_000 || self.params.store_window < 1_000;
                rules::agents_wait_only_for_room(id, small);
                self.host.blocked.insert(job);
                false
            }
            Err(refused) => {
                rules::no_running_job_is_refused(id, self.model.runs(id), refused);
                false
            }
        }
    }

    fn emit(&mut self, job: JobKey, body: &Body, kind: &str, value: Value) {
        let id = self.ulid(job);
        let answer = self.runtime.emit(self.now, job, body);
        if self.carried_out(job, &answer) {
            let result = kind == "tool_result";
            self.model.append(id, Entry::event(kind, value));
            self.count(if result { "tool_result" } else { "emitted" });
        }
    }

    fn spend(&mut self, job: JobKey, draw: &mut Draw<'_, '_>) {
        let id = self.ulid(job);
        let quarters = draw.one(&[1_i64, 1, 2, 0, 9]);
        let unit = draw.one(&["USD", "USD", "EUR"]);
        let value = Number::parse(&format!("{}.{:02}", quarters / 4, quarters % 4 * 25)).expect("a number");
        let number: Value = serde_json::from_str(value.as_str()).expect("a number");
        let body = Body::metric("cost.inference", &value, Some(unit), None).expect("a metric");
        let answer = self.runtime.emit(self.now, job, &body);
        if self.carried_out(job, &answer) {
            let value = json!({"name": "cost.inference", "value": number, "unit": unit});
            self.model.cost_emitted(id, unit, quarters * 25, value);
            self.count("spent");
        }
    }

    fn reserve(&mut self, job: JobKey, draw: &mut Draw<'_, '_>) {
        let id = self.ulid(job);
        let quarters = draw.one(&[1_i64, 1, 2, 9]);
        let unit = draw.one(&["USD", "USD", "EUR"]);
        let amount = Amount::from_json_number(&format!("{}e-2", quarters * 25)).expect("an amount");
        let operation = draw.chance(50).then(|| draw.one(&OPERATIONS));
        let answer = match operation {
            Some((namespace, target)) => {
                let operation = Operation::new(namespace, target).expect("a good target");
                self.runtime.authorize_reserving(self.now, job, &operation, unit, amount)
            }
            None => self.runtime.reserve(self.now, job, unit, amount),
        };
        note(|| format!("  agent of {job:?} reserves {amount} {unit} for {operation:?}: {answer:?}"));
        if self.model.job(id).is_none() {
            return;
        }
        let code = match &answer {
            Ok(_) => Ok(()),
            Err(Denied::Fault(fault)) => Err(fault.code.as_str()),
            Err(Denied::NeedsApproval(_)) => Err(NEEDS_APPROVAL),
            Err(denied) => {
                rules::no_running_job_is_refused(id, self.model.runs(id), denied);
                return;
            }
        };
        rules::only_running_jobs_act(id, self.model.runs(id));
        let allowed =
            operation.map_or(Ok(()), |(namespace, target)| self.model.authority(id, namespace, target, self.now));
        if let (Ok(_), Some(operation)) = (&answer, operation) {
            self.only_approved_operations_are_done(id, operation);
        }
        let enough = if self.model.can_reserve(id, unit, quarters * 25) { Ok(()) } else { Err("BUDGET_EXHAUSTED") };
        rules::authority_follows_the_lease(&format!("reserve {amount} {unit}"), code, allowed.and(enough));
        if code == Err("LEASE_EXPIRED") {
            self.model.doom(id);
        }
        if let Ok(number) = answer {
            self.model.reserved(id, number, unit, quarters * 25);
            self.count("reserved");
        }
    }

    /// Settles the oldest reservation with its amount or less, or releases it.
    fn settle(&mut self, job: JobKey, draw: &mut Draw<'_, '_>) {
        let id = self.ulid(job);
        let Some((number, unit, reserved)) = self.model.oldest_reservation(id) else { return };
        if draw.chance(30) {
            let answer = self.runtime.release(self.now, job, number);
            rules::an_open_reservation_is_held(id, answer.is_ok());
            self.model.released(id, number);
            self.count("released");
            return;
        }
        let cents = if draw.chance(50) { reserved } else { 25 };
        let value = Number::parse(&format!("{}.{:02}", cents / 100, cents % 100)).expect("a number");
        let json: Value = serde_json::from_str(value.as_str()).expect("a number");
        let body = Body::metric("cost.inference", &value, Some(&unit), None).expect("a metric");
        let answer = self.runtime.settle(self.now, job, number, &body);
        if self.carried_out(job, &answer) {
            self.model.released(id, number);
            let value = json!({"name": "cost.inference", "value": json, "unit": unit});
            self.model.cost_emitted(id, &unit, cents, value);
            self.count("settled");
        }
    }

    fn authorize(&mut self, job: JobKey, draw: &mut Draw<'_, '_>) {
        let operation = draw.one(&OPERATIONS);
        if self.try_operation(job, operation) && draw.chance(60) {
            self.ask_approval(job, operation);
        }
    }

    fn delegate(&mut self, job: JobKey, draw: &mut Draw<'_, '_>) {
        let id = self.ulid(job);
        let agent = draw.one(&["echo", "narrow", "echo"]);
        let delegate_id = format!("d{}", draw.below(6));
        let modelled = self.model.job(id);
        // The parent's own lease without its budget is a subset, and so is an empty lease.
        let lease = match (draw.below(3), modelled) {
            (0, Some(parent)) => {
                let mut lease = parent.lease.clone();
                if let Some(lease) = lease.as_object_mut() {
                    lease.remove("cost.budget");
                }
                lease
            }
            (1, _) => lease::draw(draw, true, true),
            _ => json!({}),
        };
        let text = json_text(&lease.to_string());
        let request = Delegate {
            delegate_id: Some(delegate_id.as_str().into()),
            agent: agent.into(),
            input: None,
            lease_request: Some(&text),
            lease_constraints: None,
        };
        let predicted = modelled.map(|_| self.model.authority(id, "agent.delegate", agent, self.now));
        let expands = modelled.is_some() && self.model.expands(id, &lease);
        let answer = self.runtime.delegate(self.now, job, &request);
        note(|| format!("  agent of {job:?} delegates {delegate_id} to {agent} with {lease}: {answer:?}"));
        let Some(predicted) = predicted else { return };
        let carried = match &answer {
            Ok(_) | Err(Denied::Fault(_)) => Ok(()),
            Err(Denied::Blocked) => Err(Refused::Blocked),
            Err(Denied::NotRunning) => Err(Refused::NotRunning),
            Err(Denied::NeedsApproval(_)) => {
                rules::authority_follows_the_lease("agent.delegate", Err(NEEDS_APPROVAL), predicted);
                self.count("delegation needs an approval");
                if draw.chance(60) {
                    self.ask_approval(job, ("agent.delegate", agent));
                }
                return;
            }
        };
        if !self.carried_out(job, &carried) {
            return;
        }
        let body = json!({"delegate_id": delegate_id, "agent": agent, "lease_request": lease});
        self.model.append(id, Entry::event("delegate", body));
        match answer {
            Ok(_) => {
                self.only_approved_operations_are_done(id, ("agent.delegate", agent));
                rules::no_child_lease_expands(expands, &lease);
                rules::authority_follows_the_lease("agent.delegate", Ok(()), predicted);
                self.count("delegated");
                let agent = agent.to_owned();
                self.model.request(Source::Child { parent: id, delegate_id, agent, lease, expires_at: None });
            }
            Err(Denied::Fault(fault)) => {
                let code = fault.code.as_str();
                self.count("delegation refused");
                // A repeated delegation id and a stalled journal are refused before the other checks.
                let used = code == "INVALID_REQUEST" || self.disk.paused;
                if predicted.is_err() && !used {
                    rules::authority_follows_the_lease("agent.delegate", Err(code), predicted);
                    self.check_refusal(id, ("agent.delegate", agent), &fault);
                }
                if code == "LEASE_EXPIRED" {
                    self.model.doom(id);
                }
                self.model.append(id, Entry::Refused { call: delegate_id, code: code.to_owned() });
            }
            Err(Denied::Blocked | Denied::NotRunning | Denied::NeedsApproval(_)) => {}
        }
    }

    fn stream(&mut self, job: JobKey, draw: &mut Draw<'_, '_>) {
        let id = self.ulid(job);
        let closed = self.model.job(id).is_some_and(|job| job.closed_stream);
        if closed {
            return;
        }
        let text = ["piece", "a longer piece of the result", "ü"][draw.below(3)];
        let last = draw.chance(15);
        match self.runtime.write_chunk(self.now, job, Chunk::Text(text), last) {
            Ok(taken) => {
                if self.carried_out(job, &Ok(())) {
                    let last = last && taken == text.len();
                    self.model.chunk_written(id, &text[..taken], last);
                    self.count("streamed");
                }
            }
            Err(refused) => {
                self.carried_out(job, &Err(refused));
            }
        }
    }

    fn rotate(&mut self, job: JobKey) {
        let id = self.ulid(job);
        let has = self.runtime.job(job).is_some_and(|view| !view.credentials.is_empty());
        if !has {
            return;
        }
        let value = self.secret(job);
        let answer = self.runtime.rotate(self.now, job, "cred_1", Secret::new(value.as_str()));
        if answer.is_err() {
            self.host.minted.remove(&value);
        }
        if self.carried_out(job, &answer) {
            self.count("rotated");
            self.model.append(id, Entry::Rotated("cred_1".to_owned()));
        }
    }

    /// Ends a job with a value or with what was streamed.
    pub(super) fn finish(&mut self, job: JobKey, streamed: bool) {
        let id = self.ulid(job);
        let value = json_text("{\"done\":true}");
        let result = if streamed { JobResult::Streamed { summary: None } } else { JobResult::Inline(&value) };
        // An agent that has written chunks returns its stream: an inline result would be its own fault.
        let wrote = self.model.job(id).is_some_and(super::model::Job::has_streamed);
        let result = if wrote { JobResult::Streamed { summary: None } } else { result };
        let inline = matches!(result, JobResult::Inline(_));
        let answer = self.runtime.finish(self.now, job, result);
        if self.carried_out(job, &answer) {
            if inline {
                self.model.returned(id, Ending::Value(json!({"done": true})));
            } else {
                self.model.stream_finished(id);
            }
        }
        self.drain();
    }

    fn fail(&mut self, job: JobKey, draw: &mut Draw<'_, '_>) {
        let id = self.ulid(job);
        let (code, shown) = draw.one(&[("PERMISSION_DENIED", "PERMISSION_DENIED"), ("MY_OWN", "INTERNAL_ERROR")]);
        let failure = JobFailure { code: code.to_owned(), message: "it failed".to_owned(), details: None };
        let answer = self.runtime.fail(self.now, job, failure);
        if self.carried_out(job, &answer) {
            let ending = Ending::Fault { status: "error".to_owned(), code: shown.to_owned() };
            self.model.returned(id, ending);
        }
    }
}
