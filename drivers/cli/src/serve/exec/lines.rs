//! Cuts what a program writes into lines of bounded length; no IO.

/// Cuts a stream of bytes into lines, whatever the pieces it comes in. It holds no more than the longest line.
pub(super) struct Cutter {
    max: usize,
    long: Long,
    line: Vec<u8>,
    /// The rest of a line that was too long is passed over.
    skipping: bool,
}

/// What becomes of a line that is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Long {
    /// It is reported once and dropped as a whole: a part of a message is none.
    Dropped,
    /// It becomes several lines.
    Split,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// Without its end.
    Line(Vec<u8>),
    TooLong,
}

impl Cutter {
    /// Lines of at most `max` bytes, not counting their end.
    pub(super) fn new(max: usize, long: Long) -> Cutter {
        Cutter { max: max.max(1), long, line: Vec::new(), skipping: false }
    }

    /// The next line, and what of `input` comes after it; `None` when all of it was taken.
    pub(super) fn next(&mut self, input: &mut &[u8]) -> Option<Cut> {
        loop {
            let newline = input.iter().position(|byte| *byte == b'\n');
            let (piece, rest) = match newline {
                Some(at) => (&input[..at], &input[at + 1..]),
                None => (*input, &input[input.len()..]),
            };
            // A `\r` may yet turn out to belong to the line's end.
            let room = self.max - self.line.len().min(self.max);
            let fits = piece.strip_suffix(b"\r").unwrap_or(piece).len() <= room;
            if self.skipping {
                self.skipping = newline.is_none();
                *input = rest;
            } else if fits {
                self.line.extend_from_slice(piece);
                *input = rest;
                if newline.is_some() {
                    return Some(self.take());
                }
            } else if self.long == Long::Split {
                self.line.extend_from_slice(&piece[..room]);
                *input = &input[room..];
                return Some(self.take());
            } else {
                self.line = Vec::new();
                self.skipping = newline.is_none();
                *input = rest;
                return Some(Cut::TooLong);
            }
            if input.is_empty() {
                return None;
            }
        }
    }

    /// The stream has ended; its last line may have no end.
    pub(super) fn finish(&mut self) -> Option<Cut> {
        (!self.line.is_empty()).then(|| self.take())
    }

    fn take(&mut self) -> Cut {
        let mut line = std::mem::take(&mut self.line);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Cut::Line(line)
    }
}

#[cfg(test)]
mod tests {
    use super::{Cut, Cutter, Long};

    fn cut(max: usize, long: Long, pieces: &[&str]) -> Vec<Option<String>> {
        let mut cutter = Cutter::new(max, long);
        let mut cuts = Vec::new();
        for piece in pieces {
            let mut input = piece.as_bytes();
            while let Some(cut) = cutter.next(&mut input) {
                assert!(cutter.line.len() <= max + 1, "bounded");
                cuts.push(cut);
            }
            assert!(input.is_empty(), "all is taken");
        }
        cuts.extend(cutter.finish());
        let text = |cut| match cut {
            Cut::Line(line) => Some(String::from_utf8_lossy(&line).into_owned()),
            Cut::TooLong => None,
        };
        cuts.into_iter().map(text).collect()
    }

    fn lines(lines: &[&str]) -> Vec<Option<String>> {
        lines.iter().map(|line| Some((*line).to_owned())).collect()
    }

    #[test]
    fn pieces_make_no_difference() {
        let text = "one\r\ntwo\n\nthree";
        let whole = cut(5, Long::Dropped, &[text]);
        assert_eq!(whole, lines(&["one", "two", "", "three"]));
        let bytes: Vec<&str> = text.split_inclusive(|_| true).collect();
        assert_eq!(cut(5, Long::Dropped, &bytes), whole);
    }

    #[test]
    fn a_line_that_is_too_long_is_dropped_once_and_the_next_one_is_whole() {
        for pieces in [&["abcdef\nok\n"][..], &["abc", "def", "ghi", "\n", "ok\n"]] {
            assert_eq!(cut(5, Long::Dropped, pieces), [None, Some("ok".to_owned())], "{pieces:?}");
        }
    }

    #[test]
    fn the_longest_line_is_not_too_long() {
        assert_eq!(cut(5, Long::Dropped, &["abcde\r\n", "abcde", "\n", "abcde"]), lines(&["abcde", "abcde", "abcde"]));
    }

    #[test]
    fn text_is_split_where_nothing_may_be_lost() {
        assert_eq!(cut(3, Long::Split, &["abcdefg\nhi\n"]), lines(&["abc", "def", "g", "hi"]));
    }
}
