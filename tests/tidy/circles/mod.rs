//! Checks that the imports of files form no cycle, nor do the calls of a type's methods. This command prints the
//! cycles:
//!
//! ```text
//! cargo test -p nuncio-tests --test tidy -- circles --nocapture
//! ```
//!
//! # Imports
//!
//! A file depends on another if its code names an item that the other *defines*. The name may stand in a `use`, in a
//! path, behind a glob, in the tokens of a macro or in a serde attribute. Imports and re-exports are followed to the
//! definition: `use crate::Server` in a file is an edge to `server.rs`, not to `lib.rs`. A cycle is a strongly
//! connected component of two or more files. These rules apply to parents and children:
//!
//! - `mod child;` is no edge, and neither is a `pub use` of an item of a child or of its children: a parent lists what is
//!   in its folder. A `use` without `pub` is one, and so is every use of the re-exported item in the parent's own code.
//! - A path that ends at a module (`use super::wire;`) is no edge; `wire::Head` is one, to the file that defines `Head`.
//! - A child that names an item defined in its parent's file depends on the parent. Together with a parent that uses
//!   items of the child this is a cycle, whatever the item is.
//! - A type whose `impl` blocks are in several files counts as one: `use super::Runtime` in `submit.rs` is an edge to
//!   the file that defines `Runtime`, but a call of `self.submit()` in that file names no item of `submit.rs` and is no
//!   edge. The second count covers the calls between the parts of such a type.
//!
//! Code that is compiled for tests only is ignored.
//!
//! # Calls
//!
//! A method of a type calls another one if it contains `self.name(…)`, `Self::name` or `Type::name`, or the same on a
//! parameter of that type, its own or that of a closure to which a method lends the value (`self.input(|this| …)`).
//! Functions that take such a value count as well. A cycle is a strongly connected component of two or more of them; a
//! method that calls itself is not a cycle. A component cannot call the type that contains it without a cycle of
//! imports, so the two counts together cover both. Calls through a trait object are not seen.

mod calls;
mod graph;
pub(crate) mod imports;
pub(crate) mod names;

use self::graph::Graph;
use self::names::Package;

/// The root file of each package.
const PACKAGES: [&str; 6] = [
    "core/src/lib.rs",
    "drivers/link/src/lib.rs",
    "drivers/shared/src/lib.rs",
    "drivers/tokio/src/lib.rs",
    "drivers/smol/src/lib.rs",
    "drivers/cli/src/main.rs",
];

/// Returns the report on a graph that has cycles.
fn report(what: &str, graph: &Graph) -> Option<String> {
    (!graph.circles().is_empty()).then(|| format!("{what}:\n{}", graph.report()))
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let found: Vec<String> = PACKAGES
        .iter()
        .filter_map(|root| report(&format!("files of {root}"), &imports::graph(&Package::read(root))))
        .collect();
    println!("{} of {} packages have circles of imports", found.len(), PACKAGES.len());
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn no_methods_call_each_other_in_a_circle() {
    let (mut found, mut types) = (Vec::new(), 0);
    for root in PACKAGES {
        for (name, file, graph) in calls::graphs(&Package::read(root)) {
            types += 1;
            found.extend(report(&format!("methods of {name} ({file}, {root})"), &graph));
        }
    }
    println!("{} of {types} types have circles of calls", found.len());
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}
