//! JSON that is given on the command line, in a file, or on stdin.

use std::io::{IsTerminal as _, Read as _};
use std::path::PathBuf;
use std::str::FromStr;

use nuncio_tokio::arcp::Json;

use crate::error::Error;
use crate::files;
use crate::text::eprint_line;

/// Bytes of a file or of stdin that are read; no frame can hold more.
const MAX_INPUT: u64 = 64 << 20;

/// A JSON text, or where to read it: the value of an option `JSON|@FILE|-`.
#[derive(Clone, Debug)]
pub(crate) enum Document {
    Inline(Box<Json>),
    File(PathBuf),
    Stdin,
}

impl FromStr for Document {
    type Err = String;

    fn from_str(text: &str) -> Result<Document, String> {
        match text.strip_prefix('@') {
            Some("-") => Ok(Document::Stdin),
            Some("") => Err("the file's name is missing; write @FILE".to_owned()),
            Some(path) => Ok(Document::File(path.into())),
            None if text == "-" => Ok(Document::Stdin),
            None => serde_json::from_str(text).map(Document::Inline).map_err(|error| {
                format!("this {}; write a text with its quotes, as '\"text\"', and a file as @FILE", not_json(&error))
            }),
        }
    }
}

impl Document {
    /// Reads the JSON that was given with an option. May block for ever if it comes from stdin.
    pub(crate) fn read(&self, flag: &str) -> Result<Box<Json>, Error> {
        let (name, text) = match self {
            Document::Inline(json) => return Ok(json.clone()),
            Document::File(path) => {
                let (name, mut text) = (path.display().to_string(), String::new());
                let read = std::fs::File::open(path).and_then(|file| file.take(MAX_INPUT).read_to_string(&mut text));
                read.map_err(|error| {
                    Error::Usage(format!("{flag}: cannot read {name}: {error}{}", files::advice(&error)))
                })?;
                (name, text)
            }
            Document::Stdin => {
                if std::io::stdin().is_terminal() {
                    eprint_line(&format!("type the JSON for {flag}, then press Ctrl-D on an empty line"));
                }
                ("stdin".to_owned(), read_stdin(flag)?)
            }
        };
        parse(flag, &name, &text)
    }

    /// Reads the JSON of an option that was not given: what is on stdin, or `null` if there is nothing or stdin is a terminal.
    pub(crate) fn read_default(flag: &str) -> Result<Box<Json>, Error> {
        if std::io::stdin().is_terminal() {
            return Ok(Json::NULL.to_owned());
        }
        match read_stdin(flag)? {
            text if text.trim().is_empty() => Ok(Json::NULL.to_owned()),
            text => parse(flag, "stdin", &text),
        }
    }
}

fn read_stdin(flag: &str) -> Result<String, Error> {
    let mut text = String::new();
    let read = std::io::stdin().take(MAX_INPUT).read_to_string(&mut text);
    read.map_err(|error| Error::Usage(format!("{flag}: cannot read stdin: {error}")))?;
    Ok(text)
}

/// Says where a text stops being JSON.
pub(crate) fn not_json(error: &serde_json::Error) -> String {
    match (error.is_eof(), error.line()) {
        (true, _) => "is not JSON, because its end is missing".to_owned(),
        (false, 0) => "is not JSON".to_owned(),
        (false, line) => format!("is not JSON: line {line}, column {}", error.column()),
    }
}

fn parse(flag: &str, name: &str, text: &str) -> Result<Box<Json>, Error> {
    serde_json::from_str(text).map_err(|error| {
        Error::Usage(format!("{flag}: {name} {}; a text has quotes around it, as in \"text\"", not_json(&error)))
    })
}
