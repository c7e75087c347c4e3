//! Lines on a terminal that are drawn again.

use std::io;

use console::Term;

use crate::output::terminal;

/// The lines that were shown last.
pub(super) struct Screen {
    term: Term,
    redraws: bool,
    lines: Vec<String>,
}

impl Screen {
    /// Redraws a terminal, if that is wanted and stdout is one.
    pub(super) fn new(redraws: bool) -> Screen {
        let term = Term::stdout();
        Screen { redraws: redraws && terminal::can_redraw(&term), term, lines: Vec::new() }
    }

    /// Returns whether a terminal is redrawn. Otherwise what has changed is printed.
    pub(super) fn redraws(&self) -> bool {
        self.redraws
    }

    /// Keeps the lines where they are, because other lines follow them on the terminal: the next lines are drawn below those.
    pub(super) fn leave(&mut self) {
        if self.redraws {
            self.lines.clear();
        }
    }

    pub(super) fn draw(&mut self, mut lines: Vec<String>) -> io::Result<()> {
        if self.redraws {
            self.fit(&mut lines);
        }
        if lines == self.lines {
            return Ok(());
        }
        if self.redraws {
            self.term.clear_last_lines(self.lines.len())?;
        } else if !self.lines.is_empty() {
            self.term.write_line("")?;
        }
        for line in &lines {
            self.term.write_line(line)?;
        }
        self.term.flush()?;
        self.lines = lines;
        Ok(())
    }

    /// Fits lines to the terminal: a line that scrolled away or wrapped could not be replaced. The newest jobs, which are the
    /// first, stay.
    fn fit(&self, lines: &mut Vec<String>) {
        let (rows, columns) = self.term.size();
        let room = usize::from(rows).saturating_sub(1).max(2);
        if lines.len() > room {
            let hidden = lines.len() - room + 1;
            lines.truncate(room - 1);
            lines.push(format!("… {hidden} older jobs"));
        }
        for line in lines {
            *line = console::truncate_str(line, usize::from(columns).max(8), "…").into_owned();
        }
    }
}
