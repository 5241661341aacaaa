//! The token in a request, RFC 6750 §2.1 and RFC 9449 §7.1.

use std::fmt;

use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderName, Uri};
use oauth_core::dpop::HEADER;

/// Where proofs are.
pub(crate) static DPOP: HeaderName = HeaderName::from_static(HEADER);

/// How many characters a token may have. Longer ones are refused before anything looks at them (RS-38).
pub const MAX_TOKEN: usize = 8192;

/// Why a request presents no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoToken {
    /// No credentials, or of a scheme that is not ours.
    Absent,
    /// None in a header, and one in the query, where none is read (RS-34). It would go on to whoever is behind, and into logs.
    InQuery,
    /// Something that cannot be a token.
    Malformed,
    /// More than one header, or more than one method.
    Several,
}

/// How a token is presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Bearer,
    /// With a proof of possession.
    Dpop,
}

/// What a request presents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Presented<'a> {
    pub(crate) scheme: Scheme,
    pub(crate) token: Unread<'a>,
    /// Whether there is anything beside it that is no business of the server behind: a proof, a cookie.
    pub(crate) has_more: bool,
}

/// A token, as long as one may be, whose characters nobody has looked at: those of one that was accepted before were.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unread<'a>(&'a [u8]);

impl<'a> Unread<'a> {
    pub(crate) const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// The token, if it is one.
    pub(crate) fn read(self) -> Result<&'a str, NoToken> {
        if !is_b64token(self.0) {
            let is_several = self.0.split(|byte| *byte == b',').skip(1).any(names_scheme);
            return Err(if is_several { NoToken::Several } else { NoToken::Malformed });
        }
        std::str::from_utf8(self.0).map_err(|_| NoToken::Malformed)
    }
}

impl fmt::Debug for Unread<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unread")
    }
}

/// The token that a request presents, and how. Which of several is never chosen (RS-37).
pub(crate) fn presented<'a>(headers: &'a HeaderMap, uri: &Uri) -> Result<Presented<'a>, NoToken> {
    // One way through all headers costs less than to look for two of them.
    let (mut credentials, mut proof) = (None, None);
    let (mut is_sole, mut has_cookie) = (true, false);
    for (name, value) in headers {
        if name == AUTHORIZATION {
            is_sole &= credentials.replace(value).is_none();
        } else if *name == DPOP {
            // Proofs are not looked at here; two of them are a request that nobody should take further.
            is_sole &= proof.replace(value).is_none();
        } else if name == COOKIE {
            has_cookie = true;
        }
    }
    if !is_sole {
        return Err(NoToken::Several);
    }
    let in_query = uri.query().is_some_and(names_a_token);
    let none = if in_query { NoToken::InQuery } else { NoToken::Absent };
    let (scheme, token) = of_value(credentials.ok_or(none)?.as_bytes())?;
    if in_query {
        return Err(NoToken::Several);
    }
    Ok(Presented { scheme, token, has_more: has_cookie || proof.is_some() })
}

/// The scheme and the token in a header's value.
pub(crate) fn of_value(value: &[u8]) -> Result<(Scheme, Unread<'_>), NoToken> {
    let has =
        |name: &str| value.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()));
    let (scheme, rest) = if has("bearer") {
        (Scheme::Bearer, &value["bearer".len()..])
    } else if has("dpop") {
        (Scheme::Dpop, &value["dpop".len()..])
    } else {
        return Err(NoToken::Absent);
    };
    match rest {
        [] | [b' '] => Err(NoToken::Absent),
        [b' ', token @ ..] if token.len() <= MAX_TOKEN => Ok((scheme, Unread(token))),
        // `Bearerx` is another scheme, `Bearer\tx` is none.
        _ => Err(NoToken::Malformed),
    }
}

/// Whether further credentials begin here: two header fields that somebody between made one of (RFC 9110 §5.3).
fn names_scheme(item: &[u8]) -> bool {
    let item = item.trim_ascii();
    ["bearer ", "dpop "].iter().any(|scheme| {
        item.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme.as_bytes()))
    })
}

/// `1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`
pub(crate) fn is_b64token(token: &[u8]) -> bool {
    let padding = token.iter().rev().take_while(|byte| **byte == b'=').count();
    let body = &token[..token.len() - padding];
    // Without an early end the compiler looks at sixteen bytes at a time: every request comes by here.
    !body.is_empty() && body.iter().fold(true, |plain, byte| plain & is_b64_char(*byte))
}

const fn is_b64_char(byte: u8) -> bool {
    ((byte | 0x20).wrapping_sub(b'a') < 26)
        | (byte.wrapping_sub(b'0') < 10)
        | (byte == b'-')
        | (byte == b'.')
        | (byte == b'_')
        | (byte == b'~')
        | (byte == b'+')
        | (byte == b'/')
}

fn names_a_token(query: &str) -> bool {
    url::form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "access_token")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &[u8]) -> Result<(Scheme, &str), NoToken> {
        let (scheme, token) = of_value(value)?;
        token.read().map(|token| (scheme, token))
    }

    fn token<'a>(headers: &'a HeaderMap, uri: &Uri) -> Result<(Scheme, &'a str), NoToken> {
        let presented = presented(headers, uri)?;
        presented.token.read().map(|token| (presented.scheme, token))
    }

    #[test]
    fn one_form_is_read_and_no_other() {
        // RS-33, RS-38
        for (value, expected) in [
            ("Bearer abc", Ok("abc")),
            ("bearer abc", Ok("abc")),
            ("BEARER aB3-._~+/==", Ok("aB3-._~+/==")),
            ("Bearer", Err(NoToken::Absent)),
            ("Bearer ", Err(NoToken::Absent)),
            ("Basic YWxhZGRpbg==", Err(NoToken::Absent)),
            ("", Err(NoToken::Absent)),
            ("Bearer  abc", Err(NoToken::Malformed)),
            ("Bearer abc ", Err(NoToken::Malformed)),
            ("Bearer abc,def", Err(NoToken::Malformed)),
            ("Bearer abc def", Err(NoToken::Malformed)),
            // RS-37, DPOP-12
            ("Bearer abc, DPoP def", Err(NoToken::Several)),
            ("Bearer abc,bearer def", Err(NoToken::Several)),
            ("DPoP abc ,\tBearer def", Err(NoToken::Several)),
            ("Bearer abc, Basic def", Err(NoToken::Malformed)),
            ("Bearer a=b", Err(NoToken::Malformed)),
            ("Bearer ==", Err(NoToken::Malformed)),
            ("Bearer\tabc", Err(NoToken::Malformed)),
            ("Bearerabc", Err(NoToken::Malformed)),
            ("Bearer \"abc\"", Err(NoToken::Malformed)),
        ] {
            assert_eq!(read(value.as_bytes()), expected.map(|token| (Scheme::Bearer, token)), "{value:?}");
        }
        for (value, expected) in [
            ("DPoP abc", Ok((Scheme::Dpop, "abc"))),
            ("dpop abc", Ok((Scheme::Dpop, "abc"))),
            ("DPoP", Err(NoToken::Absent)),
            ("DPoP  abc", Err(NoToken::Malformed)),
            ("DPoPabc", Err(NoToken::Malformed)),
        ] {
            assert_eq!(read(value.as_bytes()), expected, "{value:?}");
        }
        assert_eq!(read("Bearer \u{e9}".as_bytes()), Err(NoToken::Malformed));
        assert!(read(format!("Bearer {}", "a".repeat(MAX_TOKEN)).as_bytes()).is_ok());
        assert!(read(format!("Bearer {}", "a".repeat(MAX_TOKEN + 1)).as_bytes()).is_err());
    }

    #[test]
    fn the_characters_of_a_token_are_those_of_the_grammar() {
        for byte in 0..=u8::MAX {
            assert_eq!(
                is_b64_char(byte),
                byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte),
                "{byte:#x}"
            );
        }
    }

    #[test]
    fn a_token_in_the_query_is_none_and_a_second_one_too_many() {
        // RS-26, RS-34, RS-37
        let mut headers = HeaderMap::new();
        let bare: Uri = "/mcp".parse().unwrap();
        let query: Uri = "/mcp?a=b&%61ccess_token=x".parse().unwrap();
        assert_eq!(token(&headers, &query), Err(NoToken::InQuery));
        headers.append(AUTHORIZATION, "Bearer abc".parse().unwrap());
        assert_eq!(token(&headers, &bare), Ok((Scheme::Bearer, "abc")));
        assert_eq!(token(&headers, &query), Err(NoToken::Several));
        headers.append(AUTHORIZATION, "Bearer abc".parse().unwrap());
        assert_eq!(token(&headers, &bare), Err(NoToken::Several));
        headers.remove(AUTHORIZATION);
        headers.append(AUTHORIZATION, "Bearer abc".parse().unwrap());
        headers.append("dpop", "a".parse().unwrap());
        assert_eq!(token(&headers, &bare), Ok((Scheme::Bearer, "abc")));
        headers.append("dpop", "b".parse().unwrap());
        assert_eq!(token(&headers, &bare), Err(NoToken::Several));
    }
}
