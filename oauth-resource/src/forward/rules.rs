//! Which scopes path and method need: all that forward auth can go by.

use http::Method;
use oauth_core::ScopeSet;

use crate::canonical::canonical;
use crate::config::ConfigError;
use crate::forward::path::{is_below, is_plain};
use crate::guard::Origins;
use crate::scope::Need;

/// Scopes by path and method. The longest path counts; at the same path, a rule for the method before one for all.
///
/// ```
/// use http::Method;
/// use oauth_resource::PathRules;
///
/// let rules = PathRules::new("notes:read")
///     .below("/mcp/admin", "notes:admin")
///     .method_below(Method::DELETE, "/mcp", "notes:write")
///     .anonymous(Method::GET, "/mcp/health");
/// # drop(rules);
/// ```
#[derive(Clone, Debug)]
pub struct PathRules {
    scopes: ScopeSet,
    rules: Vec<Rule>,
    origins: Origins,
    errors: Vec<ConfigError>,
}

#[derive(Clone, Debug)]
struct Rule {
    path: Box<str>,
    method: Option<Method>,
    exact: bool,
    need: Need,
}

impl PathRules {
    /// What everything needs that no rule names. Several scopes are separated by spaces; none: any good token.
    #[must_use]
    pub fn new(scopes: &str) -> Self {
        let mut rules = Self {
            scopes: ScopeSet::empty(),
            rules: Vec::new(),
            origins: Origins::none(),
            errors: Vec::new(),
        };
        rules.scopes = rules.read(scopes, "all paths");
        rules
    }

    /// What `path` and all below it needs. It is the path that the client sends, from the root on, without a slash at the end.
    #[must_use]
    pub fn below(self, path: &str, scopes: &str) -> Self {
        self.rule(path, None, scopes)
    }

    /// What one method needs at `path` and below. `GET` speaks for `HEAD` too.
    #[must_use]
    pub fn method_below(self, method: Method, path: &str, scopes: &str) -> Self {
        self.rule(path, Some(method), scopes)
    }

    /// One method at this very path needs no token. One that is presented must be good all the same (A-AUD-14).
    #[must_use]
    pub fn anonymous(mut self, method: Method, path: &str) -> Self {
        let path = (*canonical(path)).into();
        self.rules.push(Rule { path, method: Some(method), exact: true, need: Need::Nothing });
        self
    }

    /// Pages of this origin may call, and beside them and the resource's own no others. Their browsers ask first, without a token (`OPTIONS` with `Access-Control-Request-Method`): such a question is
    /// passed on to the server behind, whose answer it is; it must do nothing else upon `OPTIONS`, whatever the body, which is not seen here. And
    /// refusals can be read by these pages, where the proxy hands on the answer's headers (nginx hands on `WWW-Authenticate` alone).
    ///
    /// ```
    /// use oauth_core::{PeerAddress, Stores};
    /// use oauth_resource::{ForwardAuth, PathRules, ProtectedResource, ProxyStyle};
    /// use tower::ServiceExt as _;
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let notes = ProtectedResource::builder("https://notes.example/mcp", "https://as.example").stores(&Stores::memory()).build()?;
    /// let rules = PathRules::new("notes:read").page("https://app.example");
    /// let verify = ForwardAuth::builder(ProxyStyle::OriginalUrl).trusted_proxy("10.0.0.0/8").resource(&notes, rules).build()?;
    /// for (origin, status) in [("https://app.example", 200), ("https://evil.example", 403)] {
    ///     let asked = http::Request::get("/verify")
    ///         .header("x-original-url", "https://notes.example/mcp")
    ///         .header("x-original-method", "OPTIONS")
    ///         .header("origin", origin)
    ///         .header("access-control-request-method", "POST")
    ///         .extension(PeerAddress("10.0.0.1".parse()?));
    ///     assert_eq!(verify.clone().oneshot(asked.body(())?).await?.status(), status);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn page(mut self, origin: &str) -> Self {
        if !self.origins.add(origin) {
            self.errors.push(ConfigError::Origin(origin.to_owned()));
        }
        self
    }

    /// The pages that may call.
    pub(super) const fn origins(&self) -> &Origins {
        &self.origins
    }

    fn rule(mut self, path: &str, method: Option<Method>, scopes: &str) -> Self {
        let need = Need::Scopes(self.read(scopes, path));
        self.rules.push(Rule { path: (*canonical(path)).into(), method, exact: false, need });
        self
    }

    fn read(&mut self, text: &str, what: &str) -> ScopeSet {
        text.parse().unwrap_or_else(|source| {
            let (text, what) = (text.to_owned(), what.to_owned());
            self.errors.push(ConfigError::Scopes { text, what, source });
            ScopeSet::empty()
        })
    }

    /// What is wrong with them, for a resource at `root`.
    pub(super) fn check(&self, root: &str) -> Vec<ConfigError> {
        let mut errors = self.errors.clone();
        for (index, rule) in self.rules.iter().enumerate() {
            let differs_in_case =
                |other: &Rule| other.path != rule.path && other.path.eq_ignore_ascii_case(&rule.path);
            let why = if !is_plain(&rule.path) || (rule.path.ends_with('/') && !rule.exact) {
                "a path is written plainly, from / on, without a slash at the end"
            } else if !is_below(&rule.path, &canonical(root)) {
                "the path is not below the resource's"
            } else if self.rules[..index].iter().any(differs_in_case) {
                "another rule's path differs in case alone: requests to either would be refused"
            } else {
                continue;
            };
            errors.push(ConfigError::Rule { what: format!("path {:?}", rule.path), why });
        }
        errors
    }

    /// What a request needs. `None`: a path that a server which ignores case reads as that of another rule.
    pub(super) fn need(&self, method: &Method, path: &str) -> Option<Need> {
        let path = &*canonical(path);
        let method = if method == Method::HEAD { &Method::GET } else { method };
        let is_other_case = |rule: &Rule| {
            let Some((start, rest)) = path.split_at_checked(rule.path.len()) else { return false };
            // Whole segments: `/Administrator` is not the `/admin` of anybody.
            let at = if rule.exact { rest.is_empty() } else { rest.is_empty() || rest.starts_with('/') };
            at && start != &*rule.path && start.eq_ignore_ascii_case(&rule.path)
        };
        if self.rules.iter().any(is_other_case) {
            return None;
        }
        let applies = |rule: &&Rule| {
            let at = if rule.exact { path == &*rule.path } else { is_below(path, &rule.path) };
            at && rule.method.as_ref().is_none_or(|named| named == method)
        };
        let found = self
            .rules
            .iter()
            .filter(applies)
            // Where two say the same, the stricter one counts: none is anonymous by being said last.
            .max_by_key(|rule| (rule.path.len(), rule.method.is_some(), rule.need != Need::Nothing));
        Some(found.map_or_else(|| Need::Scopes(self.scopes.clone()), |rule| rule.need.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_path_counts_and_then_the_method() {
        let rules = PathRules::new("read")
            .below("/mcp/admin", "admin")
            .method_below(Method::DELETE, "/mcp", "write")
            .method_below(Method::GET, "/mcp/admin", "audit")
            .anonymous(Method::GET, "/mcp/health");
        assert_eq!(rules.check("/mcp"), []);
        for (method, path, needed) in [
            (Method::POST, "/mcp", "read"),
            (Method::DELETE, "/mcp/x", "write"),
            (Method::DELETE, "/mcp/admin/x", "admin"),
            (Method::GET, "/mcp/admin", "audit"),
            (Method::HEAD, "/mcp/admin", "audit"),
            (Method::POST, "/mcp/adminx", "read"),
            (Method::POST, "/mcp/health", "read"),
            (Method::GET, "/mcp/health/x", "read"),
        ] {
            let expected = Some(Need::Scopes(needed.parse().unwrap()));
            assert_eq!(rules.need(&method, path), expected, "{method} {path}");
        }
        for method in [Method::GET, Method::HEAD] {
            assert_eq!(rules.need(&method, "/mcp/health"), Some(Need::Nothing));
        }
        // UP-16: a server that ignores case would find the guarded place.
        assert_eq!(rules.need(&Method::POST, "/mcp/Admin"), None);
        assert_eq!(rules.need(&Method::POST, "/MCP/admin/x"), None);
        // `%3A` and `:` are one place, however the rule is written.
        for rule in ["/mcp/notes:purge", "/mcp/notes%3Apurge"] {
            let rules = PathRules::new("read").below(rule, "admin");
            assert_eq!(rules.check("/mcp"), []);
            for path in ["/mcp/notes:purge", "/mcp/notes%3Apurge", "/mcp/notes%3Apurge/x"] {
                let admin = Some(Need::Scopes("admin".parse().unwrap()));
                assert_eq!(rules.need(&Method::POST, path), admin, "{rule} {path}");
            }
        }
        let read = Some(Need::Scopes("read".parse().unwrap()));
        assert_eq!(rules.need(&Method::POST, "/mcp/Administrator"), read);
    }

    #[test]
    fn rules_that_would_not_apply_as_they_read_are_said_at_once() {
        let rules = PathRules::new("a\"")
            .below("/other", "x")
            .below("/mcp/", "x")
            .below("mcp", "x")
            .anonymous(Method::GET, "/mcp/../x")
            .below("/mcp/a", "b\\");
        assert_eq!(rules.check("/mcp").len(), 6);
        assert_eq!(PathRules::new("a").below("/mcp/a", "x").below("/mcp/A", "y").check("/mcp").len(), 1);
    }
}
