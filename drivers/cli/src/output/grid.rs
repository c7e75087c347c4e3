//! Tables of text.

use std::borrow::Cow;

use console::{Alignment, Style, pad_str};

/// A heading and a line per row, with the first `columns` of them, as wide as their widest cell. The cells have nothing that
/// a terminal acts on; `style` is given the number of the column and a padded cell.
pub(crate) fn grid<const N: usize>(
    heading: [&str; N],
    rows: &[[Cow<'_, str>; N]],
    columns: usize,
    style: impl Fn(usize, &str) -> String,
) -> Vec<String> {
    let widths = heading.iter().enumerate().map(|(column, head)| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| console::measure_text_width(cell));
        cells.chain([head.len()]).max().unwrap_or_default()
    });
    let widths: Vec<usize> = widths.take(columns).collect();
    let head = line(heading.iter().copied(), &widths, |_, cell| Style::new().bold().apply_to(cell).to_string());
    let rows = rows.iter().map(|row| line(row.iter().map(AsRef::as_ref), &widths, &style));
    [head].into_iter().chain(rows).collect()
}

fn line<'a>(cells: impl Iterator<Item = &'a str>, widths: &[usize], style: impl Fn(usize, &str) -> String) -> String {
    let cells = cells.zip(widths).enumerate();
    let padded = cells.map(|(column, (cell, width))| {
        // Nothing follows the last one.
        let width = if column + 1 == widths.len() { 0 } else { *width };
        style(column, &pad_str(cell, width, Alignment::Left, None))
    });
    padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}
