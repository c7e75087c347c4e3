//! Checks the dependencies that cargo resolves, without cargo-deny: licences, refused crates and duplicate versions
//! against `deny.toml`, and the oldest Rust that they support against ours.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde::Deserialize;

use super::read;
use super::tree::cargo;

#[derive(Deserialize)]
struct Deny {
    licenses: Licenses,
    bans: Bans,
}

#[derive(Deserialize)]
struct Licenses {
    allow: BTreeSet<String>,
    exceptions: Vec<Exception>,
}

#[derive(Deserialize)]
struct Exception {
    #[serde(rename = "crate")]
    name: String,
    allow: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Bans {
    deny: Vec<Ban>,
    skip: Vec<Skip>,
}

#[derive(Deserialize)]
struct Ban {
    #[serde(rename = "crate")]
    name: String,
    #[serde(default)]
    wrappers: BTreeSet<String>,
    reason: String,
}

#[derive(Deserialize)]
struct Skip {
    /// `name@version`, where the version may leave out its last numbers.
    #[serde(rename = "crate")]
    spec: String,
}

/// `Cargo.lock`, which has the packages of every platform.
#[derive(Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

#[derive(Deserialize)]
struct Locked {
    name: String,
    version: String,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    license: Option<String>,
    /// The minimum Rust version that it supports.
    rust_version: Option<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
}

fn deny() -> Deny {
    toml::from_str(&read("deny.toml")).unwrap()
}

/// All packages that the workspace is built from on this platform.
fn metadata() -> Metadata {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let about = String::from_utf8(Command::new(rustc).arg("-vV").output().unwrap().stdout).unwrap();
    let host = about.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let text = cargo(&["metadata", "--all-features", "--filter-platform", host, "--format-version", "1"]);
    serde_json::from_str(&text).unwrap()
}

/// Returns whether a licence expression such as `(A OR B) AND C`, or in an older form `A/B`, can be satisfied.
fn is_met(expression: &str, is_allowed: &dyn Fn(&str) -> bool) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut words = spaced.split_whitespace().collect::<Vec<_>>();
    words.reverse();
    let met = is_any_met(&mut words, is_allowed);
    assert!(words.is_empty(), "the licence expression {expression:?} was not read to its end");
    met
}

/// Reads alternatives; the words are in reverse order.
fn is_any_met(words: &mut Vec<&str>, is_allowed: &dyn Fn(&str) -> bool) -> bool {
    let mut met = are_all_met(words, is_allowed);
    while words.pop_if(|word| *word == "OR").is_some() {
        met |= are_all_met(words, is_allowed);
    }
    met
}

fn are_all_met(words: &mut Vec<&str>, is_allowed: &dyn Fn(&str) -> bool) -> bool {
    let mut met = is_one_met(words, is_allowed);
    while words.pop_if(|word| *word == "AND").is_some() {
        met &= is_one_met(words, is_allowed);
    }
    met
}

fn is_one_met(words: &mut Vec<&str>, is_allowed: &dyn Fn(&str) -> bool) -> bool {
    let first = words.pop().unwrap();
    if first == "(" {
        let met = is_any_met(words, is_allowed);
        assert_eq!(words.pop(), Some(")"));
        return met;
    }
    match words.pop_if(|word| *word == "WITH") {
        Some(_) => is_allowed(&format!("{first} WITH {}", words.pop().unwrap())),
        None => is_allowed(first),
    }
}

#[test]
fn licence_expressions_are_read() {
    let allowed = |name: &str| ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].contains(&name);
    for met in ["MIT", "MIT/GPL-2.0", "GPL-2.0 OR (MIT AND ISC)", "Apache-2.0 WITH LLVM-exception OR GPL-2.0"] {
        assert!(is_met(met, &allowed), "{met}");
    }
    for unmet in ["GPL-2.0", "MIT AND GPL-2.0", "(MIT OR ISC) AND GPL-2.0", "Apache-2.0", "GPL-2.0 OR MIT AND Zlib"] {
        assert!(!is_met(unmet, &allowed), "{unmet}");
    }
}

#[test]
fn every_licence_is_allowed() {
    let licenses = deny().licenses;
    for package in metadata().packages {
        let own = licenses.exceptions.iter().find(|exception| exception.name == package.name);
        let allowed = |name: &str| licenses.allow.contains(name) || own.is_some_and(|own| own.allow.contains(name));
        let license = package.license.unwrap_or_else(|| panic!("{} names no licence", package.name));
        assert!(
            is_met(&license, &allowed),
            "{} has the licence {license}, which deny.toml does not allow",
            package.name
        );
    }
}

#[test]
fn no_refused_crate_is_used() {
    let (metadata, bans) = (metadata(), deny().bans);
    let names: BTreeMap<&str, &str> = metadata.packages.iter().map(|package| (&*package.id, &*package.name)).collect();
    for node in &metadata.resolve.nodes {
        let user = names[&*node.id];
        for name in node.deps.iter().map(|dependency| names[&*dependency.pkg]) {
            if let Some(ban) = bans.deny.iter().find(|ban| ban.name == name) {
                assert!(ban.wrappers.contains(user), "{user} depends on {name}: {}", ban.reason);
            }
        }
    }
}

#[test]
fn no_crate_has_two_versions_but_those_listed() {
    let skips = deny().bans.skip;
    let lock: Lock = toml::from_str(&read("Cargo.lock")).unwrap();
    let mut versions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut used = BTreeSet::new();
    for package in lock.package {
        let skip = skips.iter().find(|skip| {
            let (name, version) = skip.spec.split_once('@').unwrap();
            name == package.name && package.version.strip_prefix(version).is_some_and(|rest| rest.starts_with('.'))
        });
        match skip {
            Some(skip) => _ = used.insert(skip.spec.clone()),
            None => versions.entry(package.name).or_default().push(package.version),
        }
    }
    versions.retain(|_, versions| versions.len() > 1);
    assert!(versions.is_empty(), "several versions: {versions:?}");
    let unused: Vec<&String> = skips.iter().map(|skip| &skip.spec).filter(|spec| !used.contains(*spec)).collect();
    assert!(unused.is_empty(), "deny.toml skips versions that are gone: {unused:?}");
}

#[test]
fn no_dependency_needs_a_later_rust() {
    let number = |version: &str| -> Vec<u32> { version.split('.').map(|part| part.parse().unwrap()).collect() };
    let packages = metadata().packages;
    let own = packages.iter().find(|package| package.name == "nuncio-core").unwrap();
    let oldest = own.rust_version.as_deref().unwrap();
    for package in &packages {
        let needs = package.rust_version.as_deref().unwrap_or(oldest);
        assert!(number(needs) <= number(oldest), "{} needs Rust {needs}, we promise {oldest}", package.name);
    }
}
