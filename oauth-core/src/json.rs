//! JSON objects of strangers, read strictly: no member twice, bounded depth.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Why bytes are no JSON object that we read.
///
/// ```
/// use oauth_core::json_object;
/// assert_eq!(json_object(br#"{"a":1,"a":2}"#).unwrap_err().to_string(), "not a json object in which every member stands once");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a json object in which every member stands once")]
pub struct JsonFault;

/// How deep objects and arrays may nest.
const MAX_DEPTH: u8 = 16;

/// Reads a JSON object (RFC 8259) in which no member stands twice, at any depth, and nothing nests deeper than 16 (DCR-1, A-CIMDX-9).
///
/// # Errors
/// [`JsonFault`] for anything else.
///
/// ```
/// use oauth_core::json_object;
/// assert_eq!(json_object(br#"{"client_name":"App"}"#).unwrap()["client_name"], "App");
/// assert!(json_object(b"[]").is_err());
/// ```
pub fn json_object(bytes: &[u8]) -> Result<Map<String, Value>, JsonFault> {
    match json_value(bytes)? {
        Value::Object(object) => Ok(object),
        _ => Err(JsonFault),
    }
}

/// Reads those members of a JSON object that matter, by their names. Of a list, which serde takes for the members in their order, none is
/// read; what one of them nests is the type's business.
///
/// # Errors
/// [`JsonFault`] for anything else than an object with these members, each once.
///
/// ```
/// use oauth_core::json_members;
///
/// #[derive(serde::Deserialize)]
/// struct Activity {
///     active: bool,
/// }
/// assert!(json_members::<Activity>(br#"{"active":true,"sub":"alice"}"#).is_ok_and(|said| said.active));
/// assert!(json_members::<Activity>(b"[true]").is_err());
/// ```
pub fn json_members<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, JsonFault> {
    let is_object = bytes.trim_ascii_start().starts_with(b"{");
    serde_json::from_slice(bytes).ok().filter(|_| is_object).ok_or(JsonFault)
}

/// Reads any JSON value as strictly as an [object](json_object).
pub(crate) fn json_value(bytes: &[u8]) -> Result<Value, JsonFault> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { depth: 0 }.deserialize(&mut reader).map_err(|_| JsonFault)?;
    reader.end().map_err(|_| JsonFault)?;
    Ok(value)
}

#[derive(Clone, Copy)]
struct Strict {
    depth: u8,
}

impl Strict {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth < MAX_DEPTH {
            Ok(Self { depth: self.depth + 1 })
        } else {
            Err(E::custom("nests too deep"))
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a json value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not a number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(inner)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut members = Map::new();
        while let Some(name) = access.next_key::<String>()? {
            let value = access.next_value_seed(inner)?;
            if members.insert(name, value).is_some() {
                return Err(A::Error::custom("a member stands twice"));
            }
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_read_strictly() {
        // DCR-1, A-CIMDX-9
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(16), "]".repeat(16));
        let bomb = "[".repeat(1_000_000);
        for bad in [
            "",
            "[]",
            "1",
            "{} {}",
            "\u{feff}{}",
            "{\"a\":NaN}",
            r#"{"a":{"b":1,"b":2}}"#,
            r#"{"a":1,"\u0061":2}"#,
            &deep,
            &bomb,
            "{\"a\":1e999}",
        ] {
            assert_eq!(json_object(bad.as_bytes()), Err(JsonFault), "{bad:.60}");
        }
        assert_eq!(json_object(b"{\"a\":\"\xff\"}"), Err(JsonFault));
        assert_eq!(json_object(br#" {"a":[1,null,true,-1,1.5,{"b":"c"}]} "#).unwrap().len(), 1);
    }
}
