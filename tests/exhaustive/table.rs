//! The tables of transitions that the states of the machines are held to, and the ways of a walk through them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A state machine: of a job of CAP at its router and its worker, of a job of ARCP, and of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Machine {
    Router,
    Worker,
    Job,
    Question,
}

/// Two states that were seen one after the other.
pub(crate) type Move = (Machine, String, String);

/// The transitions of a machine: from each state, by name, to another.
#[derive(Debug)]
struct Table(BTreeMap<&'static str, Vec<(&'static str, &'static str)>>);

impl Machine {
    /// Returns the number of states.
    fn states(self) -> usize {
        match self {
            Machine::Router => 15,
            Machine::Worker => 7,
            Machine::Job => 10,
            Machine::Question => 5,
        }
    }

    /// Returns the table that the transitions print, as the tests of core keep it.
    fn table(self) -> Table {
        let text = match self {
            Machine::Router => include_str!(
                "../../core/src/cap/router/job/snapshots/nuncio_core__cap__router__job__state__tests__router_job.snap"
            ),
            Machine::Worker => include_str!(
                "../../core/src/cap/worker/job/snapshots/nuncio_core__cap__worker__job__state__tests__worker_job.snap"
            ),
            Machine::Job => include_str!(
                "../../core/src/arcp/runtime/jobs/snapshots/nuncio_core__arcp__runtime__jobs__state__tests__s7_3_job.snap"
            ),
            Machine::Question => include_str!(
                "../../core/src/arcp/runtime/jobs/questions/snapshots/nuncio_core__arcp__runtime__jobs__questions__state__tests__ours_question.snap"
            ),
        };
        let mut transitions: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
        for line in text.lines() {
            let Some((left, to)) = line.split_once("->") else { continue };
            let words: Vec<&str> = left.split_whitespace().chain(to.split_whitespace()).collect();
            if let [from, name, to] = words[..] {
                let of_state = transitions.entry(from).or_default();
                if to != "-" {
                    of_state.push((name, to));
                }
            }
        }
        assert_eq!(transitions.len(), self.states(), "the table of {self:?} has states");
        Table(transitions)
    }
}

impl Table {
    /// Returns the shortest way from a state to another, as the names of its transitions.
    fn way(&self, from: &str, to: &str) -> Option<Vec<&'static str>> {
        let mut seen = BTreeSet::from([from]);
        let mut open = VecDeque::from([(from, Vec::new())]);
        while let Some((state, way)) = open.pop_front() {
            for (name, next) in self.0.get(state)? {
                let way = [&way[..], &[*name]].concat();
                if *next == to {
                    return Some(way);
                }
                if seen.insert(next) {
                    open.push_back((next, way));
                }
            }
        }
        None
    }
}

/// Prints moves with the transitions that lead from state to state, each of which is in the table of its machine. Returns the
/// transitions that were taken, by machine.
pub(crate) fn ways(moves: &BTreeSet<Move>) -> BTreeMap<Machine, BTreeSet<&'static str>> {
    let mut taken: BTreeMap<Machine, BTreeSet<&'static str>> = BTreeMap::new();
    for (machine, from, to) in moves {
        let way = machine.table().way(from, to);
        let way = way.unwrap_or_else(|| panic!("spec/07: no transition of {machine:?} leads from {from} to {to}"));
        println!("{:<8}{from:<12} -> {to:<12} by {}", format!("{machine:?}"), way.join(", "));
        taken.entry(*machine).or_default().extend(way);
    }
    taken
}

#[test]
fn a_move_that_is_not_in_the_table_is_found() {
    let table = Machine::Router.table();
    assert_eq!(table.way("Pending", "Dispatched"), Some(vec!["schedule", "dispatch"]));
    assert_eq!(table.way("Succeeded", "Running"), None);
    assert_eq!(Machine::Worker.table().way("Running", "Queued"), None);
}
