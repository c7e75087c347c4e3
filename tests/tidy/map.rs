//! `core/CONFORMANCE.md`, `core/CONFORMANCE-CAP.md` and `core/CONFORMANCE-CARACAL.md`: the code and the tests that they name
//! exist, and every key word of the specifications and every section of the measurements has a row.

use std::collections::{BTreeMap, BTreeSet};

use super::{has_test, read, rust_files};

const ARCP: &str = "core/CONFORMANCE.md";
const CAP: &str = "core/CONFORMANCE-CAP.md";
const CARACAL: &str = "core/CONFORMANCE-CARACAL.md";

/// The number of key words (MUST, MUST NOT, SHOULD, REQUIRED) in each section of the specification of ARCP.
const STATEMENTS: [(&str, usize); 26] = [
    ("§2.2", 1),
    ("§5", 1),
    ("§6.2", 1),
    ("§6.4", 3),
    ("§6.5", 2),
    ("§6.6", 1),
    ("§7.2", 1),
    ("§7.5", 2),
    ("§7.6", 4),
    ("§7.7", 2),
    ("§8.2.1", 2),
    ("§8.3", 1),
    ("§8.4", 9),
    ("§9.1", 1),
    ("§9.3", 2),
    ("§9.4", 6),
    ("§9.5", 6),
    ("§9.6", 6),
    ("§9.7", 4),
    ("§9.8.1", 6),
    ("§9.8.2", 13),
    ("§9.8.3", 5),
    ("§10", 2),
    ("§11", 1),
    ("§12", 1),
    ("§14", 19),
];

/// The number of key words in each document of the specification of CAP that the map covers.
const CAP_STATEMENTS: [(&str, usize); 17] = [
    ("spec/02", 17),
    ("spec/03", 14),
    ("spec/04", 9),
    ("spec/04b", 7),
    ("spec/05", 4),
    ("spec/06", 5),
    ("spec/07", 6),
    ("spec/08", 6),
    ("spec/09", 5),
    ("spec/10", 15),
    ("spec/11", 5),
    ("spec/13", 4),
    ("spec/14", 80),
    ("spec/15", 62),
    ("spec/16", 11),
    ("spec/17", 2),
    ("spec/19", 36),
];

/// The sections of the measurements of Caracal that say how something behaves; §4 is about crates.
const CARACAL_SECTIONS: [&str; 19] = [
    "§1.1", "§1.2", "§1.3", "§1.4", "§1.5", "§1.6", "§1.7", "§2.1", "§2.2", "§2.3", "§2.4", "§2.5", "§2.6", "§2.7",
    "§3", "§5", "§6", "§7", "§8",
];

#[derive(Clone)]
struct Row {
    section: String,
    level: String,
    /// How many key words it stands for.
    count: usize,
    code: String,
    test: String,
    /// The rules of `nuncio conformance` that judge it, if the map has such a column.
    suite: Option<String>,
}

fn rows(map: &str) -> Vec<Row> {
    let text = read(map);
    let is_row = |line: &&str| line.starts_with("| §") || line.starts_with("| spec/");
    let rows = text.lines().filter(is_row).map(|line| {
        let columns: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [section, level, _rule, code, proof, suite @ ..] = &columns[..] else {
            panic!("five cells or six: {line}")
        };
        let (level, count) = level.split_once(" ×").unwrap_or((level, "1"));
        let count = count.parse().unwrap();
        let suite = suite.first().map(|cell| (*cell).to_owned());
        Row {
            section: (*section).into(),
            level: level.into(),
            count,
            code: (*code).into(),
            test: (*proof).into(),
            suite,
        }
    });
    rows.collect()
}

/// The names between backticks.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

#[test]
fn code_and_tests_of_the_map_exist() {
    let mut sources = String::new();
    let folders =
        ["tests/conformance", "core/tests", "core/src/cap", "core/src/caracal", "tests/tidy", "tests/drivers"];
    for folder in folders.into_iter().chain(["tests/interop/caracal", "drivers"]) {
        for path in rust_files(folder) {
            sources += &read(path);
        }
    }
    let caracal = rows(CARACAL).into_iter().map(|row| (row, "caracal/"));
    let all = [rows(ARCP), rows(CAP)].concat().into_iter().map(|row| (row, ""));
    for (row, folder) in all.chain(caracal) {
        for code in quoted(&row.code) {
            let (file, symbol) = code.split_once("::").unwrap_or((code, ""));
            let found =
                if file.starts_with("drivers/") { read(file) } else { read(format!("core/src/{folder}{file}")) };
            let there = found.contains(&format!("fn {symbol}")) || found.contains(&format!(" {symbol}"));
            assert!(there, "{}: there is no {symbol} in {file}", row.section);
        }
        for test in quoted(&row.test) {
            assert!(has_test(&sources, test), "{}: there is no test {test}", row.section);
        }
        let excused = row.test.starts_with("host:") || row.test.starts_with("peer:");
        assert!(excused || quoted(&row.test).next().is_some(), "{} has a row without a test", row.section);
        assert!(excused || quoted(&row.code).next().is_some(), "{} has a row without code", row.section);
    }
}

fn check(map: &str, statements: &[(&str, usize)]) {
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    for row in rows(map) {
        assert!(["MUST", "MUST NOT", "SHOULD", "SHOULD NOT"].contains(&row.level.as_str()), "{}", row.level);
        *found.entry(row.section).or_default() += row.count;
    }
    for (section, count) in statements {
        let rows = found.remove(*section).unwrap_or_default();
        assert_eq!(rows, *count, "{section}: {rows} rows for {count} statements");
    }
    assert!(found.is_empty(), "the specification has no key words in {found:?}");
}

#[test]
fn every_statement_of_the_specification_has_a_row() {
    check(ARCP, &STATEMENTS);
}

/// The rules of `nuncio conformance`, those for clients with `client ` before their name, with their levels.
fn suite() -> BTreeMap<String, String> {
    let mut rules = BTreeMap::new();
    for path in rust_files("drivers/cli/src/commands/conformance") {
        let who = if path.ends_with("client/rules.rs") { "client " } else { "" };
        for line in read(path).lines() {
            let Some((level, rest)) = line.trim_start().split_once(" \"§") else { continue };
            let Some((section, rest)) = rest.split_once("\" ") else { continue };
            if !["Must", "Should", "Described"].contains(&level) {
                continue;
            }
            let name = rest.split([':', ' ']).next().unwrap().replace('_', "-");
            let before = rules.insert(format!("{who}§{section}/{name}"), level.to_uppercase());
            assert!(before.is_none(), "{section}/{name} is there twice");
        }
    }
    rules
}

#[test]
fn every_statement_of_the_specification_names_the_rules_that_judge_it_from_outside() {
    let rules = suite();
    assert!(rules.len() > 150, "{} rules are found", rules.len());
    let mut named: BTreeSet<String> = BTreeSet::new();
    for row in rows(ARCP) {
        let cell = row.suite.unwrap();
        let level = row.level.trim_end_matches(" NOT");
        let unseen = cell.strip_prefix("unseen: ").is_some_and(|why| !why.is_empty());
        assert_ne!(unseen, quoted(&cell).next().is_some(), "a row of {} has rules or a reason: {cell}", row.section);
        for name in quoted(&cell) {
            let found = rules.get(name).unwrap_or_else(|| panic!("{}: there is no rule {name}", row.section));
            assert!(found == level || found == "DESCRIBED", "{}: {name} is {found}, not {level}", row.section);
            named.insert(name.to_owned());
        }
        // A rule that the specification describes may judge a row together with others.
        let of_level = quoted(&cell).any(|name| rules.get(name).is_some_and(|found| found == level));
        assert!(unseen || of_level, "{}: no rule of level {level} judges {cell}", row.section);
    }
    let left: Vec<_> = rules.iter().filter(|(name, level)| *level != "DESCRIBED" && !named.contains(*name)).collect();
    assert!(left.is_empty(), "no row of their level names {left:?}");
}

#[test]
fn pages_say_how_many_rules_there_are() {
    let (clients, runtimes): (Vec<_>, Vec<_>) = suite().into_keys().partition(|name| name.starts_with("client "));
    let (clients, runtimes) = (clients.len(), runtimes.len());
    for (page, sentence) in [
        ("README.md", format!("tests a client, by {clients} rules")),
        ("README.md", format!("| all | {runtimes} / 0 / 0 |")),
        ("drivers/cli/README.md", format!("each of {runtimes} rules")),
        ("drivers/cli/README.md", format!("judges it by {clients} rules")),
    ] {
        // A line may end between any two words.
        let text = read(page).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(&sentence), "{page} does not say: {sentence}");
    }
}

#[test]
fn every_statement_of_the_specification_of_cap_has_a_row() {
    check(CAP, &CAP_STATEMENTS);
}

#[test]
fn every_section_of_the_measurements_of_caracal_has_a_row() {
    let rows = rows(CARACAL);
    for row in &rows {
        assert!(["0.1", "1.0", "both", "ours"].contains(&row.level.as_str()), "{}", row.level);
    }
    let mut sections: Vec<&str> = rows.iter().map(|row| row.section.as_str()).collect();
    sections.dedup();
    assert_eq!(sections, CARACAL_SECTIONS);
}
