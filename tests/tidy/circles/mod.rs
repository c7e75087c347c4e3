//! Circles between files and between methods; the aim is none. This command prints them:
//!
//! ```text
//! cargo test -p nuncio-tests --test tidy -- circles --nocapture
//! ```
//!
//! # Imports
//!
//! A file depends on another if its code names an item that the other *defines*. The name may stand in a `use`, in a
//! path, behind a glob, in the tokens of a macro or in a serde attribute. Imports and re-exports are followed to the
//! definition: `use crate::Server` in a file is an edge to `server.rs`, not to `lib.rs`. A circle is a strongly connected
//! component of two or more files. These rules apply to parents and children:
//!
//! - `mod child;` is no edge, and neither is a `pub use` of an item of a child or of its children: a parent lists what is
//!   in its folder. A `use` without `pub` is one, and so is every use of the re-exported item in the parent's own code.
//! - A path that ends at a module (`use super::wire;`) is no edge; `wire::Head` is one, to the file that defines `Head`.
//! - A child that names an item defined in its parent's file depends on the parent. Together with a parent that uses
//!   items of the child this is a circle, whatever the item is.
//! - A type whose `impl` blocks stand in several files is one thing: `use super::Runtime` in `submit.rs` is an edge to the
//!   file that defines `Runtime`, but a call of `self.submit()` in that file names no item of `submit.rs` and is no edge.
//!   What goes on between the parts of such a type is the second count.
//!
//! What is compiled for tests only is left out.
//!
//! # Calls
//!
//! A method of a type calls another one if it contains `self.name(…)`, `Self::name` or `Type::name`, or the same on a
//! parameter of that type, its own or that of a closure to which a method lends the value (`self.input(|this| …)`).
//! Functions that are given such a value take part. A circle is a strongly connected component of two or more of them; a
//! method that calls itself is not one. A component cannot call the type that holds it without an import circle, so that
//! the two counts together cover both. Calls through a trait object are not seen.

mod calls;
mod graph;
pub(crate) mod imports;
pub(crate) mod names;

use std::collections::BTreeSet;

use self::graph::Graph;
use self::names::Package;

/// The root file of each package, and the number of its files that stand in import circles today. A change that lowers
/// the number lowers it here too.
const IMPORTS: [(&str, usize); 6] = [
    ("core/src/lib.rs", 0),
    ("drivers/link/src/lib.rs", 0),
    ("drivers/shared/src/lib.rs", 0),
    ("drivers/tokio/src/lib.rs", 0),
    ("drivers/smol/src/lib.rs", 0),
    ("drivers/cli/src/main.rs", 0),
];

/// The number of methods that stand in circles of calls today, for each type that has any.
const CALLS: [(&str, &str, usize); 0] = [];

/// Counts the nodes of a graph that stand in circles.
fn caught(graph: &Graph) -> usize {
    graph.circles().iter().map(BTreeSet::len).sum()
}

/// Prints a count, and returns what is wrong with it unless it is the allowed one.
fn compare(what: &str, found: usize, allowed: usize, report: &str) -> Option<String> {
    if found > 0 {
        println!("{what}: {found} in circles\n{report}");
    }
    match found {
        _ if found > allowed => Some(format!("{what}: {found} in circles, {allowed} allowed\n{report}")),
        _ if found < allowed => {
            Some(format!("{what}: lower the allowance in tests/tidy/circles from {allowed} to {found}"))
        }
        _ => None,
    }
}

#[test]
fn files_import_each_other_in_no_more_circles_than_allowed() {
    let mut failures = Vec::new();
    let mut all = 0;
    for (file, allowed) in IMPORTS {
        let graph = imports::graph(&Package::read(file));
        let found = caught(&graph);
        all += found;
        failures.extend(compare(&format!("files of {file}"), found, allowed, &graph.report()));
    }
    println!("{all} files of {} packages import each other in circles", IMPORTS.len());
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[test]
fn methods_call_each_other_in_no_more_circles_than_allowed() {
    let mut failures = Vec::new();
    let (mut all, mut types) = (0, 0);
    for (root, _) in IMPORTS {
        for (name, file, graph) in calls::graphs(&Package::read(root)) {
            let is_named = |(of, allowed, _): &&(&str, &str, usize)| *of == root && *allowed == name;
            let allowed = CALLS.iter().find(is_named).map_or(0, |(.., count)| *count);
            let found = caught(&graph);
            (all, types) = (all + found, types + 1);
            failures.extend(compare(&format!("methods of {name} ({file}, {root})"), found, allowed, &graph.report()));
        }
    }
    println!("{all} methods of {types} types call each other in circles");
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}
