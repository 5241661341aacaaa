//! rmcp's HTTP client for OAuth, with everything that it sends and gets said aloud.

use std::sync::Arc;

use rmcp::transport::auth::{OAuthHttpClient, OAuthHttpClientError, OAuthHttpClientFuture, OAuthHttpRequest};

use super::print;

/// Sends what it is told, and says so.
pub(super) struct Watched {
    http: reqwest::Client,
}

impl Watched {
    pub(super) fn new() -> Result<Arc<Self>, reqwest::Error> {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
        Ok(Arc::new(Self { http }))
    }
}

impl OAuthHttpClient for Watched {
    fn execute(&self, request: OAuthHttpRequest) -> OAuthHttpClientFuture<'_> {
        Box::pin(async move {
            let request = request.request;
            print::sent(request.method(), &request.uri().to_string(), request.body());
            let failed = |error: reqwest::Error| OAuthHttpClientError::from(error.to_string());
            let answer = self.http.execute(request.try_into().map_err(failed)?).await.map_err(failed)?;
            let (status, headers) = (answer.status(), answer.headers().clone());
            let body = answer.bytes().await.map_err(failed)?;
            print::received(status, &body);
            let mut response = http::Response::new(body.to_vec());
            *response.status_mut() = status;
            *response.headers_mut() = headers;
            Ok(response)
        })
    }
}
