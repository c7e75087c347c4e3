//! Sizes as people write them.

use bytesize::ByteSize;

/// How to write a size.
pub(crate) const FORMAT: &str = "write a size as 64 KiB, 16 MiB or 1 GB";

pub(crate) fn parse(text: &str) -> Result<ByteSize, &'static str> {
    text.parse().map_err(|_| FORMAT)
}

/// Formats a size as people write it: with the largest unit of which it is a whole number.
pub(crate) fn exact(size: ByteSize) -> String {
    const UNITS: [(&str, u64); 6] =
        [("GiB", 1 << 30), ("GB", 1_000_000_000), ("MiB", 1 << 20), ("MB", 1_000_000), ("KiB", 1 << 10), ("KB", 1_000)];
    let bytes = size.as_u64();
    let unit = UNITS.into_iter().find(|(_, unit)| bytes > 0 && bytes.is_multiple_of(*unit));
    unit.map_or_else(|| format!("{bytes} B"), |(name, unit)| format!("{} {name}", bytes / unit))
}

/// Formats a number of bytes with a binary unit: `2.5 MiB`.
pub(crate) fn format(bytes: u64) -> String {
    ByteSize(bytes).display().iec().to_string()
}

#[cfg(test)]
mod tests {
    use super::{exact, parse};

    #[test]
    fn a_size_is_repeated_as_it_was_written() {
        for text in ["1 MB", "1 KiB", "64 KiB", "1000 MiB", "3 GB", "1536 KiB", "7 B", "0 B"] {
            assert_eq!(parse(text).map(exact).as_deref(), Ok(text));
        }
        assert_eq!(parse("1.5 MiB").map(exact).as_deref(), Ok("1536 KiB"));
    }
}
