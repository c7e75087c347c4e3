//! The numbers of all rounds: as a table, as JSON and as a plot.

use std::fs;
use std::path::Path;

use plotters::prelude::*;
use serde_json::{Value, json};

use crate::Result;
use crate::measure::{Better, Column, Measure};

/// The numbers of all sides.
pub(crate) struct Report {
    sides: Vec<String>,
    rows: Vec<Row>,
}

/// One column of a measurement: the numbers of each side.
struct Row {
    measure: Measure,
    column: Column,
    values: Vec<Vec<f64>>,
}

/// The median, the least and the most.
#[derive(Clone, Copy)]
struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

impl Spread {
    fn of(values: &[f64]) -> Option<Spread> {
        let mut values = values.to_vec();
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        Some(Spread { median: *values.get(values.len() / 2)?, least, most })
    }
}

impl Row {
    fn spread(&self, side: usize) -> Option<Spread> {
        self.values.get(side).and_then(|values| Spread::of(values))
    }

    /// Returns how many times a side is as good as another one.
    fn ratio(&self, side: usize, other: usize) -> Option<f64> {
        let (ours, theirs) = (self.spread(side)?.median, self.spread(other)?.median);
        let ratio = match self.column.better {
            Better::More => ours / theirs,
            Better::Less => theirs / ours,
            Better::Alone => return None,
        };
        (side != other && ratio.is_finite()).then_some(ratio)
    }
}

impl Report {
    pub(crate) fn new(sides: Vec<String>) -> Report {
        Report { sides, rows: Vec::new() }
    }

    /// Adds what a side has returned in a round.
    pub(crate) fn add(&mut self, side: usize, measure: Measure, values: &[f64]) {
        for (&column, &value) in measure.columns().iter().zip(values) {
            let known = self.rows.iter().position(|row| row.column == column);
            let at = known.unwrap_or_else(|| {
                self.rows.push(Row { measure, column, values: vec![Vec::new(); self.sides.len()] });
                self.rows.len() - 1
            });
            if let Some(values) = self.rows.get_mut(at).and_then(|row| row.values.get_mut(side)) {
                values.push(value);
            }
        }
    }

    /// Returns the side that the others are compared with, if it was measured.
    fn side(&self, name: &str) -> Option<usize> {
        self.sides.iter().position(|side| side == name)
    }

    /// Prints the rows of a measurement.
    pub(crate) fn print(&self, measure: Measure) {
        for row in self.rows.iter().filter(|row| row.measure == measure) {
            println!("{}", row.column.name);
            println!("  {:<32} {:>12} {:>12} {:>12}  {:>9} {:>9}", "", "median", "min", "max", "x floor", "x python");
            for (number, side) in self.sides.iter().enumerate() {
                let Some(Spread { median, least, most }) = row.spread(number) else { continue };
                let [floor, python] = ["floor", "python"].map(|other| {
                    let ratio = self.side(other).and_then(|other| row.ratio(number, other));
                    ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"))
                });
                println!("  {side:<32} {median:>12.1} {least:>12.1} {most:>12.1}  {floor:>9} {python:>9}");
            }
        }
    }

    pub(crate) fn write_json(&self, file: &Path) -> Result<()> {
        let rows: Vec<Value> = self.rows.iter().map(|row| self.row_json(row)).collect();
        Ok(fs::write(file, serde_json::to_string_pretty(&json!({ "measurements": rows }))? + "\n")?)
    }

    fn row_json(&self, row: &Row) -> Value {
        let sides = self.sides.iter().enumerate().filter_map(|(number, side)| {
            let Spread { median, least, most } = row.spread(number)?;
            let [floor, python] =
                ["floor", "python"].map(|other| self.side(other).and_then(|other| row.ratio(number, other)));
            Some(json!({
                "side": side, "median": median, "min": least, "max": most, "times_floor": floor, "times_python": python,
                "rounds": row.values.get(number),
            }))
        });
        json!({ "name": row.column.name, "more_is_better": row.column.better == Better::More, "sides": sides.collect::<Vec<_>>() })
    }

    /// Draws how many times as good as the floor each side is, on a logarithmic scale.
    pub(crate) fn write_plot(&self, file: &Path) -> Result<()> {
        let floor = self.side("floor").ok_or("there is no floor to compare with")?;
        let sides: Vec<usize> = (0..self.sides.len()).filter(|side| *side != floor).collect();
        let rows: Vec<&Row> =
            self.rows.iter().filter(|row| sides.iter().any(|side| row.ratio(*side, floor).is_some())).collect();
        let ratios = rows.iter().flat_map(|row| sides.iter().filter_map(|side| row.ratio(*side, floor)));
        let (least, most) = ratios.fold((0.1_f64, 1.0_f64), |(least, most), ratio| (least.min(ratio), most.max(ratio)));
        let bars = u32::try_from(rows.len() * (sides.len() + 1))?;
        let root = SVGBackend::new(file, (900, 90 + 22 * bars)).into_drawing_area();
        let drawn = self.draw(&root, &rows, &sides, floor, least / 1.5..most * 1.5);
        drawn.map_err(|error| format!("{} cannot be drawn: {error}", file.display()))?;
        Ok(())
    }

    fn draw(
        &self,
        root: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
        rows: &[&Row],
        sides: &[usize],
        floor: usize,
        range: std::ops::Range<f64>,
    ) -> std::result::Result<(), DrawingAreaErrorKind<std::io::Error>> {
        root.fill(&WHITE)?;
        let slots = rows.len() * (sides.len() + 1);
        let mut chart = ChartBuilder::on(root)
            .caption(
                "speed as a multiple of the bare transport: tungstenite alone, the same frames",
                ("sans-serif", 18),
            )
            .margin(10)
            .x_label_area_size(35)
            .build_cartesian_2d(range.clone().log_scale(), 0..slots)?;
        chart.configure_mesh().disable_y_mesh().disable_y_axis().x_desc("more is better, logarithmic").draw()?;
        let mut slot = slots;
        for row in rows {
            slot -= 1;
            chart.draw_series([Text::new(row.column.name, (range.start, slot + 1), ("sans-serif", 14))])?;
            for &side in sides {
                slot -= 1;
                let Some(ratio) = row.ratio(side, floor) else { continue };
                let colour = Palette99::pick(side).mix(0.7);
                chart.draw_series([Rectangle::new([(range.start, slot), (ratio, slot + 1)], colour.filled())])?;
                let text = format!("{} {ratio:.2}", self.sides.get(side).map_or("", String::as_str));
                chart.draw_series([Text::new(text, (range.start * 1.05, slot + 1), ("sans-serif", 13))])?;
            }
        }
        root.present()
    }
}
