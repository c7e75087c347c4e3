//! Sizes as people write them.

use bytesize::ByteSize;

/// How to write a size.
pub(crate) const FORMAT: &str = "write a size as 64 KiB, 16 MiB or 1 GB";

pub(crate) fn parse(text: &str) -> Result<ByteSize, &'static str> {
    text.parse().map_err(|_| FORMAT)
}

/// Formats a number of bytes with a binary unit: `2.5 MiB`.
pub(crate) fn format(bytes: u64) -> String {
    ByteSize(bytes).display().iec().to_string()
}
