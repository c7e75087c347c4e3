//! Questions to people: which answers fit, and a typed answer as a value.

use nuncio_tokio::arcp::{AskedQuestion, Json};

use crate::document::not_json;

/// Says which answers fit a question.
pub(crate) fn expected(question: &AskedQuestion) -> String {
    let kind = match (&question.choices, &question.schema) {
        (Some(choices), _) => choices.join(" | "),
        (None, Some(schema)) => format!("JSON that fits {}", schema.as_str()),
        (None, None) => "any text".to_owned(),
    };
    let default = question.default.as_ref().map(|value| format!(", otherwise {}", value.as_str())).unwrap_or_default();
    let until = question.expires_at.as_deref().map(|at| format!(", until {at}")).unwrap_or_default();
    format!("{kind}{default}{until}")
}

/// Returns the value that a typed answer stands for: a text, or JSON if the question has a schema. The runtime checks
/// whether it fits.
pub(crate) fn value_of(question: &AskedQuestion, typed: &str) -> Result<Box<Json>, String> {
    if question.schema.is_some() {
        return serde_json::from_str(typed).map_err(|error| {
            format!(
                "the answer to {} {}; write a text with its quotes, as '\"text\"'",
                question.question_id,
                not_json(&error)
            )
        });
    }
    serde_json::value::to_raw_value(typed).map_err(|error| error.to_string())
}
