//! What stands at which path, and who may call it how.

/// What stands at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint<'p> {
    Metadata {
        openid: bool,
    },
    Jwks,
    Authorize,
    Continue,
    Consent,
    SignOut,
    SignIn(&'p str),
    Callback(&'p str),
    Connect(&'p str),
    ConnectCallback(&'p str),
    Token,
    Revoke,
    Introspect,
    Register,
    /// The server's own address.
    Landing,
}

impl<'p> Endpoint<'p> {
    /// The endpoint at `path`, letter for letter: no slash is forgiven and nothing is decoded (A-HTTP-11).
    ///
    /// An issuer with a path serves below it; as a service by itself, mounted by a router that strips the path, also without. A service has
    /// the address itself, too; before an app that is the app's.
    pub(super) fn at(path: &'p str, issuer_path: &str, is_service: bool) -> Option<Self> {
        let own = path.strip_prefix(issuer_path).filter(|_| !issuer_path.is_empty());
        // RFC 8414 §3.1 puts the well-known part between host and path; OpenID appends it. The root form belongs to the issuer
        // without a path alone (AS-2, AS-3).
        for (name, openid) in
            [("/.well-known/oauth-authorization-server", false), ("/.well-known/openid-configuration", true)]
        {
            if path.strip_prefix(name) == Some(issuer_path) || own == Some(name) {
                return Some(Self::Metadata { openid });
            }
        }
        let own = own.or_else(|| (issuer_path.is_empty() || is_service).then_some(path))?;
        Some(match own {
            "/jwks.json" => Self::Jwks,
            "/authorize" => Self::Authorize,
            "/authorize/continue" => Self::Continue,
            "/authorize/consent" => Self::Consent,
            "/sign-out" => Self::SignOut,
            "/token" => Self::Token,
            "/revoke" => Self::Revoke,
            "/introspect" => Self::Introspect,
            "/register" => Self::Register,
            "" | "/" if is_service => Self::Landing,
            other => {
                let (connects, rest) = match other.strip_prefix("/connect/") {
                    Some(rest) => (true, rest),
                    None => (false, other.strip_prefix("/sign-in/")?),
                };
                match (connects, rest.strip_suffix("/callback")) {
                    (false, Some(id)) if !id.contains('/') => Self::Callback(id),
                    (true, Some(id)) if !id.contains('/') => Self::ConnectCallback(id),
                    _ if rest.is_empty() || rest.contains('/') => return None,
                    (false, _) => Self::SignIn(rest),
                    (true, _) => Self::Connect(rest),
                }
            }
        })
    }

    /// The methods it answers, as they stand in `Allow`.
    pub(super) const fn methods(self) -> &'static str {
        match self {
            Self::Metadata { .. } | Self::Jwks => "GET, HEAD, OPTIONS",
            Self::Authorize | Self::Connect(_) => "GET, HEAD, POST",
            Self::Continue | Self::Callback(_) | Self::ConnectCallback(_) | Self::Landing => "GET, HEAD",
            Self::Consent | Self::SignIn(_) | Self::SignOut => "POST",
            Self::Token | Self::Revoke | Self::Introspect | Self::Register => "POST, OPTIONS",
        }
    }

    /// Whether browsers' scripts of any origin may call it: what people see is closed to them (AS-22).
    pub(super) const fn is_cross_origin(self) -> bool {
        matches!(
            self,
            Self::Metadata { .. }
                | Self::Jwks
                | Self::Token
                | Self::Revoke
                | Self::Introspect
                | Self::Register
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_matched_letter_for_letter() {
        // AS-2, AS-3, A-HTTP-11
        for (path, issuer_path, endpoint) in [
            ("/token", "", Some(Endpoint::Token)),
            ("/t1/token", "/t1", Some(Endpoint::Token)),
            ("/.well-known/oauth-authorization-server", "", Some(Endpoint::Metadata { openid: false })),
            ("/.well-known/oauth-authorization-server/t1", "/t1", Some(Endpoint::Metadata { openid: false })),
            ("/t1/.well-known/oauth-authorization-server", "/t1", Some(Endpoint::Metadata { openid: false })),
            ("/.well-known/openid-configuration/t1", "/t1", Some(Endpoint::Metadata { openid: true })),
            ("/t1/.well-known/openid-configuration", "/t1", Some(Endpoint::Metadata { openid: true })),
            ("/.well-known/openid-configuration", "/t1", None),
            ("/.well-known/openid-configuration/t2", "/t1", None),
            ("/.well-known/openid-configuration/", "", None),
            ("/sign-in/github/callback", "", Some(Endpoint::Callback("github"))),
            ("/sign-in/passphrase", "", Some(Endpoint::SignIn("passphrase"))),
            ("/connect/github", "", Some(Endpoint::Connect("github"))),
            ("/t1/connect/github/callback", "/t1", Some(Endpoint::ConnectCallback("github"))),
            ("/connect/", "", None),
            ("/connect/a/b", "", None),
            ("/sign-in/", "", None),
            ("/sign-in/a/b", "", None),
            ("//token", "", None),
            ("/token/", "", None),
            ("/%74oken", "", None),
            ("/TOKEN", "", None),
            ("/", "", Some(Endpoint::Landing)),
            ("/", "/t1", Some(Endpoint::Landing)),
            ("/t1", "/t1", Some(Endpoint::Landing)),
            ("/t1/", "/t1", Some(Endpoint::Landing)),
            ("//", "", None),
            ("/t1//", "/t1", None),
            ("/token;x", "", None),
            ("/.well-known/../token", "", None),
        ] {
            assert_eq!(Endpoint::at(path, issuer_path, true), endpoint, "{path} {issuer_path}");
        }
        // As a layer it takes nothing from the app that it stands before.
        for (path, issuer_path) in [("/token", "/t1"), ("/", ""), ("/t1", "/t1"), ("/t1/", "/t1")] {
            assert_eq!(Endpoint::at(path, issuer_path, false), None, "{path}");
        }
        assert_eq!(Endpoint::at("/t1/token", "/t1", false), Some(Endpoint::Token));
    }
}
