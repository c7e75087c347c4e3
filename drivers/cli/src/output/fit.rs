//! Tables that fit a terminal.

use std::borrow::Cow;

use console::{measure_text_width, truncate_str};

use super::grid::grid;

/// The characters that are left of an id at least.
const LEAST_ID: usize = 14;
/// The columns that are always shown: an id, a name and a status.
const KEPT: usize = 3;

/// A column whose cells may be cut off, and the width that it keeps.
pub(crate) type Soft = (usize, usize);

/// A heading and a line per row, in at most `terminal` columns. If they do not fit in full, the ids in the first column are
/// shortened to what tells them apart. If that is not enough, cells of the `soft` columns are cut off, in their order, and then
/// columns are left out, the last one first.
pub(crate) fn fit<const N: usize>(
    heading: [&str; N],
    mut rows: Vec<[Cow<'_, str>; N]>,
    columns: usize,
    terminal: Option<usize>,
    soft: &[Soft],
    style: impl Fn(usize, &str) -> String,
) -> Vec<String> {
    let full = grid(heading, &rows, columns, &style);
    let Some(terminal) = terminal.filter(|terminal| full.iter().any(|line| measure_text_width(line) > *terminal))
    else {
        return full;
    };
    shorten(&mut rows);
    for columns in (KEPT..=columns).rev() {
        let mut over = width(heading, &rows, columns).saturating_sub(terminal);
        for &(column, least) in soft.iter().filter(|(column, _)| *column < columns) {
            over = cut(&mut rows, column, least, over, columns == KEPT);
        }
        if over == 0 || columns == KEPT {
            let lines = grid(heading, &rows, columns, &style);
            return lines.iter().map(|line| truncate_str(line, terminal, "").into_owned()).collect();
        }
    }
    full
}

/// The width of the rows with so many columns.
fn width<const N: usize>(heading: [&str; N], rows: &[[Cow<'_, str>; N]], columns: usize) -> usize {
    grid(heading, rows, columns, |_, cell| cell.to_owned())
        .iter()
        .map(|line| measure_text_width(line))
        .max()
        .unwrap_or(0)
}

/// Cuts off the cells of a column by as much as rows are too wide. Returns by how much they are still too wide, in which case
/// nothing is cut off unless `anyway`.
fn cut<const N: usize>(
    rows: &mut [[Cow<'_, str>; N]],
    column: usize,
    least: usize,
    over: usize,
    anyway: bool,
) -> usize {
    let widest = rows.iter().filter_map(|row| row.get(column)).map(|cell| measure_text_width(cell)).max().unwrap_or(0);
    let possible = over.min(widest.saturating_sub(least));
    if possible == 0 || possible < over && !anyway {
        return over;
    }
    for cell in rows.iter_mut().filter_map(|row| row.get_mut(column)) {
        *cell = truncate_str(cell, widest - possible, "…").into_owned().into();
    }
    over - possible
}

/// Shortens the ids in the first column to as many characters as tell them apart.
fn shorten<const N: usize>(rows: &mut [[Cow<'_, str>; N]]) {
    let mut ids: Vec<&str> = rows.iter().filter_map(|row| row.first()).map(AsRef::as_ref).collect();
    ids.sort_unstable();
    let shared = |pair: &[&str]| match pair {
        [one, other] => one.chars().zip(other.chars()).take_while(|(one, other)| one == other).count(),
        _ => 0,
    };
    let shown = ids.windows(2).map(|pair| shared(pair) + 1).max().unwrap_or_default().max(LEAST_ID);
    for id in rows.iter_mut().filter_map(|row| row.first_mut()) {
        *id = id.chars().take(shown).collect::<String>().into();
    }
}

#[cfg(test)]
mod tests {
    use super::{Cow, fit, measure_text_width};

    const HEADING: [&str; 4] = ["JOB", "AGENT", "STATUS", "ERROR"];

    fn rows() -> Vec<[Cow<'static, str>; 4]> {
        let first = ["job_01KAJ6Y3M2Q4T5V6W7X8Y9Z0AB", "weekly-report", "cancelling", ""];
        let last = ["job_01KAJ6Y3M2Q4T6V6W7X8Y9Z0AB", "echo", "error", "AGENT_FAILED: the printer has no paper"];
        [first, last].map(|row| row.map(Cow::Borrowed)).into()
    }

    fn lines(columns: usize) -> String {
        console::set_colors_enabled(false);
        fit(HEADING, rows(), 4, Some(columns), &[(3, 14), (1, 5)], |_, cell| cell.to_owned()).join("\n")
    }

    #[test]
    fn ids_are_shortened_first_to_what_tells_them_apart() {
        insta::assert_snapshot!(lines(90), @r"
        JOB                 AGENT          STATUS      ERROR
        job_01KAJ6Y3M2Q4T5  weekly-report  cancelling
        job_01KAJ6Y3M2Q4T6  echo           error       AGENT_FAILED: the printer has no paper
        ");
        insta::assert_snapshot!(lines(70), @r"
        JOB                 AGENT          STATUS      ERROR
        job_01KAJ6Y3M2Q4T5  weekly-report  cancelling
        job_01KAJ6Y3M2Q4T6  echo           error       AGENT_FAILED: the prin…
        ");
    }

    #[test]
    fn a_status_is_readable_on_a_narrow_terminal() {
        insta::assert_snapshot!(lines(40), @r"
        JOB                 AGENT     STATUS
        job_01KAJ6Y3M2Q4T5  weekly-…  cancelling
        job_01KAJ6Y3M2Q4T6  echo      error
        ");
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_and_no_heading_is_cut_off_with_an_ellipsis() {
        for columns in 1..120 {
            let lines = lines(columns);
            assert!(lines.lines().all(|line| measure_text_width(line) <= columns), "{columns}: {lines}");
            assert!(!lines.lines().next().unwrap_or_default().contains('…'), "{columns}: {lines}");
        }
    }
}
