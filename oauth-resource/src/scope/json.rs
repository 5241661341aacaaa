//! A strict reader of JSON (RFC 8259) that builds nothing: it finds members, and steps over what nobody asked for.
//!
//! Strict, because whatever reads the body after us must not find more in it than we did.

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
    pub(crate) fn which(self, wanted: &[&str]) -> Result<Option<usize>, Fault> {
        let decoded;
        let key = if self.escaped {
            decoded = self.decode()?;
            decoded.as_bytes()
        } else {
            self.raw
        };
        if let Some(exact) = wanted.iter().position(|name| name.as_bytes() == key) {
            return Ok(Some(exact));
        }
        // Go's reader ignores case, and folds U+017F and U+212A to s and k.
        let folds = |name: &&str| name.as_bytes().eq_ignore_ascii_case(key);
        if !key.is_ascii() || wanted.iter().any(folds) {
            return Err(Fault::Alias);
        }
        Ok(None)
    }

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
            Err(_) if self.wide & HIGHS != 0 => {
                simdutf8::basic::from_utf8(self.text).map(drop).map_err(|_| Fault::NotJson)
            }
            Err(_) => Ok(()),
        }
    }

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

    /// Steps over a value of any kind.
    pub(crate) fn skip(&mut self) -> Result<(), Fault> {
        // One bit a level: whether it is an object.
        let mut levels: u128 = 0;
        let mut depth = 0;
        'value: loop {
            match self.ahead()? {
                b'"' => {
                    self.take();
                    self.string()?;
                }
                open @ (b'{' | b'[') => {
                    self.take();
                    let (is_object, close) = if open == b'{' { (1, b'}') } else { (0, b']') };
                    if self.ahead()? == close {
                        self.take();
                    } else {
                        depth += 1;
                        if depth > MAX_DEPTH {
                            return Err(Fault::TooDeep);
                        }
                        levels = levels << 1 | is_object;
                        if is_object == 1 {
                            self.key()?;
                        }
                        continue 'value;
                    }
                }
                b't' => self.literal(b"true")?,
                b'f' => self.literal(b"false")?,
                b'n' => self.literal(b"null")?,
                b'-' | b'0'..=b'9' => self.number()?,
                _ => return Err(Fault::NotJson),
            }
            // A value has ended: what was it in?
            loop {
                if depth == 0 {
                    return Ok(());
                }
                let in_object = levels & 1 == 1;
                match (self.ahead()?, in_object) {
                    (b',', _) => {
                        self.take();
                        if in_object {
                            self.key()?;
                        }
                        continue 'value;
                    }
                    (b'}', true) | (b']', false) => {
                        self.take();
                        levels >>= 1;
                        depth -= 1;
                    }
                    _ => return Err(Fault::NotJson),
                }
            }
        }
    }

    fn literal(&mut self, literal: &[u8]) -> Result<(), Fault> {
        if !self.text[self.at..].starts_with(literal) {
            return Err(Fault::NotJson);
        }
        self.at += literal.len();
        Ok(())
    }

    /// `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`
    fn number(&mut self) -> Result<(), Fault> {
        if self.text.get(self.at) == Some(&b'-') {
            self.at += 1;
        }
        let start = self.at;
        let digits = self.digits();
        if digits == 0 || (digits > 1 && self.text[start] == b'0') {
            return Err(Fault::NotJson);
        }
        if self.text.get(self.at) == Some(&b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return Err(Fault::NotJson);
            }
        }
        if matches!(self.text.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.text.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if self.digits() == 0 {
                return Err(Fault::NotJson);
            }
        }
        Ok(())
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while matches!(self.text.get(self.at), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - start
    }

    /// Reads a string whose opening quote was taken.
    fn string(&mut self) -> Result<Text<'a>, Fault> {
        let start = self.at;
        let mut escaped = false;
        loop {
            self.plain();
            match self.text.get(self.at) {
                Some(b'"') => {
                    let raw = &self.text[start..self.at];
                    self.at += 1;
                    return Ok(Text { raw, escaped });
                }
                Some(b'\\') => {
                    escaped = true;
                    self.at += match self.text.get(self.at + 1) {
                        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
                        Some(b'u') if self.is_hex(self.at + 2) => 6,
                        _ => return Err(Fault::NotJson),
                    };
                }
                // A control character, or the text's end.
                _ => return Err(Fault::NotJson),
            }
        }
    }

    fn is_hex(&self, at: usize) -> bool {
        self.text.get(at..at + 4).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    }

    /// Goes to the next quote, backslash or control character: sixteen bytes at a time, which is what a long argument costs.
    #[inline]
    fn plain(&mut self) {
        let mut at = self.at;
        while let Some(block) = self.text.get(at..).and_then(<[u8]>::first_chunk::<16>) {
            let [low, high] = words(*block);
            self.wide |= low | high;
            let (low, high) = (special(low), special(high));
            if low | high != 0 {
                let byte = if low != 0 { low.trailing_zeros() / 8 } else { 8 + high.trailing_zeros() / 8 };
                self.at = at + byte as usize;
                return;
            }
            at += 16;
        }
        while let Some(byte) = self.text.get(at) {
            self.wide |= u64::from(*byte);
            if matches!(byte, b'"' | b'\\' | 0..0x20) {
                break;
            }
            at += 1;
        }
        self.at = at;
    }
}

fn words(block: [u8; 16]) -> [u64; 2] {
    let block = u128::from_le_bytes(block);
    #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
    [block as u64, (block >> 64) as u64]
}

const ONES: u64 = u64::MAX / 0xff;
const HIGHS: u64 = ONES * 0x80;

/// Marks in a word the first byte that is a quote, a backslash or a control character by its high bit; bits above it mean
/// nothing.
const fn special(word: u64) -> u64 {
    // A subtraction borrows from the byte above only where the byte itself is a hit.
    let quote = word ^ (ONES * b'"' as u64);
    let backslash = word ^ (ONES * b'\\' as u64);
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    (quote.wrapping_sub(ONES) & !quote | backslash.wrapping_sub(ONES) & !backslash | control) & HIGHS
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
    fn every_byte_of_a_word_is_looked_at() {
        for at in 0..40 {
            for stop in [b'"', b'\\', 0, 0x1f] {
                let mut text = vec![b'a'; 40];
                text[at] = stop;
                // Bytes that a careless trick with borrows takes for hits.
                text.extend_from_slice(b"#]! \x21\x23\x5d\x80\xff");
                let mut reader = Reader::new(&text);
                reader.plain();
                assert_eq!(reader.at, at, "{stop}");
            }
        }
        for fine in [b' ', b'!', b'#', b'[', b']', 0x7f, 0x80, 0xa2, 0xdc, 0xff] {
            let text = [fine; 37];
            let mut reader = Reader::new(&text);
            reader.plain();
            assert_eq!(reader.at, 37, "{fine}");
        }
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
