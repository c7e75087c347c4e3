//! Reads a configuration file, and says what is wrong with it: where, the key, the form that is expected, and an example.

use std::borrow::Cow;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::error::ServeError;
use super::file::{Agent, File};
use super::limits::Limits;
use super::pool::PoolOptions;
use super::security::Security;
use crate::similar;

/// A line for every key, under the table that has it.
const EXAMPLES: &str = include_str!("examples.toml");

/// The tables whose keys are flags.
const TABLES: [&str; 3] = ["pool", "security", "limits"];

/// The table of an agent in [`EXAMPLES`].
const AGENT: &str = "agents.report";

/// Reads a file.
pub(super) fn read(path: &Path) -> Result<File, ServeError> {
    let text =
        std::fs::read_to_string(path).map_err(|error| ServeError::FileUnreadable { path: path.to_owned(), error })?;
    toml::from_str(&text)
        .map_err(|error| ServeError::FileInvalid { path: path.to_owned(), complaint: complaint(&text, &error) })
}

/// Describes an error with its line and column. The line itself is left out, and so are values in the table of secrets.
fn complaint(text: &str, error: &toml::de::Error) -> String {
    let at = error.span().map_or(0, |span| text.floor_char_boundary(span.start));
    let before = &text[..at];
    let column = before.chars().rev().take_while(|character| *character != '\n').count() + 1;
    let line = before.matches('\n').count();
    let place = Place::find(text, at);
    let said = belongs(error.message()).unwrap_or_else(|| {
        let said = sentence(error.message(), is_secret(text, line, place.as_ref()));
        match &place {
            Some(place) => place.explain(&said),
            None => said,
        }
    });
    format!("line {}, column {column}: {said}", line + 1)
}

/// A key of the file.
struct Place<'a> {
    /// The table as in [`EXAMPLES`], or empty.
    table: &'static str,
    /// The key, or empty if it is not known, or if the place is the heading of a table.
    key: Cow<'a, str>,
}

impl<'a> Place<'a> {
    /// Finds the key whose value is at a position. `None` if a whole table is.
    fn find(text: &'a str, at: usize) -> Option<Place<'a>> {
        match DeTable::parse(text) {
            Ok(file) => {
                let path = path(file.get_ref(), at);
                let (table, key) = match &*path {
                    [first, _, key, ..] if first == "agents" => (AGENT, key),
                    [first] | [first, _] if first == "agents" => return None,
                    [first, rest @ ..] => match TABLES.into_iter().find(|table| table == first) {
                        Some(table) => (table, rest.first()?),
                        None => ("", first),
                    },
                    [] => return None,
                };
                Some(Place { table, key: key.clone().into() })
            }
            // It is not TOML, so the line is all there is.
            Err(_) => {
                let line = text[..at].rsplit('\n').next().unwrap_or_default().len();
                let line = text[at - line..].lines().next().unwrap_or_default();
                let key = line.split('=').next().unwrap_or_default().trim();
                if key.starts_with('[') {
                    return Some(Place { table: "limits", key: "".into() });
                }
                Some(Place { table: table_before(text, at), key: key.into() }.known())
            }
        }
    }

    /// This place, without its key if the file has no such key.
    fn known(self) -> Place<'a> {
        match self.line() {
            Some(_) => self,
            None => Place { table: "", key: "".into() },
        }
    }

    /// Its line in the examples.
    fn line(&self) -> Option<&'static str> {
        let mut table = "";
        EXAMPLES.lines().find(|line| {
            if let Some(name) = line.strip_prefix('[') {
                table = name.trim_end_matches(']');
            }
            let key = line.split_once(" = ").map(|(key, _)| key);
            table == self.table && key == Some(&*self.key)
        })
    }

    /// Adds the key and a line that would be accepted to what is wrong.
    fn explain(&self, said: &str) -> String {
        match self.line() {
            Some(line) => format!("{}: {said}; for example {line}", self.key),
            None if self.key.is_empty() && self.table.is_empty() => {
                format!("{said}; for example listen = \"127.0.0.1:7777\"")
            }
            None if self.key.is_empty() => format!("{said}; for example [{}]", self.table),
            // The file has no such key, as the sentence says.
            None => said.to_owned(),
        }
    }
}

/// Returns the keys that lead to the value at a position.
fn path(table: &DeTable<'_>, at: usize) -> Vec<String> {
    for (key, value) in table {
        let below = match value.get_ref() {
            DeValue::Table(table) => path(table, at),
            _ => Vec::new(),
        };
        if !below.is_empty() || value.span().contains(&at) || key.span().contains(&at) {
            return [vec![key.get_ref().clone().into_owned()], below].concat();
        }
    }
    Vec::new()
}

/// Returns the table whose heading is the last one before a position, as in [`EXAMPLES`].
fn table_before(text: &str, at: usize) -> &'static str {
    let heading = text[..at].lines().rev().map(str::trim).find(|line| line.starts_with('['));
    let name = heading.unwrap_or_default().trim_start_matches('[').split(']').next().unwrap_or_default().trim();
    let agent = name.starts_with("agents.").then_some(AGENT);
    TABLES.into_iter().find(|table| *table == name).or(agent).unwrap_or_default()
}

/// Whether a value may be a secret.
fn is_secret(text: &str, line: usize, place: Option<&Place<'_>>) -> bool {
    let heading = text.lines().take(line + 1).filter(|line| line.trim_start().starts_with('[')).last();
    let lines = [heading, text.lines().nth(line)];
    place.is_some_and(|place| place.table == "security")
        || lines.into_iter().flatten().any(|line| line.contains("security"))
}

/// Says what is wrong and what is expected. A value that may be a secret is left out.
fn sentence(message: &str, is_secret: bool) -> String {
    match message {
        "duplicate key" => return "the key is given twice; write it once".to_owned(),
        "string values must be quoted, expected literal string" => {
            return "there is no value, or a text that is not in quotes".to_owned();
        }
        "extra `=`, expected nothing" | "key with no value, expected `=`" => {
            return "a line must have a key, `=` and a value".to_owned();
        }
        "wanted string or table" => return "this is not a text in quotes".to_owned(),
        _ => {}
    }
    let message = &*similar::explain(message, "the keys are the names of the flags");
    let (found, expected) = match message.rsplit_once(", expected ") {
        Some((found, expected)) if message.starts_with("invalid") => (found, Some(expected)),
        _ => (message, None),
    };
    let found = if is_secret && found.contains("invalid") { "this value is not valid here" } else { found };
    let form = expected.map(|expected| match expected {
        "a sequence" => "an array",
        "a map" => "tables, such as [agents.report]",
        "a boolean" => "true or false",
        "a string" => "a text in quotes",
        "path string" => "a path in quotes",
        "an integer or string" | "parsable string" | "integer overflow" => "a size, such as \"64 KiB\"",
        "a nonzero u32" | "a nonzero u64" | "a nonzero usize" => "a whole number that is at least 1",
        "u32" | "u64" | "usize" => "a whole number",
        other => other,
    });
    let form = form.map(|form| format!(", expected {form}")).unwrap_or_default();
    let example = if found == "missing field `command`" { "; write command = \"python3 agent.py\"" } else { "" };
    format!("{found}{form}{example}")
}

/// Says where a key belongs that is not valid where it is, if another part of the file has it.
fn belongs(message: &str) -> Option<String> {
    let key = message.strip_prefix("unknown field `")?.split('`').next()?;
    let parts = [
        ("in [security]", flags::<Security>()),
        ("in [pool]", flags::<PoolOptions>()),
        ("in [limits]", flags::<Limits>()),
        ("in the table of an agent, such as [agents.report]", keys::<Agent>()),
        ("at the beginning of the file, before the first table", keys::<File>()),
    ];
    let (part, _) = parts.into_iter().find(|(_, keys)| keys.iter().any(|known| known == key))?;
    Some(format!("{key} does not belong here, but {part}"))
}

/// The keys of a table whose keys are flags.
fn flags<T: clap::Args>() -> Vec<String> {
    let command = T::augment_args(clap::Command::new("nuncio"));
    command.get_arguments().filter_map(clap::Arg::get_long).map(str::to_owned).collect()
}

/// The keys of another part of the file. An unknown key makes `serde` name them.
fn keys<T: serde::de::DeserializeOwned>() -> Vec<String> {
    let Err(error) = toml::from_str::<T>("no-such-key = 0") else { return Vec::new() };
    // The first one that it names is the unknown key.
    error.message().split('`').skip(1).step_by(2).skip(1).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::{AGENT, Agent, File, Limits, Place, PoolOptions, Security, TABLES, complaint, flags, keys};

    /// Every key, and the table that has it.
    fn all() -> Vec<(&'static str, String)> {
        let top = keys::<File>().into_iter().filter(|key| ![&TABLES[..], &["agents"]].concat().contains(&&**key));
        let tables = [
            ("", top.collect()),
            ("pool", flags::<PoolOptions>()),
            ("security", flags::<Security>()),
            ("limits", flags::<Limits>()),
            (AGENT, keys::<Agent>()),
        ];
        tables.into_iter().flat_map(|(table, keys)| keys.into_iter().map(move |key| (table, key))).collect()
    }

    fn file(table: &str, lines: &str) -> String {
        let command = if table == AGENT && !lines.contains("command") { "command = \"sh\"\n" } else { "" };
        let heading = if table.is_empty() { String::new() } else { format!("[{table}]\n") };
        format!("{heading}{lines}\n{command}")
    }

    #[test]
    fn every_key_has_an_example_that_is_accepted() {
        for (table, key) in all() {
            let example = Place { table, key: key.as_str().into() }.line();
            let example = example.unwrap_or_else(|| panic!("{key} in [{table}] has an example"));
            if let Err(error) = toml::from_str::<File>(&file(table, example)) {
                panic!("{example}: {error}");
            }
        }
    }

    #[test]
    fn an_error_names_the_key_its_line_and_an_example_that_is_accepted() {
        for (table, key) in all() {
            let example = Place { table, key: key.as_str().into() }.line().expect("an example");
            let line = if table.is_empty() { 1 } else { 2 };
            let mut complaints = 0;
            for wrong in ["-1", "7777", "\"\"", "\"?\"", "[\"?\"]", "{ x = 1 }", "true", "?", ""] {
                let text = file(table, &format!("{key} = {wrong}"));
                let Err(error) = toml::from_str::<File>(&text) else { continue };
                complaints += 1;
                let said = complaint(&text, &error);
                let told = said.starts_with(&format!("line {line}, column ")) && said.contains(&key);
                assert!(told && said.ends_with(&format!("; for example {example}")), "{text}: {said}");
                assert!(!said.contains("string or table") && !said.contains("overflow"), "{text}: {said}");
            }
            assert!(complaints >= 4, "{key}");
        }
    }

    #[test]
    fn a_line_that_is_no_toml_is_reported_with_an_example() {
        for (text, said) in [
            (
                "= =\n",
                "line 1, column 3: a line must have a key, `=` and a value; for example listen = \"127.0.0.1:7777\"",
            ),
            (
                "[limits]\njobs = = 1\n",
                "line 2, column 8: jobs: a line must have a key, `=` and a value; for example jobs = 100000",
            ),
            ("[limits\njobs = 1\n", "line 1, column 8: unclosed table, expected `]`; for example [limits]"),
            ("path\n", "line 1, column 5: path: a line must have a key, `=` and a value; for example path = \"/arcp\""),
            (
                "[limits]\njobs = 1\njobs = 2\n",
                "line 3, column 1: jobs: the key is given twice; write it once; for example jobs = 100000",
            ),
            (
                "limits = { jobs = -1 }\n",
                "line 1, column 19: jobs: invalid value: integer `-1`, expected a whole number that is at least 1; for example jobs = 100000",
            ),
            (
                "ask = [\n  \"tool.call=x\",\n  \"y\",\n]\n",
                "line 1, column 7: ask: write it as NAMESPACE=PATTERN, such as tool.call=payments.*; for example ask = [\"tool.call=payments.*\"]",
            ),
        ] {
            let error = toml::from_str::<File>(text).expect_err(text);
            assert_eq!(complaint(text, &error), said);
        }
    }

    #[test]
    fn a_secret_is_left_out() {
        for text in [
            "[security]\ntoken = \"s3cret=alice\"\n",
            "security = { token = \"s3cret=alice\" }\n",
            "security.token = \"s3cret=alice\"\n",
            "[security]\ntoken = [\n  \"s3cret\",\n]\n",
            "[security]\ntoken = s3cret\n",
        ] {
            let error = toml::from_str::<File>(text).expect_err(text);
            assert!(!complaint(text, &error).contains("s3cret"), "{}", complaint(text, &error));
        }
    }
}
