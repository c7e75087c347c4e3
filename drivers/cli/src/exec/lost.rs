//! Lines of a program that may have been meant as messages, and are none. No IO.

/// The members that messages have.
pub(crate) const MEMBERS: [&str; 12] = [
    "id",
    "kind",
    "body",
    "reservation",
    "result",
    "chunk",
    "error",
    "authorize",
    "delegate",
    "reserve",
    "release",
    "ask",
];

/// The members that say how the job ends.
pub(crate) const OF_ENDING: [&str; 3] = ["result", "chunk", "error"];

/// Whether a line that is not JSON was meant as a message: it begins with a member of messages, or has one that says how the
/// job ends.
pub(crate) fn is_message(line: &str) -> bool {
    let quoted = |name: &&str| first_name(line, "\"").is_some_and(|rest| follows(rest, name, "\""));
    MEMBERS.iter().any(quoted) || names_ending(line)
}

/// Why a line that says how the job ends as another language writes it is not JSON. Without the other messages, the job ends
/// in the same way, so that such lines are text.
pub(crate) fn other_notation(line: &str) -> Option<&'static str> {
    // Python prints a dictionary so, and Node.js an object.
    let in_single = |name: &&str| first_name(line, "'").is_some_and(|rest| follows(rest, name, "'"));
    let bare = |name: &&str| first_name(line, "").is_some_and(|rest| is_named(rest, name));
    if OF_ENDING.iter().any(in_single) {
        return Some("JSON has double quotes, not single ones");
    }
    OF_ENDING.iter().any(bare).then_some("JSON has its names in double quotes")
}

/// What follows `{` and a quote.
fn first_name<'a>(line: &'a str, quote: &str) -> Option<&'a str> {
    line.strip_prefix('{')?.trim_start().strip_prefix(quote)
}

fn follows(rest: &str, name: &str, quote: &str) -> bool {
    rest.strip_prefix(name).is_some_and(|rest| rest.starts_with(quote))
}

fn is_named(rest: &str, name: &str) -> bool {
    rest.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with(':'))
}

/// Whether an object, which need not be JSON, has a member of its own that says how the job ends.
fn names_ending(object: &str) -> bool {
    let (mut depth, mut quote, mut escaped) = (0_usize, None, false);
    for (at, byte) in object.bytes().enumerate() {
        match (quote, byte) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), b'\\') => escaped = true,
            (Some(start), b'"') => {
                let is_name = depth == 1 && object[at + 1..].trim_start().starts_with(':');
                if is_name && OF_ENDING.contains(&&object[start..at]) {
                    return true;
                }
                quote = None;
            }
            (None, b'"') => quote = Some(at + 1),
            (None, b'{' | b'[') => depth += 1,
            (None, b'}' | b']') => depth = depth.saturating_sub(1),
            (Some(_) | None, _) => {}
        }
    }
    false
}

/// Finds messages that a program writes as JSON over several lines, of which no line is a message.
#[derive(Debug, Default)]
pub(crate) struct Spread(Place);

/// Where the next line is.
#[derive(Clone, Copy, Debug, Default)]
enum Place {
    #[default]
    Outside,
    /// After a line that is `{`.
    Opened,
    /// In an object whose members have this indentation.
    Within(usize),
}

impl Spread {
    /// Takes the next line, and returns whether it begins a member that says how the job ends.
    pub(crate) fn is_lost(&mut self, line: &[u8]) -> bool {
        let line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line).trim_ascii_end();
        let rest = line.trim_ascii_start();
        let indentation = line.len() - rest.len();
        self.0 = match (self.0, line) {
            (place, b"") => place,
            (_, b"{") => Place::Opened,
            (Place::Opened | Place::Within(_), b"}") => Place::Outside,
            (Place::Opened, _) => Place::Within(indentation),
            (place, _) => place,
        };
        let begins = |quote: &[u8], name: &str| {
            let after = rest.strip_prefix(quote)?.strip_prefix(name.as_bytes())?.strip_prefix(quote)?;
            Some(after.trim_ascii_start().starts_with(b":"))
        };
        let mut forms = OF_ENDING.iter().flat_map(|name| ["\"", "'", ""].map(|quote| begins(quote.as_bytes(), name)));
        matches!(self.0, Place::Within(members) if members == indentation) && forms.any(|begins| begins == Some(true))
    }
}

#[cfg(test)]
mod tests {
    use super::{Spread, is_message, other_notation};

    #[test]
    fn a_line_begins_as_a_message_or_says_how_the_job_ends() {
        for line in [
            r#"{"id":1,"result":NaN}"#,
            r#"{"id":1,"delegate":{"agent":"x","input":NaN}}"#,
            r#"{ "result" : NaN"#,
            r#"{"score":NaN,"result":1}"#,
            r#"{"a":"}\"","b":[{}],"chunk" :"#,
        ] {
            assert!(is_message(line), "{line}");
        }
        for line in
            [r#"{"loss":NaN}"#, r#"{"a":{"result":NaN}}"#, r#"{"a":NaN,"b":"result"}"#, r#"{"a":"\"result\":1""#, "{"]
        {
            assert!(!is_message(line), "{line}");
        }
    }

    #[test]
    fn other_languages_write_objects_in_other_notations() {
        assert!(other_notation("{'result': 1}").is_some_and(|why| why.contains("single")));
        assert!(other_notation("{ result : 1}").is_some_and(|why| why.contains("names")));
        for line in ["{results: 1}", "{result}", "{a: {result: 1}}", "result: 1", "{'kind': 'log'}", "{}"] {
            assert_eq!(other_notation(line), None, "{line}");
        }
    }

    fn lost(text: &str) -> Vec<usize> {
        let mut spread = Spread::default();
        text.lines().enumerate().filter_map(|(at, line)| spread.is_lost(line.as_bytes()).then_some(at)).collect()
    }

    #[test]
    fn a_message_over_several_lines_is_found_by_its_own_members() {
        assert_eq!(lost("{\n  \"result\": {\n    \"error\": 1\n  }\n}"), [1]);
        assert_eq!(lost("text\n{\r\n\n\t\"id\": 1,\n\t\"result\": NaN\n}\n"), [4]);
        assert_eq!(lost("\u{feff}{\n  result: [\n"), [1]);
        assert_eq!(lost("{\n'error': 1\n}"), [1]);
        for text in [
            "\"result\": 1",
            "{\n  \"a\": {\n    \"error\": null\n  }\n}",
            "{\n  \"a\": 1\n}\n  \"result\": 1",
            "[\n  {\n    \"result\": 1\n  }\n]",
            "{\n  the result: 1\n  result is 1\n}",
        ] {
            assert!(lost(text).is_empty(), "{text}");
        }
    }
}
