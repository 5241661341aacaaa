//! A browser that keeps cookies, and what it finds on a page.

use http::Method;
use http::header::SET_COOKIE;
use oauth_server::AuthorizationServer;

use super::{Answer, request, send};

/// A browser: what it was given it brings back.
#[derive(Default)]
pub(crate) struct Browser(Vec<String>);

impl Browser {
    pub(crate) async fn go(
        &mut self,
        server: &AuthorizationServer,
        method: Method,
        path: &str,
        form: &[(&str, &str)],
    ) -> Answer {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let cookies = self.0.join("; ");
        let headers = [("content-type", "application/x-www-form-urlencoded"), ("cookie", &*cookies)];
        let answer = send(server, request(method, path, &headers, body)).await;
        for cookie in answer.headers.get_all(SET_COOKIE) {
            self.0.push(cookie.to_str().unwrap().split(';').next().unwrap().to_owned());
        }
        answer
    }
}

pub(crate) fn ticket(page: &Answer) -> &str {
    let (_, rest) = page.text().split_once("name=\"ticket\" value=\"").unwrap_or_else(|| panic!("{page:?}"));
    rest.split_once('"').unwrap().0
}
