//! `WWW-Authenticate` by the grammar of [RFC 9110 §11](https://www.rfc-editor.org/rfc/rfc9110#section-11).
//!
//! ```text
//! challenges = [ challenge ] *( OWS "," OWS [ challenge ] )
//! challenge  = scheme [ 1*SP ( token68 / #auth-param ) ]
//! auth-param = token BWS "=" BWS ( token / quoted-string )
//! ```
//!
//! A comma parts challenges as well as parameters: a token after it begins a challenge unless `=` follows.

use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;

/// One challenge of a `WWW-Authenticate` header.
///
/// ```
/// use oauth_testing::Challenge;
///
/// let all = Challenge::parse(r#"Bearer error="invalid_token", scope="a b", Basic realm="x, \"y\"""#)?;
/// assert_eq!(all.len(), 2);
/// assert!(all[0].is("bearer"));
/// assert_eq!(all[0].param("scope"), Some("a b"));
/// assert_eq!(all[1].param("realm"), Some(r#"x, "y""#));
/// # Ok::<(), oauth_testing::ChallengeError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Challenge {
    /// The scheme as it was written: `Bearer`.
    pub scheme: String,
    /// What stands in place of parameters: `Negotiate abc==`.
    pub token68: Option<String>,
    /// The parameters in their order, names as they were written, quotes taken off.
    pub params: Vec<(String, String)>,
}

/// Why a text is no list of challenges.
///
/// ```
/// use oauth_testing::{Challenge, ChallengeError};
/// assert_eq!(Challenge::parse(r#"Bearer realm="x"#), Err(ChallengeError { at: 15, expected: "a closing quote" }));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no challenge: expected {expected} at byte {at}")]
pub struct ChallengeError {
    /// At which byte.
    pub at: usize,
    /// What should stand there.
    pub expected: &'static str,
}

impl Challenge {
    /// Reads a header's value.
    ///
    /// # Errors
    /// [`ChallengeError`] where the grammar ends, and for a parameter that stands twice.
    pub fn parse(text: &str) -> Result<Vec<Self>, ChallengeError> {
        Parser { text: text.as_bytes(), at: 0 }.challenges()
    }

    /// Reads all `WWW-Authenticate` headers of a response, as one list.
    ///
    /// ```
    /// use http::{HeaderMap, HeaderValue, header::WWW_AUTHENTICATE};
    /// use oauth_testing::Challenge;
    ///
    /// let mut headers = HeaderMap::new();
    /// headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    /// headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("DPoP algs=\"ES256\""));
    /// assert_eq!(Challenge::of(&headers)?.len(), 2);
    /// # Ok::<(), oauth_testing::ChallengeError>(())
    /// ```
    ///
    /// # Errors
    /// See [`parse`](Self::parse).
    pub fn of(headers: &HeaderMap) -> Result<Vec<Self>, ChallengeError> {
        let mut all = Vec::new();
        for value in headers.get_all(WWW_AUTHENTICATE) {
            let text = value
                .to_str()
                .map_err(|_| ChallengeError { at: 0, expected: "printable ascii characters" })?;
            all.extend(Self::parse(text)?);
        }
        Ok(all)
    }

    /// Whether it is of this scheme: without regard to case.
    #[must_use]
    pub fn is(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme)
    }

    /// The value of a parameter: names without regard to case.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
    }
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
}

impl Parser<'_> {
    fn challenges(mut self) -> Result<Vec<Challenge>, ChallengeError> {
        let mut all: Vec<Challenge> = Vec::new();
        loop {
            while self.skip_space() || self.take(b',') {}
            if self.peek().is_none() {
                return Ok(all);
            }
            let challenge = self.challenge()?;
            all.push(challenge);
        }
    }

    fn challenge(&mut self) -> Result<Challenge, ChallengeError> {
        let scheme = self.token("a scheme")?;
        let mut challenge = Challenge { scheme, token68: None, params: Vec::new() };
        if !self.skip_space() {
            return match self.peek() {
                None | Some(b',') => Ok(challenge),
                Some(_) => self.fail("a space or a comma"),
            };
        }
        if let Some(token68) = self.token68() {
            challenge.token68 = Some(token68);
            return Ok(challenge);
        }
        loop {
            let before = self.at;
            while self.skip_space() || self.take(b',') {}
            if self.peek().is_none() {
                return Ok(challenge);
            }
            let start = self.at;
            let name = self.token("a parameter")?;
            self.skip_space();
            if !self.take(b'=') {
                // The next challenge's scheme: it stands after a comma.
                if !self.text[before..start].contains(&b',') {
                    return self.fail("an equals sign");
                }
                self.at = start;
                return Ok(challenge);
            }
            self.skip_space();
            let value = if self.peek() == Some(b'"') { self.quoted()? } else { self.token("a value")? };
            if challenge.param(&name).is_some() {
                self.at = start;
                return self.fail("a parameter that does not stand there already");
            }
            challenge.params.push((name, value));
            self.skip_space();
            if !matches!(self.peek(), None | Some(b',')) {
                return self.fail("a comma");
            }
        }
    }

    fn token(&mut self, expected: &'static str) -> Result<String, ChallengeError> {
        let start = self.at;
        while self.peek().is_some_and(is_token) {
            self.at += 1;
        }
        if start == self.at { self.fail(expected) } else { Ok(self.since(start)) }
    }

    /// Only if it goes on to the end of the challenge: else it is the name of a parameter.
    fn token68(&mut self) -> Option<String> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte)) {
            self.at += 1;
        }
        let empty = start == self.at;
        while self.take(b'=') {}
        let text = self.since(start);
        self.skip_space();
        if !empty && matches!(self.peek(), None | Some(b',')) {
            return Some(text);
        }
        self.at = start;
        None
    }

    fn quoted(&mut self) -> Result<String, ChallengeError> {
        let mut value = Vec::new();
        self.at += 1;
        loop {
            match self.peek() {
                None => return self.fail("a closing quote"),
                Some(b'"') => break self.at += 1,
                Some(b'\\') => {
                    self.at += 1;
                    match self.peek() {
                        Some(byte) if is_quotable(byte) => value.push(byte),
                        _ => return self.fail("a character after the backslash"),
                    }
                }
                Some(byte) if is_quotable(byte) => value.push(byte),
                Some(_) => return self.fail("no control character"),
            }
            self.at += 1;
        }
        Ok(String::from_utf8_lossy(&value).into_owned())
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn skip_space(&mut self) -> bool {
        let start = self.at;
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.at += 1;
        }
        start != self.at
    }

    fn since(&self, start: usize) -> String {
        // What was read since `start` is ASCII.
        String::from_utf8_lossy(&self.text[start..self.at]).into_owned()
    }

    fn fail<T>(&self, expected: &'static str) -> Result<T, ChallengeError> {
        Err(ChallengeError { at: self.at, expected })
    }
}

/// RFC 9110 §5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// RFC 9110 §5.6.4: `qdtext` and what may follow a backslash.
fn is_quotable(byte: u8) -> bool {
    byte == b'\t' || (byte >= 0x20 && byte != 0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `Scheme token68 name=value …; …`
    fn shown(text: &str) -> String {
        let one = |challenge: &Challenge| {
            let params = challenge.params.iter().map(|(name, value)| format!("{name}={value}"));
            let words = challenge.token68.iter().cloned().chain(params);
            std::iter::once(challenge.scheme.clone()).chain(words).collect::<Vec<_>>().join(" ")
        };
        Challenge::parse(text).unwrap().iter().map(one).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn challenges_are_read_by_the_grammar() {
        // RS-18
        for (text, read) in [
            ("", ""),
            (" , ,", ""),
            ("Bearer", "Bearer"),
            ("Bearer, Basic", "Bearer; Basic"),
            ("Basic realm=\"simple\"", "Basic realm=simple"),
            ("Basic realm=simple", "Basic realm=simple"),
            (
                "Newauth realm=\"apps\", type=1, title=\"Login to \\\"apps\\\"\", Basic realm=\"simple\"",
                "Newauth realm=apps type=1 title=Login to \"apps\"; Basic realm=simple",
            ),
            ("Negotiate abc==, Bearer a = b , c=\"\"", "Negotiate abc==; Bearer a=b c="),
            ("Negotiate abc", "Negotiate abc"),
            ("Negotiate a=", "Negotiate a="),
            ("Bearer ,, a=\"b\",, c=d,, DPoP", "Bearer a=b c=d; DPoP"),
        ] {
            assert_eq!(shown(text), read, "{text}");
        }
    }

    #[test]
    fn what_is_no_challenge_is_refused() {
        for bad in [
            "=",
            "Bearer=",
            "Bearer a=\"",
            "Bearer a=\"\\",
            "Bearer a=b c=d",
            "Bearer a=b, a=c",
            "Bearer a=b, A=c",
            "Bearer a=\"b\"c=\"d\"",
            "Bearer \"a\"",
            "Bearer a=\"\n\"",
            "Bearer a b",
            "Bearer@x",
            "é",
        ] {
            assert!(Challenge::parse(bad).is_err(), "{bad}");
        }
    }
}
