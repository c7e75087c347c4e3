//! Which file may import which. In core: ground floor ← lease, budget ← wire ← machines. In `drivers/shared`: io ← auth ← protocols
//! ← bridges between them. Protocols never import each other.

use std::collections::BTreeSet;

use super::circles::imports;
use super::circles::names::Package;
use super::rust_files;

/// The protocols of core, and the rooms that each has: what is said, then its machines.
const PROTOCOLS: [(&str, &[&str]); 3] = [
    ("arcp", &["wire", "runtime", "client"]),
    ("cap", &["wire", "worker", "router", "client"]),
    ("caracal", &["wire", "coordinator", "client"]),
];

/// Where a file of core stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Floor<'a> {
    /// `lib.rs`.
    Root,
    /// A file beside `lib.rs`: values that every protocol may use.
    Ground,
    /// `lease/` and `budget/`.
    Authority,
    /// A protocol's own `mod.rs`.
    Front(&'a str),
    Wire(&'a str),
    Machine(&'a str, &'a str),
}

/// The floor of a file below `core/src`; `None` if there is no such room.
fn floor(file: &str) -> Option<Floor<'_>> {
    let parts: Vec<&str> = file.split('/').collect();
    match parts[..] {
        ["lib.rs"] => Some(Floor::Root),
        [_] => Some(Floor::Ground),
        ["lease" | "budget", ..] => Some(Floor::Authority),
        [protocol, "mod.rs"] => Some(Floor::Front(protocol)),
        [protocol, room, _, ..] => {
            let (_, rooms) = PROTOCOLS.into_iter().find(|(name, _)| *name == protocol)?;
            match room {
                "wire" => Some(Floor::Wire(protocol)),
                _ => rooms.contains(&room).then_some(Floor::Machine(protocol, room)),
            }
        }
        _ => None,
    }
}

/// Whether a file of one floor may name items of another floor.
fn may_import(from: Floor, to: Floor) -> bool {
    match (from, to) {
        (from, to) if from == to => true,
        // The front of a protocol re-exports and defines nothing that its rooms need; the root likewise.
        (_, Floor::Root | Floor::Front(_)) => false,
        (Floor::Root, _) | (_, Floor::Ground) => true,
        (Floor::Ground, _) => false,
        (_, Floor::Authority) => true,
        (Floor::Machine(own, _) | Floor::Front(own), Floor::Wire(other))
        | (Floor::Front(own), Floor::Machine(other, _)) => own == other,
        _ => false,
    }
}

#[test]
fn every_file_of_core_stands_in_a_room() {
    for path in rust_files("core/src") {
        let within = path.strip_prefix("core/src").unwrap().to_str().unwrap();
        assert!(floor(within).is_some(), "{} stands in no room of the design", path.display());
    }
}

#[test]
fn files_of_core_import_from_the_floors_below_only() {
    let graph = imports::graph(&Package::read("core/src/lib.rs"));
    let wrong: BTreeSet<String> = graph
        .edges()
        .filter(|(from, to, _)| !may_import(floor(from).unwrap(), floor(to).unwrap()))
        .map(|(from, to, reason)| format!("{from} imports {to}: {reason}"))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The rooms of `drivers/shared`, each with its floor. Rooms of one floor do not import each other.
const SHARED: [(&str, usize); 6] = [("io", 0), ("auth", 1), ("arcp", 2), ("cap", 2), ("caracal", 2), ("bridge", 3)];

#[test]
fn rooms_of_the_shared_driver_import_from_the_floors_below_only() {
    let room = |file: &str| {
        let name = file.split('/').next().unwrap().to_owned();
        let (_, floor) = SHARED.into_iter().find(|(room, _)| *room == name).unwrap_or_else(|| panic!("no room {name}"));
        (name, floor)
    };
    let graph = imports::graph(&Package::read("drivers/shared/src/lib.rs"));
    let wrong: BTreeSet<String> = graph
        .edges()
        .filter(|(from, to, _)| {
            let ((own, from), (other, to)) = (room(from), room(to));
            own != other && from <= to
        })
        .map(|(from, to, reason)| format!("{from} imports {to}: {reason}"))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_rule_refuses_what_the_design_forbids() {
    let allows = |from: &str, to: &str| may_import(floor(from).unwrap(), floor(to).unwrap());
    for (from, to) in [
        ("lease/mod.rs", "time.rs"),
        ("arcp/wire/mod.rs", "budget/amount.rs"),
        ("arcp/runtime/jobs/mod.rs", "arcp/wire/ids.rs"),
        ("arcp/client/mod.rs", "lease/mod.rs"),
    ] {
        assert!(allows(from, to), "{from} may import {to}");
    }
    for (from, to) in [
        ("time.rs", "lease/mod.rs"),
        ("budget/mod.rs", "arcp/wire/ids.rs"),
        ("arcp/wire/mod.rs", "arcp/runtime/mod.rs"),
        ("arcp/runtime/mod.rs", "arcp/client/mod.rs"),
        ("arcp/client/mod.rs", "arcp/runtime/mod.rs"),
        ("cap/wire/mod.rs", "arcp/wire/mod.rs"),
        ("cap/router/mod.rs", "cap/worker/mod.rs"),
        ("arcp/runtime/mod.rs", "arcp/mod.rs"),
    ] {
        assert!(!allows(from, to), "{from} may not import {to}");
    }
    assert_eq!(floor("arcp/session.rs"), None);
    assert_eq!(floor("arcp/helpers/mod.rs"), None);
}
