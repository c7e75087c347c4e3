//! Rules about the text of the sources.

use super::{read, root, rust_files};

/// The maximum number of lines of a file. The aim is about 400.
const LONGEST: usize = 440;

/// The lines that are not comments, with their numbers. Comments may name what code may not use.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line));
    lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
}

#[test]
fn files_are_short() {
    let folders = ["core", "drivers", "tests", "examples", "fuzz"];
    for path in folders.iter().flat_map(|folder| rust_files(folder)) {
        let lines = read(&path).lines().count();
        assert!(lines <= LONGEST, "{} has {lines} lines", path.display());
    }
}

#[test]
fn core_has_no_clock_io_randomness_or_hash_order() {
    let banned = [
        "std::",
        "extern crate std",
        "HashMap",
        "HashSet",
        "Instant",
        "SystemTime",
        "getrandom",
        "thread_rng",
        "OsRng",
        "unsafe ",
        "println!",
        "dbg!",
        "todo!",
        "unimplemented!",
        "unreachable!",
        "panic!",
    ];
    for path in rust_files("core/src") {
        let text = read(&path);
        let tested = text.find("#[cfg(test)]").unwrap_or(text.len());
        for (at, line) in code(&text[..tested]) {
            for word in banned {
                assert!(!line.contains(word), "{}:{at}: {word}", path.display());
            }
        }
    }
    assert!(read("core/src/lib.rs").contains("#![no_std]"));
    assert!(read("Cargo.toml").contains("unsafe_code = \"forbid\""));
}

#[test]
fn drivers_read_clocks_in_one_file() {
    for path in ["drivers/shared/src", "drivers/link/src", "drivers/tokio/src", "drivers/smol/src"]
        .iter()
        .flat_map(|f| rust_files(f))
    {
        if path.ends_with("io/clock.rs") {
            continue;
        }
        for (at, line) in code(&read(&path)) {
            for clock in ["Instant::now", "SystemTime::now", "Timestamp::now", "Zoned::now", "UNIX_EPOCH"] {
                assert!(!line.contains(clock), "{}:{at}: {clock} belongs in io/clock.rs", path.display());
            }
        }
    }
}

#[test]
fn every_package_has_the_lints() {
    let workspace = read("Cargo.toml");
    for lint in ["missing_docs = \"warn\"", "unreachable_pub = \"warn\"", "unwrap_used = \"warn\""] {
        assert!(workspace.contains(lint), "the workspace has no {lint}");
    }
    let members = workspace.lines().find(|line| line.starts_with("members")).unwrap();
    for member in members.split('"').skip(1).step_by(2) {
        let manifest = read(root().join(member).join("Cargo.toml"));
        assert!(manifest.contains("[lints]\nworkspace = true"), "{member} does not take the workspace's lints");
        // The root file of a test has no interface to document.
        let sources = rust_files(member).into_iter().filter(|path| !path.iter().any(|part| part == "tests"));
        for path in sources {
            assert!(!read(&path).contains(&["allow(", "missing_docs"].concat()), "{}", path.display());
        }
    }
}

/// Names of values that are made here, and are displayed in logs as they are. Everything else may come from outside.
const MADE_HERE: [&str; 10] = [
    "address",
    "dialect",
    "info.id",
    "info.trace_id",
    "job",
    "job.info.id",
    "peer",
    "revocation.job",
    "session",
    "status",
];

/// The values that a line of code displays in a log: what follows a `%` outside text.
fn displayed(line: &str) -> impl Iterator<Item = &str> {
    let code = line.split('"').step_by(2);
    code.flat_map(|code| code.split('%').skip(1)).filter_map(|after| {
        let end = after.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '.').unwrap_or(after.len());
        (end > 0).then(|| &after[..end])
    })
}

#[test]
fn logs_display_values_from_outside_sanitized() {
    let found: Vec<_> = displayed(r#"warn!(%error, id = %Sanitized(&id), "{} % {}", a % b, x = %self.x);"#).collect();
    assert_eq!(found, ["error", "Sanitized", "self.x"]);
    for path in ["drivers/shared/src", "drivers/tokio/src", "drivers/smol/src"].iter().flat_map(|f| rust_files(f)) {
        let text = read(&path);
        for (at, line) in code(&text) {
            for value in displayed(line) {
                let safe = value == "Sanitized" || MADE_HERE.contains(&value);
                assert!(safe, "{}:{at}: {value} is logged without `Sanitized`", path.display());
            }
        }
    }
}
