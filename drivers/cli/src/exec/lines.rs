//! Splits what a program writes into lines of bounded length, without IO.

/// Splits a stream of bytes into lines, however the stream is cut into pieces. It holds at most one line.
pub(crate) struct LineSplitter {
    max: usize,
    long: LongLine,
    line: Vec<u8>,
    /// Whether the bytes up to the next line break belong to a line that was dropped.
    skipping: bool,
}

/// What happens to a line that is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LongLine {
    /// It is dropped and reported once. For messages, of which a part is useless.
    Drop,
    /// It becomes several lines.
    Split,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// A line without its line break.
    Complete(Vec<u8>),
    /// The beginning of a line that was dropped.
    TooLong(Vec<u8>),
}

/// Bytes of a line that is too long of which the beginning is known.
const BEGINNING: usize = 64;

impl LineSplitter {
    /// Splits into lines of at most `max` bytes without their line break.
    pub(crate) fn new(max: usize, long: LongLine) -> LineSplitter {
        LineSplitter { max: max.max(1), long, line: Vec::new(), skipping: false }
    }

    /// Takes the next line from `input`, and leaves the bytes after it there. Returns `None` once all of `input` is taken.
    pub(crate) fn next(&mut self, input: &mut &[u8]) -> Option<Line> {
        loop {
            let newline = input.iter().position(|byte| *byte == b'\n');
            let (piece, rest) = match newline {
                Some(at) => (&input[..at], &input[at + 1..]),
                None => (*input, &input[input.len()..]),
            };
            // A final `\r` may belong to the line break and does not count.
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
            } else if self.long == LongLine::Split {
                self.line.extend_from_slice(&piece[..room]);
                *input = &input[room..];
                return Some(self.take());
            } else {
                let mut beginning = std::mem::take(&mut self.line);
                beginning.truncate(BEGINNING);
                beginning.extend(piece.iter().take(BEGINNING - beginning.len()));
                self.skipping = newline.is_none();
                *input = rest;
                return Some(Line::TooLong(beginning));
            }
            if input.is_empty() {
                return None;
            }
        }
    }

    /// Takes the last line at the end of the stream, if it has no line break.
    pub(crate) fn finish(&mut self) -> Option<Line> {
        (!self.line.is_empty()).then(|| self.take())
    }

    fn take(&mut self) -> Line {
        let mut line = std::mem::take(&mut self.line);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Line::Complete(line)
    }
}

#[cfg(test)]
mod tests {
    use super::{Line, LineSplitter, LongLine};

    fn split(max: usize, long: LongLine, pieces: &[&str]) -> Vec<Option<String>> {
        let mut splitter = LineSplitter::new(max, long);
        let mut lines = Vec::new();
        for piece in pieces {
            let mut input = piece.as_bytes();
            while let Some(line) = splitter.next(&mut input) {
                assert!(splitter.line.len() <= max + 1, "bounded");
                lines.push(line);
            }
            assert!(input.is_empty(), "all is taken");
        }
        lines.extend(splitter.finish());
        let text = |line| match line {
            Line::Complete(line) => Some(String::from_utf8_lossy(&line).into_owned()),
            Line::TooLong(beginning) => {
                assert!(pieces.concat().contains(&*String::from_utf8_lossy(&beginning)), "{beginning:?}");
                None
            }
        };
        lines.into_iter().map(text).collect()
    }

    fn lines(lines: &[&str]) -> Vec<Option<String>> {
        lines.iter().map(|line| Some((*line).to_owned())).collect()
    }

    #[test]
    fn lines_do_not_depend_on_the_pieces() {
        let text = "one\r\ntwo\n\nthree";
        let whole = split(5, LongLine::Drop, &[text]);
        assert_eq!(whole, lines(&["one", "two", "", "three"]));
        let bytes: Vec<&str> = text.split_inclusive(|_| true).collect();
        assert_eq!(split(5, LongLine::Drop, &bytes), whole);
    }

    #[test]
    fn a_line_that_is_too_long_is_dropped_once_and_the_next_one_is_whole() {
        for pieces in [&["abcdef\nok\n"][..], &["abc", "def", "ghi", "\n", "ok\n"]] {
            assert_eq!(split(5, LongLine::Drop, pieces), [None, Some("ok".to_owned())], "{pieces:?}");
        }
    }

    #[test]
    fn the_longest_line_is_not_too_long() {
        assert_eq!(
            split(5, LongLine::Drop, &["abcde\r\n", "abcde", "\n", "abcde"]),
            lines(&["abcde", "abcde", "abcde"])
        );
    }

    #[test]
    fn a_long_line_is_split_if_nothing_may_be_lost() {
        assert_eq!(split(3, LongLine::Split, &["abcdefg\nhi\n"]), lines(&["abc", "def", "g", "hi"]));
    }
}
