//! Whether a path has one spelling only.

/// No two servers read this path as two places: no dot segment, no empty one but the last, no parameters (`;`), no backslash, and
/// percent-encoding only of what must be encoded, in capitals; of what may be encoded or not, see [`canonical`](crate::canonical::canonical).
pub(super) fn is_plain(path: &str) -> bool {
    let Some(segments) = path.strip_prefix('/') else { return false };
    let last = segments.matches('/').count();
    let plain_segments = segments
        .split('/')
        .enumerate()
        .all(|(index, segment)| segment != "." && segment != ".." && (index == last || !segment.is_empty()));
    plain_segments && has_plain_bytes(path.as_bytes())
}

fn has_plain_bytes(path: &[u8]) -> bool {
    let mut at = 0;
    while let Some(&byte) = path.get(at) {
        match byte {
            b'%' => {
                let Some(decoded) = path.get(at + 1..at + 3).and_then(decode) else { return false };
                // An encoded slash, dot or letter is another spelling of what need not be encoded; an encoded percent is one once it
                // is decoded twice.
                if decoded.is_ascii_alphanumeric()
                    || decoded.is_ascii_control()
                    || b"-._~/\\%;?#".contains(&decoded)
                {
                    return false;
                }
                at += 3;
            }
            byte if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@/".contains(&byte) => at += 1,
            _ => return false,
        }
    }
    true
}

fn decode(digits: &[u8]) -> Option<u8> {
    // `%c3` and `%C3` are two spellings of one byte.
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    };
    match digits {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    }
}

/// Whether `path` is `prefix` or lies below it.
pub(super) fn is_below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_a_second_spelling_is_not_plain() {
        // UP-16
        for plain in [
            "/",
            "/mcp",
            "/mcp/",
            "/mcp/a-b_c.d~e",
            "/a:b@c/!$&'()*+,=",
            "/a%3Ab%40c",
            "/%C3%A9",
            "/a%20b",
            "/..a/b..",
        ] {
            assert!(is_plain(plain), "{plain}");
        }
        for two in [
            "",
            "mcp",
            "//",
            "//mcp",
            "/mcp//a",
            "/mcp/.",
            "/mcp/./a",
            "/mcp/..",
            "/mcp/../admin",
            "/mcp/%2e%2e/admin",
            "/mcp/%2E./admin",
            "/mcp/.%2E",
            "/mcp%2Fadmin",
            "/mcp%2fadmin",
            "/mcp%5Cadmin",
            "/mcp\\admin",
            "/mcp/%252e",
            "/mcp%25",
            "/mcp;x=1/admin",
            "/mcp%3Bx",
            "/%6Dcp",
            "/%c3%a9",
            "/mcp%00",
            "/mcp%0A",
            "/mcp%",
            "/mcp%2",
            "/mcp%zz",
            "/mcp#x",
            "/mcp?x",
            "/mcp a",
            "/é",
        ] {
            assert!(!is_plain(two), "{two}");
        }
    }

    #[test]
    fn a_prefix_ends_at_a_slash() {
        assert!(is_below("/mcp", "/mcp") && is_below("/mcp/a", "/mcp") && is_below("/mcp/", "/mcp"));
        assert!(is_below("/anything", ""));
        assert!(!is_below("/mcpx", "/mcp") && !is_below("/MCP", "/mcp") && !is_below("/", "/mcp"));
    }
}
