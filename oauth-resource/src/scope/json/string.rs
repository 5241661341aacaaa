//! Reads strings: from one quote or backslash to the next, which is what a long argument costs.

use memchr::memchr2;

use crate::scope::json::{Fault, Reader, Text};

impl<'a> Reader<'a> {
    /// Reads a string whose opening quote was taken.
    #[inline(always)]
    pub(super) fn string(&mut self) -> Result<Text<'a>, Fault> {
        let start = self.at;
        let escaped = self.close()?;
        Ok(Text { raw: &self.text[start..self.at - 1], escaped })
    }

    /// Steps behind the closing quote of a string whose opening quote was taken. Whether it has an escape.
    // Once in the program, for all who read strings: what runs once a request is mostly read into the processor's caches anew.
    #[inline(never)]
    pub(super) fn close(&mut self) -> Result<bool, Fault> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        let mut escaped = false;
        loop {
            let at = next(bytes, self.at).ok_or(Fault::NotJson)?;
            if bytes[at] == b'"' {
                self.at = at + 1;
                break;
            }
            escaped = true;
            self.at = at + escape(&bytes[at + 1..])?;
        }
        if self.has_controls && bytes[start..self.at].iter().copied().any(is_control) {
            return Err(Fault::NotJson);
        }
        Ok(escaped)
    }
}

/// Where the next quote or backslash is. Most strings are short: their first bytes are looked at here.
#[inline(always)]
fn next(bytes: &[u8], at: usize) -> Option<usize> {
    let left = bytes.get(at..)?;
    let (words, _) = left.as_chunks();
    for (index, word) in words.iter().take(2).enumerate() {
        let found = marks(u64::from_le_bytes(*word));
        if found != 0 {
            return Some(at + 8 * index + found.trailing_zeros() as usize / 8);
        }
    }
    far(left).map(|found| at + found)
}

#[inline(never)]
fn far(bytes: &[u8]) -> Option<usize> {
    memchr2(b'"', b'\\', bytes)
}

const ONES: u64 = u64::MAX / 0xff;

/// Marks the first byte that is a quote or a backslash by its high bit; bits above it mean nothing.
#[inline(always)]
const fn marks(word: u64) -> u64 {
    // A subtraction borrows from the byte above only where the byte itself is a hit.
    let quote = word ^ (ONES * b'"' as u64);
    let backslash = word ^ (ONES * b'\\' as u64);
    // A byte with its high bit set is no hit; neither comparison changes that bit.
    (quote.wrapping_sub(ONES) | backslash.wrapping_sub(ONES)) & !word & (ONES * 0x80)
}

/// How long the escape is whose backslash is before this.
#[inline]
fn escape(after: &[u8]) -> Result<usize, Fault> {
    match after {
        [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => Ok(2),
        [b'u', digits @ ..]
            if digits.iter().take(4).filter(|digit| digit.is_ascii_hexdigit()).count() == 4 =>
        {
            Ok(6)
        }
        _ => Err(Fault::NotJson),
    }
}

/// No string has one (RFC 8259 §7).
#[inline]
const fn is_control(byte: u8) -> bool {
    byte < b' '
}

/// Whether there is any: compact JSON has none, and then no string is looked at for them.
pub(super) fn has_controls(text: &str) -> bool {
    // Without a way out in the middle the compiler takes many bytes at a time.
    is_control(text.bytes().fold(u8::MAX, u8::min))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<&str, Fault> {
        let mut reader = Reader::new(text);
        reader.take();
        reader.string().map(|text| text.raw)
    }

    #[test]
    fn every_byte_of_a_string_is_looked_at() {
        for at in 0..80 {
            let plain = "é#]! \x21\x23\x5d\x7f\u{80}\u{10ffff}[".repeat(4);
            let Some((before, after)) = plain.split_at_checked(at) else { continue };
            assert_eq!(read(&format!("\"{before}\"{after}")), Ok(before));
            let escaped = format!("{before}\\n\\u00e9\\\\{after}");
            assert_eq!(read(&format!("\"{escaped}\"}}")), Ok(&*escaped));
            for bad in ["\0", "\x1f", "\n", "\\x", "\\u00g0"] {
                assert_eq!(read(&format!("\"{before}{bad}{after}\"")), Err(Fault::NotJson), "{bad:?}");
            }
            for cut in ["", "\\", "\\\"", "\\u", "\\u00e"] {
                assert_eq!(read(&format!("\"{before}{cut}")), Err(Fault::NotJson), "{cut:?}");
            }
        }
        // Where others stand is no matter.
        assert_eq!(read("\"a\"\n"), Ok("a"));
    }
}
