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
const PRIVATE: &str = "$serde_json::private::";

/// A string as it stands, without its quotes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'a> {
    raw: &'a str,
    escaped: bool,
}

impl<'a> Text<'a> {
    /// What it means.
    #[inline]
    pub(crate) fn decode(self) -> Result<Cow<'a, str>, Fault> {
        if self.escaped { self.unescaped().map(Cow::Owned) } else { Ok(Cow::Borrowed(self.raw)) }
    }

    #[cold]
    fn unescaped(self) -> Result<String, Fault> {
        // Lone surrogates are no character: readers differ in what they make of them.
        serde_json::from_str(&format!("\"{}\"", self.raw)).map_err(|_| Fault::NotJson)
    }

    /// Which of `wanted` this key is.
    #[inline(always)]
    pub(crate) fn which<const N: usize>(self, wanted: &[&str; N]) -> Result<Option<usize>, Fault> {
        let key = self.decode()?;
        for (index, name) in wanted.iter().enumerate() {
            if name.len() == key.len() && name.eq_ignore_ascii_case(&key) {
                return if *name == key { Ok(Some(index)) } else { Err(Fault::Alias) };
            }
        }
        // Go's reader ignores case, and folds U+017F and U+212A to s and k.
        if key.is_ascii() { Ok(None) } else { Err(Fault::Alias) }
    }

    #[inline(always)]
    fn is_private(self) -> Result<bool, Fault> {
        Ok(match self.raw.as_bytes().first() {
            Some(b'$' | b'\\') => self.decode()?.starts_with(PRIVATE),
            _ => false,
        })
    }
}

/// A value that was asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    Text(Text<'a>),
    /// Anything else, as it stands.
    Other(&'a str),
}

/// A place in a text.
pub(crate) struct Reader<'a> {
    text: &'a str,
    at: usize,
    has_controls: bool,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, at: 0, has_controls: string::has_controls(text) }
    }

    #[inline]
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The next byte that is no white space, without taking it.
    #[inline(always)]
    pub(crate) fn ahead(&mut self) -> Result<u8, Fault> {
        while let Some(byte) = self.byte() {
            if byte > b' ' {
                return Ok(byte);
            }
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Err(Fault::NotJson);
            }
            self.at += 1;
        }
        Err(Fault::NotJson)
    }

    /// Takes the byte that [`ahead`](Self::ahead) showed.
    #[inline]
    pub(crate) fn take(&mut self) {
        self.at += 1;
    }

    /// Nothing is left.
    pub(crate) fn end(mut self) -> Result<(), Fault> {
        let left = self.ahead();
        if left.is_err() && self.at == self.text.len() { Ok(()) } else { Err(Fault::NotJson) }
    }

    #[inline(always)]
    fn expect(&mut self, byte: u8) -> Result<(), Fault> {
        if self.ahead()? != byte {
            return Err(Fault::NotJson);
        }
        self.take();
        Ok(())
    }

    /// Reads an object; `each` takes the value of the member whose key it is given.
    #[inline(always)]
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

    #[inline(always)]
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

    fn is_json(text: &str) -> bool {
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
            assert_eq!(is_json(text), serde_json::from_str::<serde_json::Value>(text).is_ok(), "{text:?}");
        }
    }

    #[test]
    fn what_is_nested_too_deep_costs_no_stack() {
        let text = "[".repeat(1 << 20);
        assert_eq!(Reader::new(&text).skip(), Err(Fault::TooDeep));
    }

    #[test]
    fn private_names_of_serde_json_are_found_at_any_depth_and_in_any_spelling() {
        for text in [
            r#"{"$serde_json::private::RawValue":"1"}"#,
            r#"[[{"a":{"$serde_json::private::Number":"1"}}]]"#,
            r#"{"\u0024serde_json::private::Number":"1"}"#,
        ] {
            assert_eq!(Reader::new(text).skip(), Err(Fault::Alias), "{text}");
        }
        // As a value it is a text like any other.
        assert!(is_json(r#"["$serde_json::private::RawValue"]"#));
    }
}
