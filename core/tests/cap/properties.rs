//! Decoding is total, and what was decoded is encoded to the same message.

use nuncio_core::cap::{BusPacket, DecodeLimits, MapOrder};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::support::all;

/// Encodes what was decoded, and checks that this is a fixed point.
fn check(bytes: &[u8]) {
    let limits = DecodeLimits::default();
    let Ok(packet) = BusPacket::decode(bytes, &limits) else { return };
    for order in [MapOrder::Lexicographic, MapOrder::Upb] {
        // What is written can be longer than what was read: map entries always have both parts.
        let limits = limits.with(|limits| limits.bytes *= 4);
        let encoded = packet.encode(order);
        let again = BusPacket::decode(&encoded, &limits).unwrap();
        assert_eq!(again.encode(order), encoded);
    }
}

proptest! {
    #[test]
    fn any_bytes_are_decoded_or_refused(bytes in vec(any::<u8>(), 0..300)) {
        check(&bytes);
    }

    #[test]
    fn changed_packets_are_decoded_or_refused(
        which in any::<prop::sample::Index>(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
        from in any::<prop::sample::Index>(),
    ) {
        let packets = all();
        let mut bytes = which.get(&packets).packet();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        check(&bytes);
        let (from, to) = (from.index(bytes.len()), cut.index(bytes.len()));
        let spliced = [&bytes[..to], &bytes[from..]].concat();
        check(&spliced);
    }
}
