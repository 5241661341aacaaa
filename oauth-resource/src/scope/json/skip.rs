//! Steps over values that nobody asked for.

use crate::scope::json::{Fault, MAX_DEPTH, Reader};

impl Reader<'_> {
    /// Steps over a value of any kind.
    pub(crate) fn skip(&mut self) -> Result<(), Fault> {
        // One bit a level: whether it is an object.
        let mut levels: u128 = 0;
        let mut depth = 0;
        'value: loop {
            match self.ahead()? {
                b'"' => {
                    self.take();
                    self.close()?;
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
        if !self.text.as_bytes()[self.at..].starts_with(literal) {
            return Err(Fault::NotJson);
        }
        self.at += literal.len();
        Ok(())
    }

    /// `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`
    fn number(&mut self) -> Result<(), Fault> {
        if self.byte() == Some(b'-') {
            self.at += 1;
        }
        let start = self.at;
        let digits = self.digits();
        if digits == 0 || (digits > 1 && self.text.as_bytes()[start] == b'0') {
            return Err(Fault::NotJson);
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return Err(Fault::NotJson);
            }
        }
        if matches!(self.byte(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.byte(), Some(b'+' | b'-')) {
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
        while matches!(self.byte(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - start
    }
}
