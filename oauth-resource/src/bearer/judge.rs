//! Whether claims are good here and now: issuer, audience, time, binding.

use std::sync::Arc;
use std::time::Duration;

use oauth_core::{Binding, Claims, ResourceUri, Timestamp};

/// By how much clocks may differ at most.
pub const MAX_LEEWAY: Duration = Duration::from_secs(60);

/// What is asked of every token.
#[derive(Clone, Debug)]
pub(crate) struct Judge {
    pub(crate) resource: ResourceUri,
    /// Empty: whatever issuer the verifier trusts.
    pub(crate) issuers: Vec<Arc<str>>,
    pub(crate) leeway: Duration,
    /// Whether the caller is asked to prove that a bound token is theirs.
    pub(crate) proves: bool,
}

impl Judge {
    /// `Err` is the reason, for the log.
    pub(crate) fn check(&self, claims: &Claims, now: Timestamp) -> Result<(), &'static str> {
        // Letter by letter: no slash is forgiven (RS-46).
        if !self.issuers.is_empty() && !self.issuers.contains(&claims.issuer) {
            return Err("issuer");
        }
        if !claims.audience.iter().any(|audience| is_audience(audience, &self.resource)) {
            return Err("audience");
        }
        let leeway = self.leeway.max(claims.leeway.min(MAX_LEEWAY));
        if now >= claims.expires_at + leeway {
            return Err("expired");
        }
        if claims.not_before.is_some_and(|not_before| not_before > now + leeway) {
            return Err("not_before");
        }
        // Who bears a bound token has proved nothing (DPOP-11).
        if !self.proves && claims.binding != Binding::Bearer {
            return Err("binding");
        }
        Ok(())
    }
}

/// Whether an audience names `resource` (RS-47, RS-48). Scheme and host in any case, a default port, and for a bare origin one
/// slash are forgiven; nothing else is, and no prefix counts for the whole.
///
/// ```
/// use oauth_resource::is_audience;
///
/// let resource = "https://mcp.example/mcp".parse()?;
/// assert!(is_audience("HTTPS://MCP.example:443/mcp", &resource));
/// assert!(!is_audience("https://mcp.example/mcp/", &resource));
/// # Ok::<(), oauth_core::UrlError>(())
/// ```
#[must_use]
pub fn is_audience(audience: &str, resource: &ResourceUri) -> bool {
    if audience == resource.as_str() {
        return true;
    }
    let Some(after_scheme) = audience.find("://").map(|at| at + 3) else { return false };
    let path_start = audience[after_scheme..].find('/').map_or(audience.len(), |at| after_scheme + at);
    let (origin, path) = audience.split_at(path_start);
    let origin_matches = origin.eq_ignore_ascii_case(resource.origin())
        || without_default_port(origin).is_some_and(|origin| origin.eq_ignore_ascii_case(resource.origin()));
    origin_matches && (path == resource.path() || (resource.path().is_empty() && path == "/"))
}

fn without_default_port(origin: &str) -> Option<&str> {
    let (rest, port) = origin.rsplit_once(':')?;
    let scheme = rest.split("://").next()?;
    let default = if scheme.eq_ignore_ascii_case("https") { "443" } else { "80" };
    (port == default).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_audience_names_this_resource_or_not() {
        // RS-47, RS-48
        for (audience, resource, good) in [
            ("https://mcp.example/mcp", "https://mcp.example/mcp", true),
            ("HTTPS://MCP.example/mcp", "https://mcp.example/mcp", true),
            ("https://mcp.example:443/mcp", "https://mcp.example/mcp", true),
            ("https://mcp.example/", "https://mcp.example", true),
            ("HTTPS://MCP.example.com/", "https://mcp.example.com", true),
            ("https://mcp.example//", "https://mcp.example", false),
            ("https://mcp.example/mcp/", "https://mcp.example/mcp", false),
            ("https://mcp.example/MCP", "https://mcp.example/mcp", false),
            ("https://mcp.example/other", "https://mcp.example", false),
            ("https://mcp.example", "https://mcp.example/mcp", false),
            ("https://mcp.example.evil", "https://mcp.example", false),
            ("https://mcp.example.evil/mcp", "https://mcp.example/mcp", false),
            ("https://mcp.example:8443/mcp", "https://mcp.example/mcp", false),
            ("http://mcp.example/mcp", "https://mcp.example/mcp", false),
            ("https://mcp.example:80/mcp", "https://mcp.example/mcp", false),
            ("mcp.example/mcp", "https://mcp.example/mcp", false),
            ("https://mcp.example/mcp?x", "https://mcp.example/mcp", false),
            ("", "https://mcp.example", false),
            ("https://", "https://mcp.example", false),
        ] {
            assert_eq!(is_audience(audience, &resource.parse().unwrap()), good, "{audience} for {resource}");
        }
    }
}
