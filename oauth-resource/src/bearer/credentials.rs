//! The token in a request, RFC 6750 §2.1 and RFC 9449 §7.1.

use http::header::AUTHORIZATION;
use http::{HeaderMap, Uri};

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

/// The token that a request presents, and how. Which of several is never chosen (RS-37).
pub(crate) fn token<'a>(headers: &'a HeaderMap, uri: &Uri) -> Result<(Scheme, &'a str), NoToken> {
    // Proofs are not looked at here; two of them are a request that nobody should take further.
    if headers.get_all("dpop").iter().nth(1).is_some() {
        return Err(NoToken::Several);
    }
    let in_query = uri.query().is_some_and(names_a_token);
    let mut presented = headers.get_all(AUTHORIZATION).iter();
    let none = if in_query { NoToken::InQuery } else { NoToken::Absent };
    let value = presented.next().ok_or(none)?;
    if presented.next().is_some() {
        return Err(NoToken::Several);
    }
    let presented = of_value(value.as_bytes())?;
    if in_query {
        return Err(NoToken::Several);
    }
    Ok(presented)
}

fn of_value(value: &[u8]) -> Result<(Scheme, &str), NoToken> {
    let has =
        |name: &str| value.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()));
    let (scheme, rest) = if has("bearer") {
        (Scheme::Bearer, &value["bearer".len()..])
    } else if has("dpop") {
        (Scheme::Dpop, &value["dpop".len()..])
    } else {
        return Err(NoToken::Absent);
    };
    let token = match rest {
        [] | [b' '] => return Err(NoToken::Absent),
        [b' ', token @ ..] => token,
        // `Bearerx` is another scheme, `Bearer\tx` is none.
        _ => return Err(NoToken::Malformed),
    };
    if token.len() > MAX_TOKEN || !is_b64token(token) {
        return Err(NoToken::Malformed);
    }
    std::str::from_utf8(token).map(|token| (scheme, token)).map_err(|_| NoToken::Malformed)
}

/// `1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`
fn is_b64token(token: &[u8]) -> bool {
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

    #[test]
    fn one_form_is_read_and_no_other() {
        // RS-33, RS-38
        for (value, read) in [
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
            ("Bearer a=b", Err(NoToken::Malformed)),
            ("Bearer ==", Err(NoToken::Malformed)),
            ("Bearer\tabc", Err(NoToken::Malformed)),
            ("Bearerabc", Err(NoToken::Malformed)),
            ("Bearer \"abc\"", Err(NoToken::Malformed)),
        ] {
            assert_eq!(of_value(value.as_bytes()), read.map(|token| (Scheme::Bearer, token)), "{value:?}");
        }
        for (value, read) in [
            ("DPoP abc", Ok((Scheme::Dpop, "abc"))),
            ("dpop abc", Ok((Scheme::Dpop, "abc"))),
            ("DPoP", Err(NoToken::Absent)),
            ("DPoP  abc", Err(NoToken::Malformed)),
            ("DPoPabc", Err(NoToken::Malformed)),
        ] {
            assert_eq!(of_value(value.as_bytes()), read, "{value:?}");
        }
        assert_eq!(of_value("Bearer \u{e9}".as_bytes()), Err(NoToken::Malformed));
        assert!(of_value(format!("Bearer {}", "a".repeat(MAX_TOKEN)).as_bytes()).is_ok());
        assert!(of_value(format!("Bearer {}", "a".repeat(MAX_TOKEN + 1)).as_bytes()).is_err());
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
