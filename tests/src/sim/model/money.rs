//! Authority: budgets of families, expiry, patterns (core/docs/arcp.md §9).

use std::collections::BTreeMap;

use nuncio_core::arcp::JobUlid;
use nuncio_core::time::Time;
use serde_json::{Value, json};

use super::super::lease::{Cents, Counter, OPERATIONS, amounts, covers};
use super::{Ending, Entry, Model};

impl Model {
    /// A job and those above it.
    fn line(&self, id: JobUlid) -> impl Iterator<Item = JobUlid> {
        std::iter::successors(Some(id), |at| self.jobs[at].parent)
    }

    /// The job whose counter a job spends a currency from: itself, or the nearest above that has it (ours).
    pub(super) fn purse(&self, id: JobUlid, currency: &str) -> Option<JobUlid> {
        self.line(id).find(|at| self.jobs[at].budget.as_ref().is_some_and(|budget| budget.contains_key(currency)))
    }

    /// What a job shows to be left, by currency, of the nearest budget; nothing where there is none.
    pub(in super::super) fn remaining(&self, id: JobUlid) -> BTreeMap<String, Cents> {
        let budget = self.line(id).find_map(|at| self.jobs[&at].budget.as_ref());
        budget.into_iter().flatten().map(|(currency, counter)| (currency.clone(), counter.remaining())).collect()
    }

    /// A cost was emitted (§9.6).
    pub(in super::super) fn spent(&mut self, id: JobUlid, currency: &str, cents: Cents, body: Value) {
        self.append(id, Entry::event("metric", body));
        let Some(purse) = self.purse(id, currency) else { return };
        let counter = self.job_mut(purse).budget.as_mut().and_then(|budget| budget.get_mut(currency));
        if let Some(counter) = counter {
            counter.spent += cents;
            let left = counter.remaining();
            self.append(id, Entry::remaining(currency, left, false));
        }
    }

    pub(super) fn set_aside(&mut self, parent: JobUlid, budget: &BTreeMap<String, Counter>) {
        let above = self.job_mut(parent);
        let ours = above.budget.as_mut();
        let ours = ours.unwrap_or_else(|| panic!("§9.4 no_expansion: a child has a budget, its parent none"));
        for (currency, child) in budget {
            let counter = ours.get_mut(currency);
            let counter = counter.unwrap_or_else(|| panic!("§9.4 no_expansion: the parent has no {currency}"));
            let left = counter.remaining();
            assert!(child.granted <= left, "§9.4 budget_conserved: {} of {left} set aside", child.granted);
            counter.aside += child.granted;
        }
    }

    /// What a child has left returns to its parent.
    pub(super) fn leave_family(&mut self, id: JobUlid) {
        let job = &self.jobs[&id];
        let (Some(parent), Some(budget)) = (job.parent, job.budget.clone()) else { return };
        if let Some(ours) = &mut self.job_mut(parent).budget {
            for (currency, child) in budget {
                let counter = ours.get_mut(&currency).expect("it was set aside from there");
                counter.aside -= child.granted;
                counter.spent += child.granted - child.remaining();
            }
        }
        self.show_remaining(parent);
    }

    /// One event per currency, where there is room for it.
    pub(super) fn show_remaining(&mut self, id: JobUlid) {
        if self.runs(id) && self.jobs[&id].budget.is_some() {
            for (currency, left) in self.remaining(id) {
                self.append(id, Entry::remaining(&currency, left, true));
            }
        }
    }

    /// The answer to an operation: expired, pattern, budget, in this order (§9.3).
    pub(in super::super) fn authority(
        &self,
        id: JobUlid,
        namespace: &str,
        target: &str,
        now: Time,
    ) -> Result<(), &'static str> {
        let job = &self.jobs[&id];
        if job.expires_at.is_some_and(|at| now >= at) {
            return Err("LEASE_EXPIRED");
        }
        if !covers(&job.lease, namespace, target) {
            return Err("PERMISSION_DENIED");
        }
        let mut left: BTreeMap<&String, Cents> = BTreeMap::new();
        for (currency, counter) in self.line(id).filter_map(|at| self.jobs[&at].budget.as_ref()).flatten() {
            left.entry(currency).or_insert(counter.remaining());
        }
        if namespace != "model.use" && left.values().any(|left| *left <= 0) {
            return Err("BUDGET_EXHAUSTED");
        }
        Ok(())
    }

    /// Whether a child's lease lets it do something that its parent may not (§9.4).
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

    /// No family has spent more than its root was granted, but for what is on the counters (§9.6).
    pub(in super::super) fn conserved(&self) {
        for (id, job) in &self.jobs {
            for (currency, counter) in job.budget.iter().flatten() {
                let set_aside: Cents = self
                    .children(*id)
                    .iter()
                    .filter_map(|child| self.jobs[child].budget.as_ref()?.get(currency))
                    .map(|child| child.granted)
                    .sum();
                assert_eq!(counter.aside, set_aside, "§9.6 budget_conserved: {} {currency}", job.id);
            }
        }
    }

    /// A piece of the streamed result was taken (§8.4).
    pub(in super::super) fn wrote(&mut self, id: JobUlid, data: &str, last: bool) {
        let streams = self.jobs[&id].features.contains("result_chunk");
        let job = self.job_mut(id);
        job.bytes += data.len() as u64;
        if !streams {
            job.gathered.push_str(data);
            job.chunks += 1;
            return;
        }
        let seq = job.chunks;
        job.chunks += 1;
        job.closed_stream = last;
        self.append(id, Entry::Chunk { seq, data: data.to_owned(), more: !last });
    }

    /// The agent returned what it has streamed; without a stream that is `null`.
    pub(in super::super) fn finished_stream(&mut self, id: JobUlid) {
        let job = &self.jobs[&id];
        let streams = job.features.contains("result_chunk");
        let (chunks, bytes, gathered, open) = (job.chunks, job.bytes, job.gathered.clone(), !job.closed_stream);
        // Nothing follows a cancel or an expiry but their own terminals.
        let ends_well = job.state == super::State::Running && !job.doomed;
        if streams && chunks > 0 && open && ends_well {
            self.append(id, Entry::Chunk { seq: chunks, data: String::new(), more: false });
        }
        let ending = match (chunks, streams) {
            (0, _) => Ending::Value(Value::Null),
            (_, true) => Ending::Streamed(bytes),
            (_, false) => Ending::Value(json!(gathered)),
        };
        self.returned(id, ending);
    }
}

impl super::Job {
    pub(in super::super) fn has_streamed(&self) -> bool {
        self.chunks > 0
    }
}
