//! Names that a user may have meant.

/// How many mistakes a similar name has at most.
const MISTAKES: usize = 2;
/// How many names a message lists.
const LISTED: usize = 5;

/// Explains what `serde` says of an unknown member of an object, whose names it lists all: the one that was probably meant
/// takes their place, or `otherwise` if there are many. Other messages stay as they are.
pub(crate) fn explain(message: &str, otherwise: &str) -> String {
    let Some((unknown, expected)) =
        message.strip_prefix("unknown field `").and_then(|rest| rest.rsplit_once("`, expected "))
    else {
        return message.to_owned();
    };
    let names: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
    match similar(unknown, &names) {
        Some(name) => format!("unknown field `{unknown}` (did you mean `{name}`?)"),
        None if names.len() > LISTED => format!("unknown field `{unknown}`; {otherwise}"),
        None => message.to_owned(),
    }
}

/// Returns the most similar one of these names, if one is similar.
fn similar<'a>(word: &str, names: &[&'a str]) -> Option<&'a str> {
    let most = MISTAKES.min(word.chars().count() / 3);
    let near = names.iter().map(|name| (mistakes(word, name), *name)).filter(|(mistakes, _)| *mistakes <= most);
    near.min_by_key(|(mistakes, _)| *mistakes).map(|(_, name)| name)
}

/// Returns how many characters are wrong, missing or too many. Two that are swapped count as one.
fn mistakes(word: &str, name: &str) -> usize {
    let name: Vec<char> = name.chars().collect();
    let mut rows = [Vec::new(), (0..=name.len()).collect::<Vec<usize>>()];
    let mut before = None;
    for (at, typed) in word.chars().enumerate() {
        let [earlier, last] = &rows;
        let mut row = vec![at + 1];
        for (column, meant) in name.iter().enumerate() {
            let cell = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX - 1);
            let replaced = cell(last, column) + usize::from(typed != *meant);
            let added = cell(last, column + 1).min(cell(&row, column)) + 1;
            let is_swapped = column > 0 && before == Some(*meant) && name.get(column - 1) == Some(&typed);
            let swapped = if is_swapped { cell(earlier, column - 1) + 1 } else { usize::MAX };
            row.push(replaced.min(added).min(swapped));
        }
        let [_, last] = rows;
        rows = [last, row];
        before = Some(typed);
    }
    rows[1].last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{explain, mistakes};

    #[test]
    fn mistakes_are_counted() {
        for (word, name, count) in [
            ("listen", "listen", 0),
            ("lissen", "listen", 1),
            ("resutl", "result", 1),
            ("resul", "result", 1),
            ("", "ask", 3),
            ("askk", "ask", 1),
        ] {
            assert_eq!(mistakes(word, name), count, "{word}");
        }
    }

    #[test]
    fn the_name_that_was_meant_takes_the_place_of_the_list() {
        let said =
            |word: &str, names: &str| explain(&format!("unknown field `{word}`, expected {names}"), "see the help");
        let many = "one of `listen`, `path`, `watch`, `metrics`, `console`, `stdio`";
        assert_eq!(said("lissen", many), "unknown field `lissen` (did you mean `listen`?)");
        assert_eq!(said("colour", many), "unknown field `colour`; see the help");
        assert_eq!(said("x", many), "unknown field `x`; see the help");
        assert_eq!(said("colour", "`base64`"), "unknown field `colour`, expected `base64`");
        assert_eq!(said("a`, expected `b", many), "unknown field `a`, expected `b`; see the help");
        assert_eq!(explain("missing field `a`", ""), "missing field `a`");
    }
}
