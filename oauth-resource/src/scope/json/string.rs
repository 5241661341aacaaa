//! Reads strings, sixteen bytes at a time.

use crate::scope::json::{Fault, Reader, Text};

impl<'a> Reader<'a> {
    /// Reads a string whose opening quote was taken.
    pub(super) fn string(&mut self) -> Result<Text<'a>, Fault> {
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
        let mut wide = self.wide;
        while let Some(block) = self.text.get(at..).and_then(<[u8]>::first_chunk::<16>) {
            let block = u128::from_le_bytes(*block);
            wide |= either(block);
            if let Some(byte) = first_special(block) {
                (self.at, self.wide) = (at + byte, wide);
                return;
            }
            at += 16;
        }
        if let Some(end) = self.text.last_chunk::<16>()
            && at < self.text.len()
        {
            // What is left, from the last sixteen bytes. The zeros that come behind it are control characters.
            let block = u128::from_le_bytes(*end) >> (8 * (at + 16 - self.text.len()));
            wide |= either(block);
            at += first_special(block).unwrap_or(0);
        } else {
            while let Some(byte) = self.text.get(at) {
                wide |= u64::from(*byte);
                if matches!(byte, b'"' | b'\\' | 0..0x20) {
                    break;
                }
                at += 1;
            }
        }
        (self.at, self.wide) = (at, wide);
    }
}

/// The bits of both halves.
#[expect(clippy::cast_possible_truncation, reason = "the two halves")]
const fn either(block: u128) -> u64 {
    block as u64 | (block >> 64) as u64
}

/// Where the first byte is that is a quote, a backslash or a control character.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the two halves")]
const fn first_special(block: u128) -> Option<usize> {
    let (low, high) = (special(block as u64), special((block >> 64) as u64));
    if low | high == 0 {
        return None;
    }
    let bits = if low != 0 { low.trailing_zeros() } else { 64 + high.trailing_zeros() };
    Some(bits as usize / 8)
}

const ONES: u64 = u64::MAX / 0xff;
pub(super) const HIGHS: u64 = ONES * 0x80;

/// Marks in a word the first byte that is a quote, a backslash or a control character by its high bit; bits above it mean
/// nothing.
const fn special(word: u64) -> u64 {
    // A subtraction borrows from the byte above only where the byte itself is a hit.
    let quote = word ^ (ONES * b'"' as u64);
    let backslash = word ^ (ONES * b'\\' as u64);
    let control = word.wrapping_sub(ONES * 0x20);
    // A byte with its high bit set is no hit; neither comparison changes that bit.
    (quote.wrapping_sub(ONES) | backslash.wrapping_sub(ONES) | control) & !word & HIGHS
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
