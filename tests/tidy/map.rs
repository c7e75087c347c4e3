//! `core/CONFORMANCE.md`: the code and the tests that it names exist, and every key word of the specification has a row.

use std::collections::BTreeMap;

use super::{has_test, read, rust_files};

/// The number of key words (MUST, MUST NOT, SHOULD, REQUIRED) in each section of the specification.
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

struct Row {
    section: String,
    level: String,
    code: String,
    test: String,
}

fn rows() -> Vec<Row> {
    let map = read("core/CONFORMANCE.md");
    let cells = map.lines().filter(|line| line.starts_with("| §")).map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [section, level, _rule, code, test] = cells[..] else { panic!("a row of five cells: {line}") };
        Row { section: section.into(), level: level.into(), code: code.into(), test: test.into() }
    });
    cells.collect()
}

/// The names between backticks.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

#[test]
fn code_and_tests_of_the_map_exist() {
    let mut sources = String::new();
    for folder in ["tests/conformance", "core/tests", "tests/tidy", "tests/drivers", "drivers"] {
        for path in rust_files(folder) {
            sources += &read(path);
        }
    }
    for row in rows() {
        for code in quoted(&row.code) {
            let (file, symbol) = code.split_once("::").unwrap_or((code, ""));
            let found = read(format!("core/src/{file}"));
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

#[test]
fn every_statement_of_the_specification_has_a_row() {
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    for row in rows() {
        assert!(["MUST", "MUST NOT", "SHOULD"].contains(&row.level.as_str()), "{}", row.level);
        *found.entry(row.section).or_default() += 1;
    }
    for (section, count) in STATEMENTS {
        let rows = found.remove(section).unwrap_or_default();
        assert_eq!(rows, count, "{section}: {rows} rows for {count} statements");
    }
    assert!(found.is_empty(), "the specification has no key words in {found:?}");
}
