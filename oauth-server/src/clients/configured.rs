//! Clients from configuration.

use oauth_core::{
    Client, ClientAuth, ClientId, ClientSecret, GrantTypeName, RedirectUri, ScopeSet, TokenHash, json_object,
};
use serde::Deserialize;

use crate::config::MIN_SECRET;
use crate::pages::HttpsLink;

/// Where configured clients come from.
#[derive(Clone, Debug)]
pub(crate) enum ClientConfig {
    /// From the program.
    Record(Box<Client>),
    /// From a JSON list.
    Json(String),
}

impl From<Client> for ClientConfig {
    fn from(client: Client) -> Self {
        Self::Record(Box::new(client))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    client_id: String,
    #[serde(default)]
    redirect_uris: Vec<String>,
    #[serde(default)]
    client_name: Option<String>,
    #[serde(default)]
    token_endpoint_auth_method: Option<String>,
    #[serde(default)]
    logo_uri: Option<String>,
    #[serde(default)]
    client_secret: Option<String>,
    #[serde(default)]
    scope: Option<String>,
    #[serde(default)]
    grant_types: Option<Vec<GrantTypeName>>,
}

impl ClientConfig {
    /// The clients, or everything that is wrong with them.
    pub(crate) fn read(&self) -> Result<Vec<Client>, Vec<String>> {
        match self {
            Self::Record(client) => Ok(vec![(**client).clone()]),
            Self::Json(json) => read_list(json),
        }
    }
}

fn read_list(json: &str) -> Result<Vec<Client>, Vec<String>> {
    let entries: Vec<Box<serde_json::value::RawValue>> =
        serde_json::from_str(json).map_err(|error| vec![format!("clients: not a json list: {error}")])?;
    let mut clients = Vec::new();
    let mut faults = Vec::new();
    for (at, entry) in entries.iter().enumerate() {
        match read_entry(entry.get()) {
            Ok(client) => clients.push(client),
            Err(fault) => faults.push(format!("clients[{at}]: {fault}")),
        }
    }
    if faults.is_empty() { Ok(clients) } else { Err(faults) }
}

fn read_entry(json: &str) -> Result<Client, String> {
    let object = json_object(json.as_bytes()).map_err(|error| error.to_string())?;
    let entry: Entry = serde_json::from_value(object.into()).map_err(|error| error.to_string())?;
    let id: ClientId = entry.client_id.parse().map_err(|error| format!("client_id: {error}"))?;
    if id.is_url() {
        // A-CIMDX-22: a URL as client_id is a metadata document's.
        return Err(format!(
            "client_id {:?} looks like a metadata document; pin the document instead",
            id.as_str()
        ));
    }
    let mut redirect_uris = Vec::new();
    for uri in &entry.redirect_uris {
        redirect_uris.push(uri.parse::<RedirectUri>().map_err(|error| format!("redirect_uris: {error}"))?);
    }
    let mut client = Client::public(id, redirect_uris);
    client.name = entry.client_name.map(Into::into);
    if let Some(logo) = &entry.logo_uri {
        let logo = HttpsLink::parse(logo).ok_or("logo_uri must be https")?;
        client.extra = Some(Box::new([("logo_uri".to_owned(), logo.as_str().into())].into_iter().collect()));
    }
    client.scope_ceiling =
        entry.scope.as_deref().map(str::parse::<ScopeSet>).transpose().map_err(|error| error.to_string())?;
    if let Some(grant_types) = entry.grant_types {
        client.grant_types = grant_types;
    }
    let secret = match &entry.client_secret {
        Some(secret) if secret.len() < MIN_SECRET => {
            return Err(format!("client_secret must have at least {MIN_SECRET} characters"));
        }
        Some(secret) => Some(vec![ClientSecret { hash: TokenHash::of(secret), expires_at: None }]),
        None => None,
    };
    client.auth = match (entry.token_endpoint_auth_method.as_deref(), secret) {
        (None | Some("none"), None) => ClientAuth::Public,
        (None | Some("client_secret_basic"), Some(secrets)) => ClientAuth::SecretBasic(secrets),
        (Some("client_secret_post"), Some(secrets)) => ClientAuth::SecretPost(secrets),
        (Some("none"), Some(_)) => {
            return Err("a client with a client_secret must not have the method \"none\"".to_owned());
        }
        (Some("client_secret_basic" | "client_secret_post"), None) => {
            return Err("client_secret is missing".to_owned());
        }
        (Some(other), _) => return Err(format!("token_endpoint_auth_method {other:?} is not supported")),
    };
    Ok(client)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_the_seed_is_read() {
        let json = r#"[{"client_id":"claude-desktop","redirect_uris":["http://localhost:8081/oauth/callback"],"client_name":"Claude Desktop","token_endpoint_auth_method":"none"}]"#;
        let clients = ClientConfig::Json(json.to_owned()).read().unwrap();
        assert_eq!(clients[0].name.as_deref(), Some("Claude Desktop"));
        assert_eq!(clients[0].auth, ClientAuth::Public);
    }

    #[test]
    fn every_fault_is_named_at_once() {
        let json = r#"[{"client_id":""},{"client_id":"a","redirect_uris":["http://evil.example"]},{"client_id":"b","client_secret":"short"},{"client_id":"c","token_endpoint_auth_method":"client_secret_post"},{"client_id":"d","x":1},{"client_id":"https://e.example/c"}]"#;
        let faults = ClientConfig::Json(json.to_owned()).read().unwrap_err();
        assert_eq!(faults.len(), 6, "{faults:#?}");
        assert!(faults[1].contains("evil.example"));
    }
}
