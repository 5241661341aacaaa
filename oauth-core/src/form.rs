//! `application/x-www-form-urlencoded`, read strictly: [RFC 6749 appendix B](https://www.rfc-editor.org/rfc/rfc6749#appendix-B).
//!
//! 1. At most [`Form::MAX_PARAMETERS`] parameters, or as many as the reader expects.
//! 2. Percent-encoding is well-formed and yields UTF-8 without control characters (TOK-4); those named as opaque may have them.
//! 3. A parameter with an empty value was not sent (RFC 6749 §3.1), and does not count as standing there.
//! 4. No parameter stands twice, but for those named as repeatable (AS-29, TOK-3).

use std::borrow::Cow;
use std::fmt;

/// Parameters that may repeat: RFC 8707 §2.
pub const REPEATABLE: &[&str] = &["resource"];

/// A form in which no parameter stands twice. `Debug` shows names alone: values may be secrets.
///
/// ```
/// use oauth_core::Form;
///
/// let form = Form::read(b"grant_type=refresh_token&scope=a+b&state=&resource=x&resource=y", &["resource"], &[])?;
/// assert_eq!(form.get("scope"), Some("a b"));
/// assert_eq!(form.get("state"), None);
/// assert_eq!(form.all("resource").count(), 2);
/// # Ok::<(), oauth_core::FormFault<'static>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Form<'a> {
    pairs: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

/// Why bytes are no form.
///
/// ```
/// use oauth_core::{Form, FormFault};
///
/// let twice = Form::read(b"code=a&code=b&state=x", &[], &[]).unwrap_err();
/// let FormFault::Repeated { names, rest } = twice else { panic!("`code` stands twice") };
/// assert_eq!(names, ["code"]);
/// assert_eq!(rest.get("state"), Some("x"));
/// assert_eq!(Form::read(b"code=%zz", &[], &[]), Err(FormFault::Malformed));
/// ```
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormFault<'a> {
    /// More than [`Form::MAX_PARAMETERS`], or than the reader expects.
    #[error("too many parameters")]
    TooMany,
    /// Broken percent-encoding, no UTF-8, or a control character.
    #[error("a parameter is not well-formed")]
    Malformed,
    /// A parameter stands twice.
    #[error("a parameter stands twice")]
    Repeated {
        /// Which.
        names: Vec<String>,
        /// The form without them: to find out whom to tell.
        rest: Form<'a>,
    },
}

impl<'a> Form<'a> {
    /// How many parameters a form may have.
    pub const MAX_PARAMETERS: usize = 64;

    /// Reads a form. `repeatable` parameters may stand more than once; the values of `opaque` ones may have control characters.
    ///
    /// # Errors
    /// See [`FormFault`].
    pub fn read(bytes: &'a [u8], repeatable: &[&str], opaque: &[&str]) -> Result<Self, FormFault<'a>> {
        Self::read_at_most(Self::MAX_PARAMETERS, bytes, repeatable, opaque)
    }

    /// Reads a form of one's own, which is known to have up to `most` parameters: a box for each of many scopes, say.
    ///
    /// ```
    /// use oauth_core::Form;
    ///
    /// let form = "scope=a&".repeat(100);
    /// assert!(Form::read(form.as_bytes(), &["scope"], &[]).is_err());
    /// let read = Form::read_at_most(100, form.as_bytes(), &["scope"], &[]).map_err(|fault| fault.to_string())?;
    /// assert_eq!(read.all("scope").count(), 100);
    /// # Ok::<(), String>(())
    /// ```
    ///
    /// # Errors
    /// See [`FormFault`].
    pub fn read_at_most(
        most: usize,
        bytes: &'a [u8],
        repeatable: &[&str],
        opaque: &[&str],
    ) -> Result<Self, FormFault<'a>> {
        let mut pairs: Vec<(Cow<'a, str>, Cow<'a, str>)> = Vec::new();
        let mut repeated: Vec<String> = Vec::new();
        let mut seen = 0;
        for piece in bytes.split(|byte| *byte == b'&').filter(|piece| !piece.is_empty()) {
            seen += 1;
            if seen > most {
                return Err(FormFault::TooMany);
            }
            let (name, value) = match piece.iter().position(|byte| *byte == b'=') {
                Some(at) => (&piece[..at], &piece[at + 1..]),
                None => (piece, &piece[piece.len()..]),
            };
            let name = decode(name)
                .filter(|name| !name.chars().any(char::is_control))
                .ok_or(FormFault::Malformed)?;
            let value = decode(value).ok_or(FormFault::Malformed)?;
            if value.chars().any(char::is_control) && !opaque.contains(&&*name) {
                return Err(FormFault::Malformed);
            }
            if value.is_empty() {
                continue;
            }
            let again = !repeatable.contains(&&*name) && pairs.iter().any(|(other, _)| *other == name);
            if again && !repeated.iter().any(|other| *other == name) {
                repeated.push(name.clone().into_owned());
            }
            pairs.push((name, value));
        }
        if repeated.is_empty() {
            Ok(Self { pairs })
        } else {
            pairs.retain(|(name, _)| !repeated.iter().any(|other| other == name));
            Err(FormFault::Repeated { names: repeated, rest: Self { pairs } })
        }
    }

    /// The value of a parameter; of a repeatable one the first.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(own, _)| own == name).map(|(_, value)| &**value)
    }

    /// All values of a repeatable parameter.
    pub fn all<'f>(&'f self, name: &'f str) -> impl Iterator<Item = &'f str> {
        self.pairs.iter().filter(move |(own, _)| own == name).map(|(_, value)| &**value)
    }
}

fn decode(bytes: &[u8]) -> Option<Cow<'_, str>> {
    if !bytes.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        return std::str::from_utf8(bytes).ok().map(Cow::Borrowed);
    }
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter();
    while let Some(byte) = rest.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(|digit| char::from(*digit).to_digit(16));
                let (high, low) = (digit()?, digit()?);
                u8::try_from(high * 16 + low).ok()?
            }
            byte => *byte,
        });
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

impl fmt::Debug for Form<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.pairs.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_strictly() {
        // TOK-4, A-HTTP-6
        for bad in [&b"a=%ZZ"[..], b"a=%F", b"a=%", b"a=%FF", b"a=%00", b"a=\xff", b"%00=a", b"a=x%0ay"] {
            assert_eq!(Form::read(bad, &[], &[]), Err(FormFault::Malformed), "{bad:?}");
        }
        // AS-55: what is opaque is given back as it came.
        assert_eq!(Form::read(b"state=a%0d%0ab", &[], &["state"]).unwrap().get("state"), Some("a\r\nb"));
        let many = "a=1&".repeat(65);
        assert_eq!(Form::read(many.as_bytes(), &["a"], &[]), Err(FormFault::TooMany));
        // A-HTTP-9
        let form = Form::read(b"a=1;b=2&scope[]=x&c", &[], &[]).unwrap();
        assert_eq!(
            (form.get("a"), form.get("b"), form.get("scope"), form.get("c")),
            (Some("1;b=2"), None, None, None)
        );
    }

    #[test]
    fn a_parameter_that_stands_twice_is_not_there_at_all() {
        // AS-29
        let Err(FormFault::Repeated { names, rest }) = Form::read(b"state=a&x=1&state=b&state=", &[], &[])
        else {
            panic!()
        };
        assert_eq!((names, rest.get("state"), rest.get("x")), (vec!["state".to_owned()], None, Some("1")));
        // TOK-3: one that is empty is not there.
        let form = Form::read(b"code=&code=x&code=&scope=&scope=&scope", &[], &[]).unwrap();
        assert_eq!((form.get("code"), form.get("scope")), (Some("x"), None));
    }
}
