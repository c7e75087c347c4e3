//! Labels: `NAME=VALUE`.

use std::str::FromStr;

/// The value of `--label`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Label {
    pub(super) name: String,
    pub(super) value: String,
}

impl FromStr for Label {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Label, &'static str> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok(Label { name: name.to_owned(), value: value.to_owned() }),
            _ => Err("write it as NAME=VALUE"),
        }
    }
}
