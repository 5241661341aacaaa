//! A strict reader of JSON (RFC 8259) that builds nothing: it finds members, and steps over what nobody asked for.
//!
//! Strict, because whatever reads the body after us must not find more in it than we did.

mod skip;
mod string;

use std::borrow::Cow;

/// Why a text cannot be classified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Not JSON, or not UTF-8.
    NotJson,
    /// Nested deeper than [`MAX_DEPTH`].
    TooDeep,
    /// A member that decides is there twice: readers differ in which they take.
    Repeated,
    /// A member that some reader takes for one that decides: by case, or as serde_json's private names.
    Alias,
    /// Valid, but no message of JSON-RPC.
    NotAMessage,
    /// More messages than [`MAX_BATCH`](crate::scope::peek::MAX_BATCH).
    TooMany,
}

/// How deep values may be nested inside what is stepped over: less than any reader's own limit.
pub(crate) const MAX_DEPTH: u32 = 100;

/// serde_json gives objects with such a member another meaning, depending on features that anybody's dependency may switch on.
const PRIVATE: &[u8] = b"$serde_json::private::";

/// A string as it stands, without its quotes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'a> {
    raw: &'a [u8],
    escaped: bool,
}

impl<'a> Text<'a> {
    /// What it means.
    pub(crate) fn decode(self) -> Result<Cow<'a, str>, Fault> {
        if !self.escaped {
            return std::str::from_utf8(self.raw).map(Cow::Borrowed).map_err(|_| Fault::NotJson);
        }
        let mut quoted = Vec::with_capacity(self.raw.len() + 2);
        quoted.push(b'"');
        quoted.extend_from_slice(self.raw);
        quoted.push(b'"');
        // Lone surrogates are no character: readers differ in what they make of them.
        serde_json::from_slice(&quoted).map(Cow::Owned).map_err(|_| Fault::NotJson)
    }

    /// Which of `wanted` this key is.
    #[inline]
    pub(crate) fn which<const N: usize>(self, wanted: &[&str; N]) -> Result<Option<usize>, Fault> {
        let decoded;
        let key = if self.escaped {
            decoded = self.decode()?;
            decoded.as_bytes()
        } else {
            self.raw
        };
        let mut folds = false;
        for (index, name) in wanted.iter().enumerate() {
            if name.as_bytes() == key {
                return Ok(Some(index));
            }
            folds |= name.as_bytes().eq_ignore_ascii_case(key);
        }
        // Go's reader ignores case, and folds U+017F and U+212A to s and k.
        if folds || !key.is_ascii() {
            return Err(Fault::Alias);
        }
        Ok(None)
    }

    #[inline]
    fn is_private(self) -> Result<bool, Fault> {
        Ok(if self.escaped {
            self.decode()?.as_bytes().starts_with(PRIVATE)
        } else {
            self.raw.starts_with(PRIVATE)
        })
    }
}

/// A value that was asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    Text(Text<'a>),
    /// Anything else, as it stands.
    Other(&'a [u8]),
}

/// A place in a text.
pub(crate) struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    // Whether any byte of a string is not ASCII: then the whole is checked once.
    wide: u64,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0, wide: 0 }
    }

    /// The next byte that is no white space, without taking it.
    #[inline]
    pub(crate) fn ahead(&mut self) -> Result<u8, Fault> {
        while let Some(&byte) = self.text.get(self.at) {
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Ok(byte);
            }
            self.at += 1;
        }
        Err(Fault::NotJson)
    }

    /// Takes the byte that [`ahead`](Self::ahead) showed.
    pub(crate) fn take(&mut self) {
        self.at += 1;
    }

    /// Nothing is left, and all that was read is UTF-8.
    pub(crate) fn end(mut self) -> Result<(), Fault> {
        match self.ahead() {
            Ok(_) => Err(Fault::NotJson),
            // Outside strings the grammar has no other bytes than ASCII.
            Err(_) if self.wide & string::HIGHS != 0 => {
                simdutf8::basic::from_utf8(self.text).map(drop).map_err(|_| Fault::NotJson)
            }
            Err(_) => Ok(()),
        }
    }

    #[inline]
    fn expect(&mut self, byte: u8) -> Result<(), Fault> {
        if self.ahead()? != byte {
            return Err(Fault::NotJson);
        }
        self.take();
        Ok(())
    }

    /// Reads an object; `each` takes the value of the member whose key it is given.
    pub(crate) fn members(
        &mut self,
        mut each: impl FnMut(&mut Self, Text<'a>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.expect(b'{')?;
        if self.ahead()? == b'}' {
            self.take();
            return Ok(());
        }
        loop {
            let key = self.key()?;
            each(self, key)?;
            match self.ahead()? {
                b',' => self.take(),
                b'}' => {
                    self.take();
                    return Ok(());
                }
                _ => return Err(Fault::NotJson),
            }
        }
    }

    /// Reads an array; `each` takes an element.
    pub(crate) fn elements(
        &mut self,
        mut each: impl FnMut(&mut Self) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.expect(b'[')?;
        if self.ahead()? == b']' {
            self.take();
            return Ok(());
        }
        loop {
            each(self)?;
            match self.ahead()? {
                b',' => self.take(),
                b']' => {
                    self.take();
                    return Ok(());
                }
                _ => return Err(Fault::NotJson),
            }
        }
    }

    /// Reads a value that was asked for.
    pub(crate) fn value(&mut self) -> Result<Value<'a>, Fault> {
        if self.ahead()? == b'"' {
            self.take();
            return self.string().map(Value::Text);
        }
        let start = self.at;
        self.skip()?;
        Ok(Value::Other(&self.text[start..self.at]))
    }

    fn key(&mut self) -> Result<Text<'a>, Fault> {
        self.expect(b'"')?;
        let key = self.string()?;
        self.expect(b':')?;
        if key.is_private()? { Err(Fault::Alias) } else { Ok(key) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_json(text: &[u8]) -> bool {
        let mut reader = Reader::new(text);
        reader.skip().and_then(|()| reader.end()).is_ok()
    }

    #[test]
    fn what_is_json_is_what_serde_json_says() {
        let deep = format!("{}1{}", "[".repeat(90), "]".repeat(90));
        for text in [
            "",
            " ",
            "1",
            "-0",
            "01",
            "-",
            "1.",
            "1.5e+3",
            "1e",
            ".5",
            "+1",
            "NaN",
            "true",
            "tru",
            "truex",
            "null",
            "{}",
            "[]",
            "[1,]",
            "[,1]",
            "{,}",
            r#"{"a":1,}"#,
            r#"{"a" : [ 1 , {"b":null} ] }"#,
            r#"{"a"}"#,
            r#"{a:1}"#,
            r#"{'a':1}"#,
            r#""a"#,
            r#""\""#,
            r#""\u12g4""#,
            r#""\u00e9\n\\""#,
            r#""\x""#,
            "\"\t\"",
            "\"a\u{7f}é\"",
            "[1]]",
            "[1}",
            "{\"a\":1]",
            "// x\n1",
            "\u{feff}1",
            "1 2",
            "\"0123456789abcdef\\",
            "\"0123456789abcde\\u12",
            "[\"0123456789abcdef\u{1f}\"]",
            "\"0123456789abcdefghijklmnopqrstuvwxyz\"",
            &deep,
        ] {
            assert_eq!(
                is_json(text.as_bytes()),
                serde_json::from_str::<serde_json::Value>(text).is_ok(),
                "{text:?}"
            );
        }
        assert!(!is_json(b"\"\xff\"") && !is_json(b"\"0123456789abcdef\xc3\"") && !is_json(b"\xff"));
    }

    #[test]
    fn what_is_nested_too_deep_costs_no_stack() {
        let text = "[".repeat(1 << 20);
        assert_eq!(Reader::new(text.as_bytes()).skip(), Err(Fault::TooDeep));
    }

    #[test]
    fn private_names_of_serde_json_are_found_at_any_depth_and_in_any_spelling() {
        for text in [
            r#"{"$serde_json::private::RawValue":"1"}"#,
            r#"[[{"a":{"$serde_json::private::Number":"1"}}]]"#,
            r#"{"\u0024serde_json::private::Number":"1"}"#,
        ] {
            assert_eq!(Reader::new(text.as_bytes()).skip(), Err(Fault::Alias), "{text}");
        }
        // As a value it is a text like any other.
        assert!(is_json(br#"["$serde_json::private::RawValue"]"#));
    }
}
