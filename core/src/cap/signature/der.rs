//! Checks the form of a signature.

/// Returns whether bytes are an ECDSA signature in DER: a sequence of two positive integers in their shortest form, and
/// nothing after it. Every host thereby refuses the same signatures.
pub(super) fn is_strict(signature: &[u8]) -> bool {
    // Both integers have at most 33 bytes, so every length has one byte.
    let Some((0x30, rest)) = first(signature) else { return false };
    let Some((length, body)) = first(rest) else { return false };
    usize::from(length) == body.len() && integer(body).and_then(integer).is_some_and(<[u8]>::is_empty)
}

fn first(bytes: &[u8]) -> Option<(u8, &[u8])> {
    bytes.split_first().map(|(first, rest)| (*first, rest))
}

/// Reads an integer that is greater than 0 and less than 2^256. Returns what follows it.
fn integer(bytes: &[u8]) -> Option<&[u8]> {
    let (0x02, rest) = first(bytes)? else { return None };
    let (length, rest) = first(rest)?;
    let (value, rest) = rest.split_at_checked(usize::from(length))?;
    let magnitude = match value {
        [0, digits @ ..] => {
            // A zero byte is there only if the next one would make the number negative.
            digits.first().filter(|next| **next >= 0x80)?;
            digits
        }
        [next, ..] if *next < 0x80 => value,
        _ => return None,
    };
    (magnitude.len() <= 32).then_some(rest)
}
