//! JSON as issuers write it: no white space, no escapes, whole numbers, nothing nested but arrays of strings. Of what verifying a token costs
//! beside its signature, reading its claims was the most; what is so plain is read in a fraction of the time.
//!
//! What is not is not refused here: `None` says no more than that serde_json is to read it. Whatever is read here, it reads alike.

/// A plain text, and up to where it is read.
pub(super) struct Plain<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Plain<'a> {
    pub(super) fn new(text: &'a str) -> Option<Self> {
        // Once for all of it, and sixteen at a time: from here on a quote ends a string.
        let is_plain = text.bytes().fold(true, |plain, byte| plain & (byte >= b' ') & (byte != b'\\'));
        is_plain.then_some(Self { text, at: 0 })
    }

    pub(super) const fn is_at_end(&self) -> bool {
        self.at == self.text.len()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    pub(super) fn next(&mut self) -> Option<u8> {
        let next = self.peek()?;
        self.at += 1;
        Some(next)
    }

    pub(super) fn take(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }

    /// A string, without its quotes.
    pub(super) fn string(&mut self) -> Option<&'a str> {
        self.take(b'"')?;
        let start = self.at;
        let end = quote(self.text.as_bytes(), start)?;
        self.at = end + 1;
        self.text.get(start..end)
    }

    /// A string, or an array of at least one; `each` says whether to go on.
    pub(super) fn strings(&mut self, mut each: impl FnMut(&'a str) -> bool) -> Option<()> {
        if self.peek()? != b'[' {
            return each(self.string()?).then_some(());
        }
        self.at += 1;
        loop {
            if !each(self.string()?) {
                return None;
            }
            match self.next()? {
                b',' => {}
                b']' => return Some(()),
                _ => return None,
            }
        }
    }

    /// A whole number that 63 bits hold in any case.
    pub(super) fn number(&mut self) -> Option<u64> {
        let start = self.at;
        let mut number = 0_u64;
        while let Some(digit) = self.peek().map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10) {
            number = number.wrapping_mul(10).wrapping_add(u64::from(digit));
            self.at += 1;
        }
        // A fraction or an exponent may follow: it is no comma, and no brace.
        match self.at - start {
            1 => Some(number),
            2..=18 if self.text.as_bytes()[start] != b'0' => Some(number),
            _ => None,
        }
    }

    /// Any value that is plain, as it stands.
    pub(super) fn value(&mut self) -> Option<&'a str> {
        let start = self.at;
        match self.peek()? {
            b'"' | b'[' => self.strings(|_| true)?,
            b't' => self.word("true")?,
            b'f' => self.word("false")?,
            b'n' => self.word("null")?,
            _ => drop(self.number()?),
        }
        self.text.get(start..self.at)
    }

    fn word(&mut self, word: &str) -> Option<()> {
        let stands = self.text.as_bytes()[self.at..].starts_with(word.as_bytes());
        self.at += word.len();
        stands.then_some(())
    }
}

/// Where the next quote is. Most are a few characters away: eight at a time, and no call.
fn quote(bytes: &[u8], from: usize) -> Option<usize> {
    const LOW: u64 = u64::from_ne_bytes([1; 8]);
    const QUOTES: u64 = u64::from_ne_bytes([b'"'; 8]);
    let mut at = from;
    while let Some(eight) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        // Zero where a quote is; the lowest bit that the borrow leaves at the top of a byte is that of the first of them.
        let differs = u64::from_le_bytes(*eight) ^ QUOTES;
        let found = differs.wrapping_sub(LOW) & !differs & (LOW << 7);
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    let last = bytes.get(at..)?.iter().position(|byte| *byte == b'"')?;
    Some(at + last)
}
