//! The body of a `result_chunk` (§8.4).

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::general_purpose::GeneralPurpose;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};
use bytes::Bytes;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::raw::slice;
use crate::arcp::wire::envelope::Int;
use crate::json::Text;
use crate::surrogates::Joiner;

/// Standard base64, with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Decodes base64, or returns `None` for any other text.
pub(crate) fn decode_base64(text: &str) -> Option<Bytes> {
    BASE64.decode(text).ok().map(Bytes::from)
}

/// One chunk of a streamed result.
#[derive(Deserialize)]
pub(crate) struct ResultChunk<'a> {
    #[serde(borrow)]
    result_id: Option<Text<'a>>,
    chunk_seq: Int,
    #[serde(borrow, deserialize_with = "string")]
    data: &'a RawValue,
    encoding: Text<'a>,
    more: bool,
}

/// Deserializes a string as the text it was written with.
fn string<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<&'a RawValue, D::Error> {
    let json = <&RawValue>::deserialize(deserializer)?;
    if json.get().starts_with('"') { Ok(json) } else { Err(serde::de::Error::custom("the data is not a string")) }
}

impl ResultChunk<'_> {
    /// Returns the id of the result; empty if the runtime sends none.
    pub(crate) fn result_id(&self) -> &str {
        self.result_id.as_ref().map_or("", Text::as_str)
    }

    /// Returns the place of the chunk in its result, from 0.
    pub(crate) fn seq(&self) -> u64 {
        self.chunk_seq.0
    }

    /// Returns whether more chunks follow.
    pub(crate) fn more(&self) -> bool {
        self.more
    }

    /// Returns whether the data was sent as text.
    pub(crate) fn is_text(&self) -> bool {
        matches!(self.encoding.as_str(), "utf8" | "utf-8")
    }

    /// Returns the decoded data; text without escapes shares the memory of the frame. `joiner` has what the chunk before
    /// has left of a character.
    pub(crate) fn data(&self, frame: &Bytes, joiner: &mut Joiner) -> Result<Bytes, &'static str> {
        if self.is_text() {
            let data = joiner.join(self.data.get());
            let text = Text::of_valid(&data).ok_or("the data of a chunk is not text")?;
            if self.more || !joiner.finish() {
                return Ok(slice(frame, text.as_str()));
            }
            return Ok([text.as_str(), "\u{fffd}"].concat().into());
        }
        if self.encoding.as_str() != "base64" {
            return Err("the encoding of a chunk is neither utf8 nor base64");
        }
        let half = if joiner.finish() { "\u{fffd}".as_bytes() } else { &[] };
        let text = Text::of_valid(self.data.get());
        let data =
            text.and_then(|text| decode_base64(text.as_str())).ok_or("the data of a chunk is not valid base64")?;
        Ok(if half.is_empty() { data } else { [half, &*data].concat().into() })
    }
}
