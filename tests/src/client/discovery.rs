//! From a 401 to the authorization server's metadata: RFC 9728, RFC 8414, MCP's order of trying.

use serde_json::{Value, json};
use url::Url;

use super::{Answer, Client, ClientError, url};
use crate::challenge::Challenge;

/// What a client found out before anybody signed in. Each document as it came.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Discovery {
    /// The challenge of the 401.
    pub challenge: Option<Challenge>,
    /// Where the resource's metadata was.
    pub resource_url: Url,
    /// The resource's metadata.
    pub resource: Value,
    /// The authorization server's identifier, as the resource names it.
    pub issuer: String,
    /// Where the server's metadata was.
    pub server_url: Url,
    /// The authorization server's metadata.
    pub server: Value,
}

impl Discovery {
    /// An endpoint of the authorization server: `token_endpoint`.
    ///
    /// # Errors
    /// [`ClientError::Missing`], [`ClientError::Url`].
    pub fn endpoint(&self, name: &'static str) -> Result<Url, ClientError> {
        url(self.server.get(name).and_then(Value::as_str).ok_or(ClientError::Missing(name))?)
    }

    /// The scopes to ask for, in MCP's order: those of the challenge, else all of the resource's.
    #[must_use]
    pub fn scope(&self) -> Option<String> {
        if let Some(scope) = self.challenge.as_ref().and_then(|challenge| challenge.param("scope")) {
            return Some(scope.to_owned());
        }
        let all = self.resource.get("scopes_supported")?.as_array()?;
        Some(all.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "))
    }

    /// The resource's identifier, to be sent as `resource` (RFC 8707).
    ///
    /// # Errors
    /// [`ClientError::Missing`].
    pub fn resource_id(&self) -> Result<&str, ClientError> {
        self.resource.get("resource").and_then(Value::as_str).ok_or(ClientError::Missing("resource"))
    }
}

impl Client {
    /// Asks the MCP server without a token, and finds its way from the 401.
    ///
    /// # Errors
    /// [`ClientError::Status`] if nothing is where it should be, [`ClientError::Mismatch`] if a document is about another resource or issuer (RFC
    /// 9728 §3.3, RFC 8414 §3.3).
    pub async fn discover(&self) -> Result<Discovery, ClientError> {
        let probe = json!({ "jsonrpc": "2.0", "id": 0, "method": "tools/list" });
        let refused = self.post_json(self.resource(), None, &probe).await?;
        let challenge = refused.challenges()?.into_iter().find(|challenge| challenge.is("bearer"));
        let named = challenge.as_ref().and_then(|challenge| challenge.param("resource_metadata"));
        let places = match named {
            Some(named) => vec![url(named)?],
            None => well_known(self.resource(), "oauth-protected-resource"),
        };
        let found = self.first(places).await?;
        let (resource_url, resource) = (found.url.clone(), found.document()?.clone());
        self.check_resource(&resource)?;
        let issuer = resource.pointer("/authorization_servers/0").and_then(Value::as_str);
        let issuer = issuer.ok_or(ClientError::Missing("authorization_servers"))?.to_owned();
        let found = self.server_metadata(&issuer).await?;
        let (server_url, server) = (found.url.clone(), found.document()?.clone());
        let named = server.get("issuer").and_then(Value::as_str).unwrap_or_default();
        if named != issuer {
            return Err(ClientError::Mismatch { what: "issuer", found: named.to_owned(), expected: issuer });
        }
        Ok(Discovery { challenge, resource_url, resource, issuer, server_url, server })
    }

    /// The metadata of an authorization server: first as RFC 8414 has it, then the two forms of OpenID.
    ///
    /// # Errors
    /// [`ClientError::Status`] with the last answer, if it is nowhere.
    pub async fn server_metadata(&self, issuer: &str) -> Result<Answer, ClientError> {
        let issuer = url(issuer)?;
        let mut places =
            vec![inserted(&issuer, "oauth-authorization-server"), inserted(&issuer, "openid-configuration")];
        if issuer.path() != "/" {
            let mut appended = issuer.clone();
            appended.set_path(&format!(
                "{}/.well-known/openid-configuration",
                issuer.path().trim_end_matches('/')
            ));
            places.push(appended);
        }
        self.first(places).await
    }

    /// The first of these documents that is there.
    async fn first(&self, places: Vec<Url>) -> Result<Answer, ClientError> {
        let mut last = None;
        for place in places {
            let answer = self.fetch(&place).await?;
            if answer.status.is_success() {
                return Ok(answer);
            }
            last = Some(answer);
        }
        let last = last.ok_or(ClientError::Missing("metadata"))?;
        Err(ClientError::Status { status: last.status, body: last.text(), url: last.url })
    }

    /// The document is about the URL that was asked, its origin, or a parent path of it.
    fn check_resource(&self, document: &Value) -> Result<(), ClientError> {
        let named =
            document.get("resource").and_then(Value::as_str).ok_or(ClientError::Missing("resource"))?;
        let about = url(named)?;
        let (own, parent) = (self.resource().path(), about.path());
        // Below it means behind a slash: `/mcp/` is not about `/mcp`.
        let covers = own
            .strip_prefix(parent)
            .is_some_and(|rest| rest.is_empty() || parent.ends_with('/') || rest.starts_with('/'));
        if about.origin() == self.resource().origin() && covers {
            return Ok(());
        }
        let expected = self.resource().to_string();
        Err(ClientError::Mismatch { what: "resource", found: named.to_owned(), expected })
    }
}

/// The path form, then the root form.
fn well_known(resource: &Url, kind: &str) -> Vec<Url> {
    let mut places = vec![inserted(resource, kind)];
    if resource.path() != "/" {
        let mut root = resource.clone();
        root.set_path("/");
        places.push(inserted(&root, kind));
    }
    places
}

/// `/.well-known/` and the kind before the path (RFC 8414 §3.1).
fn inserted(base: &Url, kind: &str) -> Url {
    let mut place = base.clone();
    place.set_path(&format!("/.well-known/{kind}{}", base.path().trim_end_matches('/')));
    place.set_query(None);
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_known_places_are_built_by_insertion() {
        let place = |base: &str| inserted(&base.parse().unwrap(), "x").to_string();
        assert_eq!(place("https://a.example"), "https://a.example/.well-known/x");
        assert_eq!(place("https://a.example/t/1/"), "https://a.example/.well-known/x/t/1");
    }
}
