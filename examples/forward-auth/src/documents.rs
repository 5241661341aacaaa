//! The metadata documents of several servers at one address: which of them is meant is told by the host that was called.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::header::HOST;
use oauth_core::metadata::ProtectedResourceMetadata;
use oauth_resource::MetadataService;
use tower::ServiceExt as _;

/// By host. Nothing that a request says gets into a document: it chooses among those that are configured.
pub(crate) struct Documents(BTreeMap<String, MetadataService>);

impl Documents {
    pub(crate) fn new(all: &[ProtectedResourceMetadata]) -> Self {
        let mut hosts: BTreeMap<String, Vec<&ProtectedResourceMetadata>> = BTreeMap::new();
        for document in all {
            let (_, host) = document.resource.origin().split_once("://").unwrap_or_default();
            hosts.entry(host.to_owned()).or_default().push(document);
        }
        Self(hosts.into_iter().map(|(host, documents)| (host, MetadataService::new(documents))).collect())
    }

    pub(crate) async fn answer(self: Arc<Self>, request: Request) -> Response {
        let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        match self.at(host) {
            Some(service) => {
                let Ok(answer) = service.oneshot(request).await;
                answer.map(Body::new)
            }
            None => hosting::not_found().await,
        }
    }

    /// A proxy need not tell the host where there is one.
    fn at(&self, host: &str) -> Option<MetadataService> {
        match self.0.len() {
            1 => self.0.values().next(),
            _ => self.0.get(&host.to_ascii_lowercase()),
        }
        .cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;
    use oauth_core::Stores;
    use oauth_resource::ProtectedResource;

    fn documents(urls: &[&str]) -> Documents {
        let document = |url: &&str| {
            let resource = ProtectedResource::builder(url, "https://id.example").scopes_supported("mcp:use");
            resource.stores(&Stores::memory()).build().expect("it is configured").document().clone()
        };
        Documents::new(&urls.iter().map(document).collect::<Vec<_>>())
    }

    async fn resource(documents: &Arc<Documents>, host: &str, path: &str) -> Option<String> {
        let request = Request::get(path).header(HOST, host).body(Body::empty()).expect("it is a request");
        let answer = documents.clone().answer(request).await;
        let is_there = answer.status() == StatusCode::OK;
        let body = axum::body::to_bytes(answer.into_body(), 10_000).await.expect("it is short");
        let body = String::from_utf8_lossy(&body);
        let name = body.split_once(r#""resource":""#).and_then(|(_, rest)| rest.split_once('"'));
        name.filter(|_| is_there).map(|(name, _)| name.to_owned())
    }

    #[tokio::test]
    async fn each_host_and_path_has_its_own() {
        // RS-3, RS-17
        let (notes, files, more) =
            ("https://notes.example/mcp", "https://files.example/mcp", "https://files.example/more");
        let all = Arc::new(documents(&[notes, files, more]));
        let at = "/.well-known/oauth-protected-resource";
        for (host, path, expected) in [
            ("notes.example", "/mcp", Some(notes)),
            ("notes.example", "", Some(notes)),
            ("notes.example", "/more", None),
            ("NOTES.example", "/mcp", Some(notes)),
            ("files.example", "/mcp", Some(files)),
            ("files.example", "/more", Some(more)),
            ("files.example", "", None),
            ("evil.example", "/mcp", None),
            ("", "/mcp", None),
        ] {
            let found = resource(&all, host, &format!("{at}{path}")).await;
            assert_eq!(found.as_deref(), expected, "{host} {path}");
        }
        let one = Arc::new(documents(&[notes]));
        assert_eq!(resource(&one, "auth", &format!("{at}/mcp")).await.as_deref(), Some(notes));
    }
}
