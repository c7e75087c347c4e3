//! What the services of the demonstration have seen, to be checked at the end.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nuncio_tokio::caracal::{ActiveContext, EdgeId, Mandate};

/// A call as a service has received it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) service: &'static str,
    /// The application whose token the call has.
    pub(super) caller: String,
    pub(super) session: Option<String>,
    pub(super) edge: Option<EdgeId>,
    pub(super) parent_edge: Option<EdgeId>,
    pub(super) hop: u8,
    pub(super) trace: Option<String>,
    pub(super) is_refused: bool,
}

impl Seen {
    pub(super) fn of(service: &'static str, mandate: &Mandate, context: &ActiveContext) -> Seen {
        Seen {
            service,
            caller: mandate.application.clone(),
            session: context.session().map(ToString::to_string),
            edge: context.edge().cloned(),
            parent_edge: context.parent_edge().cloned(),
            hop: context.hop().count(),
            trace: context.trace().map(|trace| trace.id.to_string()),
            is_refused: false,
        }
    }
}

/// The calls in the order in which they were received, and short names of edges. Clones are the same ledger.
#[derive(Clone, Default)]
pub(super) struct Ledger(Arc<Mutex<Entries>>);

#[derive(Default)]
struct Entries {
    seen: Vec<Seen>,
    edges: Vec<EdgeId>,
}

impl Ledger {
    pub(super) fn add(&self, seen: Seen) {
        self.entries().seen.push(seen);
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.entries().seen.clone()
    }

    /// Returns the short name of an edge: `e1` for the first one.
    pub(super) fn name(&self, edge: &EdgeId) -> String {
        let edges = &mut self.entries().edges;
        let at = edges.iter().position(|held| held == edge).unwrap_or_else(|| {
            edges.push(edge.clone());
            edges.len() - 1
        });
        format!("e{}", at + 1)
    }

    /// Names the edge of a context and the one before it.
    pub(super) fn edges(&self, context: &ActiveContext) -> String {
        match (context.edge(), context.parent_edge()) {
            (None, _) => "no edge".to_owned(),
            (Some(edge), None) => self.name(edge),
            (Some(edge), Some(parent)) => format!("{} after {}", self.name(edge), self.name(parent)),
        }
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
