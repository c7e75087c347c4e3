//! Checks which file imports which. In core: base values ← lease, budget ← wire ← signature ← trust ← machines. In
//! `drivers/shared`: io ← auth ← protocols ← bridges between them. Protocols never import each other.

use std::collections::BTreeSet;

use super::circles::imports;
use super::circles::names::Package;
use super::rust_files;

/// The protocols of core, and the modules that each has: its wire types, then its machines.
const PROTOCOLS: [(&str, &[&str]); 3] = [
    ("arcp", &["wire", "runtime", "client"]),
    ("cap", &["wire", "worker", "router", "client"]),
    ("caracal", &["wire", "coordinator", "client"]),
];

/// The layer of a file of core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layer<'a> {
    /// `lib.rs`.
    Root,
    /// A file beside `lib.rs`: values that every protocol may use.
    Base,
    /// `lease/` and `budget/`.
    Authority,
    /// A protocol's own `mod.rs`.
    Front(&'a str),
    Wire(&'a str),
    /// What the machines of a protocol share: its signatures.
    Signature(&'a str),
    /// What machines of a protocol have in common above that: its trust sessions.
    Trust(&'a str),
    Machine(&'a str, &'a str),
}

/// Returns the layer of a file below `core/src`, or `None` if it belongs to none.
fn layer(file: &str) -> Option<Layer<'_>> {
    let parts: Vec<&str> = file.split('/').collect();
    match parts[..] {
        ["lib.rs"] => Some(Layer::Root),
        [_] => Some(Layer::Base),
        ["lease" | "budget", ..] => Some(Layer::Authority),
        [protocol, "mod.rs"] => Some(Layer::Front(protocol)),
        [protocol, module, _, ..] => {
            let (_, modules) = PROTOCOLS.into_iter().find(|(name, _)| *name == protocol)?;
            match module {
                "wire" => Some(Layer::Wire(protocol)),
                "signature" if protocol == "cap" => Some(Layer::Signature(protocol)),
                "trust" if protocol == "cap" => Some(Layer::Trust(protocol)),
                _ => modules.contains(&module).then_some(Layer::Machine(protocol, module)),
            }
        }
        _ => None,
    }
}

/// Returns whether a file of one layer may name items of another layer.
fn may_import(from: Layer, to: Layer) -> bool {
    match (from, to) {
        (from, to) if from == to => true,
        // The `mod.rs` of a protocol and the root only re-export, so no module needs them.
        (_, Layer::Root | Layer::Front(_)) => false,
        (Layer::Root, _) | (_, Layer::Base) => true,
        (Layer::Base, _) => false,
        (_, Layer::Authority) => true,
        (
            Layer::Machine(own, _) | Layer::Front(own) | Layer::Trust(own) | Layer::Signature(own),
            Layer::Wire(other),
        )
        | (Layer::Machine(own, _) | Layer::Front(own) | Layer::Trust(own), Layer::Signature(other))
        | (Layer::Machine(own, _) | Layer::Front(own), Layer::Trust(other))
        | (Layer::Front(own), Layer::Machine(other, _)) => own == other,
        _ => false,
    }
}

#[test]
fn every_file_of_core_belongs_to_a_layer() {
    for path in rust_files("core/src") {
        let within = path.strip_prefix("core/src").unwrap().to_str().unwrap();
        assert!(layer(within).is_some(), "{} belongs to no layer", path.display());
    }
}

#[test]
fn files_of_core_import_only_from_the_layers_below() {
    let graph = imports::graph(&Package::read("core/src/lib.rs"));
    let wrong: BTreeSet<String> = graph
        .edges()
        .filter(|(from, to, _)| !may_import(layer(from).unwrap(), layer(to).unwrap()))
        .map(|(from, to, reason)| format!("{from} imports {to}: {reason}"))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The modules of `drivers/shared`, each with its layer. Modules of one layer do not import each other.
const SHARED: [(&str, usize); 6] = [("io", 0), ("auth", 1), ("arcp", 2), ("cap", 2), ("caracal", 2), ("bridge", 3)];

#[test]
fn modules_of_the_shared_driver_import_only_from_the_layers_below() {
    let module = |file: &str| {
        let name = file.split('/').next().unwrap().to_owned();
        let (_, layer) =
            SHARED.into_iter().find(|(module, _)| *module == name).unwrap_or_else(|| panic!("no module {name}"));
        (name, layer)
    };
    let graph = imports::graph(&Package::read("drivers/shared/src/lib.rs"));
    let wrong: BTreeSet<String> = graph
        .edges()
        .filter(|(from, to, _)| {
            let ((own, from), (other, to)) = (module(from), module(to));
            own != other && from <= to
        })
        .map(|(from, to, reason)| format!("{from} imports {to}: {reason}"))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_rule_refuses_what_the_design_forbids() {
    let allows = |from: &str, to: &str| may_import(layer(from).unwrap(), layer(to).unwrap());
    for (from, to) in [
        ("lease/mod.rs", "time.rs"),
        ("arcp/wire/mod.rs", "budget/amount.rs"),
        ("arcp/runtime/jobs/mod.rs", "arcp/wire/ids.rs"),
        ("arcp/client/mod.rs", "lease/mod.rs"),
        ("cap/signature/mod.rs", "cap/wire/mod.rs"),
        ("cap/worker/mod.rs", "cap/signature/mod.rs"),
        ("cap/worker/mod.rs", "cap/trust/mod.rs"),
        ("cap/trust/mod.rs", "cap/signature/mod.rs"),
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
        ("cap/signature/mod.rs", "cap/worker/mod.rs"),
        ("cap/signature/mod.rs", "cap/trust/mod.rs"),
        ("cap/trust/mod.rs", "cap/worker/mod.rs"),
        ("cap/wire/mod.rs", "cap/signature/mod.rs"),
        ("arcp/runtime/mod.rs", "arcp/mod.rs"),
    ] {
        assert!(!allows(from, to), "{from} may not import {to}");
    }
    assert_eq!(layer("arcp/session.rs"), None);
    assert_eq!(layer("arcp/helpers/mod.rs"), None);
}
