//! Authority: budgets of families, expiry and patterns (core/docs/arcp.md §9).

use std::collections::BTreeMap;

use nuncio_core::arcp::{JobUlid, ReservationId};
use nuncio_core::time::Time;
use serde_json::{Value, json};

use super::super::lease::{Cents, Counter, OPERATIONS, amounts, covers};
use super::{Ending, Entry, Model, rules};

impl Model {
    /// Returns a job and its ancestors, the nearest first.
    fn ancestry(&self, id: JobUlid) -> impl Iterator<Item = JobUlid> {
        std::iter::successors(Some(id), |at| self.jobs[at].parent)
    }

    /// Returns the job whose counter pays for a job's costs in a currency: the job itself, or the nearest ancestor that
    /// has the currency (ours).
    pub(super) fn payer(&self, id: JobUlid, currency: &str) -> Option<JobUlid> {
        self.ancestry(id).find(|at| self.jobs[at].budget.as_ref().is_some_and(|budget| budget.contains_key(currency)))
    }

    /// Returns the remaining amounts that a job reports, by currency: those of the nearest budget, or none.
    pub(in super::super) fn remaining(&self, id: JobUlid) -> BTreeMap<String, Cents> {
        let budget = self.ancestry(id).find_map(|at| self.jobs[&at].budget.as_ref());
        budget.into_iter().flatten().map(|(currency, counter)| (currency.clone(), counter.remaining())).collect()
    }

    /// Returns whether an amount can be reserved: no budget of the family has the currency, or as much remains.
    pub(in super::super) fn can_reserve(&self, id: JobUlid, currency: &str, cents: Cents) -> bool {
        let payer = self.payer(id, currency).and_then(|payer| self.jobs[&payer].budget.as_ref());
        payer.is_none_or(|budget| cents <= budget[currency].remaining())
    }

    pub(in super::super) fn reserved(&mut self, id: JobUlid, number: ReservationId, currency: &str, cents: Cents) {
        self.job_mut(id).reservations.insert(number, (currency.to_owned(), cents));
        self.hold(id, currency, cents);
    }

    /// The oldest open reservation of a job.
    pub(in super::super) fn oldest_reservation(&self, id: JobUlid) -> Option<(ReservationId, String, Cents)> {
        let (number, (currency, cents)) = self.jobs.get(&id)?.reservations.first_key_value()?;
        Some((*number, currency.clone(), *cents))
    }

    pub(in super::super) fn released(&mut self, id: JobUlid, number: ReservationId) {
        if let Some((currency, cents)) = self.job_mut(id).reservations.remove(&number) {
            self.hold(id, &currency, -cents);
        }
    }

    /// An ended job holds nothing any more.
    pub(super) fn release_all(&mut self, id: JobUlid) {
        let open: Vec<ReservationId> = self.jobs[&id].reservations.keys().copied().collect();
        for number in open {
            self.released(id, number);
        }
    }

    fn hold(&mut self, id: JobUlid, currency: &str, cents: Cents) {
        let budget = self.payer(id, currency).and_then(|payer| self.job_mut(payer).budget.as_mut());
        if let Some(counter) = budget.and_then(|budget| budget.get_mut(currency)) {
            counter.reserved += cents;
        }
    }

    /// An agent emitted a cost (§9.6).
    pub(in super::super) fn cost_emitted(&mut self, id: JobUlid, currency: &str, cents: Cents, body: Value) {
        self.append(id, Entry::event("metric", body));
        let Some(payer) = self.payer(id, currency) else { return };
        let counter = self.job_mut(payer).budget.as_mut().and_then(|budget| budget.get_mut(currency));
        if let Some(counter) = counter {
            counter.spent += cents;
            let left = counter.remaining();
            self.append(id, Entry::remaining(currency, left, false));
        }
    }

    pub(super) fn set_aside(&mut self, parent: JobUlid, budget: &BTreeMap<String, Counter>) {
        let mut parents = self.job_mut(parent).budget.as_mut();
        for (currency, child) in budget {
            let counter = parents.as_mut().and_then(|budget| budget.get_mut(currency));
            rules::no_child_exceeds_its_parents_budget(child.granted, counter.as_deref(), currency);
            if let Some(counter) = counter {
                counter.set_aside += child.granted;
            }
        }
    }

    /// An ended job returns what is left of its amounts to its parent.
    pub(super) fn leave_family(&mut self, id: JobUlid) {
        let job = &self.jobs[&id];
        let (Some(parent), Some(budget)) = (job.parent, job.budget.clone()) else { return };
        if let Some(ours) = &mut self.job_mut(parent).budget {
            for (currency, child) in budget {
                let counter = ours.get_mut(&currency).expect("the child's amounts were set aside from its parent's");
                counter.set_aside -= child.granted;
                counter.spent += child.granted - child.remaining();
            }
        }
        self.show_remaining(parent);
    }

    /// Predicts one `cost.budget.remaining` per currency; a full log may omit them.
    pub(super) fn show_remaining(&mut self, id: JobUlid) {
        if self.runs(id) && self.jobs[&id].budget.is_some() {
            for (currency, left) in self.remaining(id) {
                self.append(id, Entry::remaining(&currency, left, true));
            }
        }
    }

    /// Predicts the answer to an operation; the checks are made in the order expiry, pattern, budget (§9.3), and then what
    /// people have decided (ours).
    pub(in super::super) fn authority(
        &self,
        id: JobUlid,
        namespace: &str,
        target: &str,
        now: Time,
    ) -> Result<(), &'static str> {
        let job = &self.jobs[&id];
        if job.over.is_some_and(|at| now >= at) {
            return Err("LEASE_EXPIRED");
        }
        if !covers(&job.lease, namespace, target) {
            return Err("PERMISSION_DENIED");
        }
        let mut left: BTreeMap<&String, Cents> = BTreeMap::new();
        for (currency, counter) in self.ancestry(id).filter_map(|at| self.jobs[&at].budget.as_ref()).flatten() {
            left.entry(currency).or_insert(counter.remaining());
        }
        let own = |currency: &str| -> Cents {
            let all = job.reservations.values().filter(|(other, _)| other == currency);
            all.map(|(_, cents)| cents).sum()
        };
        if namespace != "model.use" && left.iter().any(|(currency, left)| left + own(currency) <= 0) {
            return Err("BUDGET_EXHAUSTED");
        }
        self.approval(id, namespace, target)
    }

    /// Returns whether a child's lease would allow what its parent's does not (§9.4).
    pub(in super::super) fn expands(&self, parent: JobUlid, lease: &Value) -> bool {
        let ours = &self.jobs[&parent].lease;
        let more =
            |(namespace, target): &(&str, &str)| covers(lease, namespace, target) && !covers(ours, namespace, target);
        let left = self.jobs[&parent].budget.as_ref();
        let too_much = amounts(lease).is_some_and(|list| {
            list.iter().any(|(currency, cents)| {
                left.and_then(|budget| budget.get(currency)).is_none_or(|counter| *cents > counter.remaining())
            })
        });
        OPERATIONS.iter().any(more) || too_much
    }

    /// Compares what each job has set aside with the amounts of its children (§9.6).
    pub(in super::super) fn check_budgets(&self) {
        for (id, job) in &self.jobs {
            for (currency, counter) in job.budget.iter().flatten() {
                let set_aside: Cents = self
                    .children(*id)
                    .iter()
                    .filter_map(|child| self.jobs[child].budget.as_ref()?.get(currency))
                    .map(|child| child.granted)
                    .sum();
                rules::budgets_are_conserved(job, currency, counter.set_aside, set_aside);
            }
        }
    }

    /// An agent wrote a chunk of the streamed result (§8.4).
    pub(in super::super) fn chunk_written(&mut self, id: JobUlid, data: &str, last: bool) {
        let streams = self.jobs[&id].features.contains("result_chunk");
        let job = self.job_mut(id);
        job.bytes += data.len() as u64;
        if !streams {
            job.collected.push_str(data);
            job.chunks += 1;
            return;
        }
        let seq = job.chunks;
        job.chunks += 1;
        job.closed_stream = last;
        self.append(id, Entry::Chunk { seq, data: data.to_owned(), more: !last });
    }

    /// An agent ended with its streamed result, which is `null` without chunks.
    pub(in super::super) fn stream_finished(&mut self, id: JobUlid) {
        let job = &self.jobs[&id];
        let streams = job.features.contains("result_chunk");
        let (chunks, bytes, collected, open) = (job.chunks, job.bytes, job.collected.clone(), !job.closed_stream);
        // A cancelled job and one with an expired lease get no final chunk, only their terminal.
        let ends_well = job.state == super::State::Running && !job.doomed;
        if streams && chunks > 0 && open && ends_well {
            self.append(id, Entry::Chunk { seq: chunks, data: String::new(), more: false });
        }
        let ending = match (chunks, streams) {
            (0, _) => Ending::Value(Value::Null),
            (_, true) => Ending::Streamed(bytes),
            (_, false) => Ending::Value(json!(collected)),
        };
        self.returned(id, ending);
    }
}

impl super::Job {
    pub(in super::super) fn has_streamed(&self) -> bool {
        self.chunks > 0
    }
}
