//! A directed graph with named nodes, and its cycles.

use std::collections::{BTreeMap, BTreeSet};

/// Nodes and the edges between them; each edge keeps the first reason that was given for it.
#[derive(Default)]
pub(crate) struct Graph {
    edges: BTreeMap<String, BTreeMap<String, String>>,
}

impl Graph {
    /// Adds an edge, unless the graph has it already.
    pub(crate) fn add(&mut self, from: &str, to: &str, reason: impl FnOnce() -> String) {
        self.edges.entry(to.to_owned()).or_default();
        self.edges.entry(from.to_owned()).or_default().entry(to.to_owned()).or_insert_with(reason);
    }

    /// Returns every edge with its reason.
    pub(crate) fn edges(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        let pairs = self.edges.iter().flat_map(|(from, to)| to.iter().map(move |(to, reason)| (from, to, reason)));
        pairs.map(|(from, to, reason)| (from.as_str(), to.as_str(), reason.as_str()))
    }

    /// Returns the cycles: the strongly connected components of two or more nodes, each in alphabetical order.
    pub(crate) fn circles(&self) -> Vec<BTreeSet<&str>> {
        let reach: BTreeMap<&str, BTreeSet<&str>> = self.edges.keys().map(|node| (&**node, self.reach(node))).collect();
        let mut found: Vec<BTreeSet<&str>> = Vec::new();
        for (node, reached) in &reach {
            let circle: BTreeSet<&str> = reached.iter().copied().filter(|other| reach[other].contains(node)).collect();
            if circle.len() > 1 && !found.contains(&circle) {
                found.push(circle);
            }
        }
        found
    }

    /// Returns the nodes that a path of at least one edge leads to.
    fn reach(&self, from: &str) -> BTreeSet<&str> {
        let mut seen = BTreeSet::new();
        let mut open = vec![from];
        while let Some(node) = open.pop() {
            for next in self.edges[node].keys() {
                if seen.insert(next.as_str()) {
                    open.push(next);
                }
            }
        }
        seen
    }

    /// Returns the cycles as text: the edges that close each of them, one per line.
    pub(crate) fn report(&self) -> String {
        let mut lines = Vec::new();
        for circle in self.circles() {
            lines.push(format!("  a circle of {}:\n", circle.len()));
            for node in &circle {
                let inner = self.edges[*node].iter().filter(|(next, _)| circle.contains(next.as_str()));
                lines.extend(inner.map(|(next, reason)| format!("    {node} -> {next}  {reason}\n")));
            }
        }
        lines.concat()
    }
}

#[test]
fn circles_are_the_components_of_two_or_more_nodes() {
    let mut graph = Graph::default();
    for (from, to) in [("a", "b"), ("b", "c"), ("c", "a"), ("c", "d"), ("d", "d"), ("e", "f"), ("f", "e"), ("a", "e")] {
        graph.add(from, to, || format!("{from}{to}"));
    }
    assert_eq!(graph.circles(), [BTreeSet::from(["a", "b", "c"]), BTreeSet::from(["e", "f"])]);
    assert!(graph.report().contains("b -> c  bc"));
    assert!(!graph.report().contains("c -> d"));
}
