//! The metadata documents of several servers at one address: which of them is meant is told by the host that was called.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::StatusCode;
use http::header::HOST;
use oauth_core::ResourceUri;
use oauth_resource::MetadataService;
use tower::ServiceExt as _;

/// Nothing that a request says gets into a document: it chooses among those that are configured.
#[derive(Default)]
pub(crate) struct Documents(Vec<Document>);

struct Document {
    authority: Box<str>,
    path: String,
    service: MetadataService,
}

impl Documents {
    pub(crate) fn add(&mut self, url: &ResourceUri, service: MetadataService) {
        let authority = url.origin().split_once("://").map_or("", |(_, authority)| authority);
        self.0.push(Document { authority: authority.into(), path: url.metadata_path(), service });
    }

    pub(crate) async fn answer(self: Arc<Self>, request: Request) -> Response {
        let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        match self.find(host, request.uri().path()) {
            Some(service) => {
                let Ok(answer) = service.oneshot(request).await;
                answer.map(Body::new)
            }
            None => {
                let mut answer = Response::new(Body::from("no guarded server has that address"));
                *answer.status_mut() = StatusCode::NOT_FOUND;
                answer
            }
        }
    }

    /// By host, then by path. A proxy need not tell the host of the only one; the only one of a host has the form without a path, too.
    fn find(&self, host: &str, path: &str) -> Option<MetadataService> {
        let here = |document: &&Document| self.0.len() == 1 || document.authority.eq_ignore_ascii_case(host);
        let mut all = self.0.iter().filter(here);
        let (first, second) = (all.next()?, all.next());
        let named = self.0.iter().filter(here).find(|document| document.path == path);
        named.or(second.is_none().then_some(first)).map(|document| document.service.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use oauth_core::Stores;
    use oauth_resource::ProtectedResource;

    fn documents(urls: &[&str]) -> Documents {
        let mut documents = Documents::default();
        for url in urls {
            let resource = ProtectedResource::builder(url, "https://id.example").scopes_supported("mcp:use");
            let resource = resource.stores(&Stores::memory()).build().expect("it is configured");
            documents.add(&url.parse().expect("it is a resource"), resource.metadata());
        }
        documents
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
