//! What a client gets in place of a message that cannot be cut: an error, under the id that it waits for.

use std::fmt;

use serde::Deserializer as _;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::tailor::lists::Name;

/// Longer ones are nobody's.
const MAX_ID: usize = 256;

/// The id of a message, as it was written. The text may be broken off behind it.
pub(super) fn id_of(text: &[u8]) -> Option<Box<RawValue>> {
    let mut found: Option<Box<RawValue>> = None;
    // That the rest cannot be read is why we are here.
    let _ = serde_json::Deserializer::from_slice(text).deserialize_map(Seek(&mut found));
    let found = found?;
    let id = found.get();
    let is_one = id.starts_with(|first: char| first == '"' || first == '-' || first.is_ascii_digit());
    (is_one && id.len() <= MAX_ID).then_some(found)
}

/// An error of JSON-RPC about the message with this id.
pub(super) fn refusal(id: Option<&RawValue>) -> String {
    let id = id.map_or("null", RawValue::get);
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32603,"message":"the answer cannot be shown"}}}}"#
    )
}

struct Seek<'s>(&'s mut Option<Box<RawValue>>);

impl<'de> Visitor<'de> for Seek<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(Name(name)) = members.next_key()? {
            if name == "id" {
                *self.0 = Some(members.next_value()?);
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_found_in_what_is_broken_off_behind_it() {
        for (text, id) in [
            (r#"{"jsonrpc":"2.0","id":7,"result":{"tools":["#, Some("7")),
            (r#"{"\u0069d":"a\"b","result":{"#, Some(r#""a\"b""#)),
            (r#"{"result":{"id":1},"id":-2}"#, Some("-2")),
            (r#"{"result":{"id":1"#, None),
            (r#"{"id":null}"#, None),
            (r#"{"id":{"a":1}}"#, None),
            ("[1", None),
            ("", None),
        ] {
            let found = id_of(text.as_bytes());
            assert_eq!(found.as_deref().map(RawValue::get), id, "{text}");
        }
        let long = format!(r#"{{"id":"{}"}}"#, "x".repeat(MAX_ID));
        assert!(id_of(long.as_bytes()).is_none());
    }
}
