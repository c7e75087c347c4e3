//! Newline framing of a text in pieces against the whole text.

use nuncio_core::arcp::wire::lines::{Lines, append_line};

/// Lines are the same as those of a plain split, however the text is cut into pieces, and a written line is read back.
///
/// The first byte is the limit, and the second determines the sizes of the pieces.
pub fn lines(data: &[u8]) {
    let [limit, step, text @ ..] = data else { return };
    let limit = usize::from(*limit);
    let mut lines = Lines::new(limit);
    let mut found: Vec<Option<Vec<u8>>> = Vec::new();
    let mut size = usize::from(*step);
    let mut rest = text;
    loop {
        let (piece, after) = rest.split_at(rest.len().min(size % 37 + 1));
        rest = after;
        size = size.wrapping_mul(5).wrapping_add(usize::from(*step) + 1);
        lines.push(piece);
        if rest.is_empty() {
            lines.finish();
        }
        while let Some(line) = lines.next_line() {
            found.push(line.ok().map(<[u8]>::to_vec));
        }
        assert!(lines.buffered() <= limit + 1 + piece.len(), "{} bytes are buffered", lines.buffered());
        if rest.is_empty() {
            break;
        }
    }
    let mut expected = Vec::new();
    for line in text.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() > limit {
            expected.push(None);
            break;
        }
        if !line.is_empty() {
            expected.push(Some(line.to_vec()));
        }
    }
    assert_eq!(found, expected);

    let mut wire = Vec::new();
    append_line(text, &mut wire);
    assert_eq!(wire.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count(), 1, "one line");
    // An escape has six bytes in place of the two of U+0085, or the three of U+2028 and U+2029.
    let count =
        |ends: &[&[u8]]| ends.iter().map(|end| text.windows(end.len()).filter(|at| at == end).count()).sum::<usize>();
    let len = text.len() + 4 * count(&[b"\xC2\x85"]) + 3 * count(&[b"\xE2\x80\xA8", b"\xE2\x80\xA9"]);
    let mut lines = Lines::new(len);
    lines.push(&wire);
    let read = lines.next_line().transpose().expect("it fits");
    assert_eq!(read.unwrap_or_default().len(), len);
    assert!(lines.next_line().is_none());
}
