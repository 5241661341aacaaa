//! Judging a client by its metadata document: the URL that is its `client_id`, and what stands there
//! ([draft-ietf-oauth-client-id-metadata-document](https://datatracker.ietf.org/doc/draft-ietf-oauth-client-id-metadata-document/)).
//!
//! The URL, as text, since it is compared as text (CIMD-1, CIMD-2):
//! 1. `https://`, in development also `http://` to a loopback address;
//! 2. visible ASCII without backslash, user, query and fragment;
//! 3. a host, and a path that is more than `/`, without `.` and `..`, encoded ones included.
//!
//! The document (CIMD-3 to CIMD-6):
//! 1. status 200, a JSON media type, a JSON object in which no member stands twice;
//! 2. `client_id` is the URL, letter for letter; `client_name` and `redirect_uris` are there and valid;
//! 3. no secret in it, shared or a private key (CIMD-6, DCR-12), and no method that needs a shared one: everybody can read it;
//! 4. the client can do without authenticating: by `none`, or because `none` is among its choices (CAUTH-16).
//!
//! Public keys are kept, so that a change is seen (CIMD-12). `jwks_uri` and whatever else names a URL is not fetched here (A-CIMDX-19, A-CIMDX-20).

use http::StatusCode;
use oauth_core::fetch::Fetched;
use oauth_core::{AuthMethod, Client, ClientId, ClientOrigin, Timestamp, is_loopback, json_object};
use serde_json::Value;
use url::Url;

use super::members::{self, MemberFault, Members};

/// How many redirect URIs a document may list. More than a registration may: one document speaks for all of a product's forms.
const MOST_REDIRECTS: usize = 32;

/// Links of the document that are kept: those that the consent page shows, the logo's, and that of the keys.
const LINKS: [&str; 5] = ["client_uri", "policy_uri", "tos_uri", "logo_uri", "jwks_uri"];

/// Judges a `client_id` as the URL of a document, without looking anything up.
pub(super) fn judge_url(id: &ClientId, development: bool) -> Result<Url, MemberFault> {
    let fault = |line| MemberFault::new("client_id_url", line);
    let text = id.as_str();
    if !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
        return Err(fault("its url must consist of visible ascii characters"));
    }
    let (rest, secure) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(rest), _) => (rest, true),
        (None, Some(rest)) if development => (rest, false),
        _ => return Err(fault("its url must begin with https://")),
    };
    if rest.contains(['?', '#']) {
        return Err(fault("its url must not have a query or a fragment"));
    }
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    if authority.is_empty() || authority.contains('@') {
        return Err(fault("its url must have a host and no user"));
    }
    if matches!(path, "" | "/") {
        return Err(fault("its url must have a path"));
    }
    if path.split('/').any(is_dot_segment) {
        return Err(fault("its url must not have dot segments"));
    }
    let url = Url::parse(text).map_err(|_| fault("its url cannot be read"))?;
    if url.host().is_none() {
        return Err(fault("its url must have a host and no user"));
    }
    if secure || is_loopback(&url) { Ok(url) } else { Err(fault("its url must begin with https://")) }
}

/// `.` and `..`, with dots encoded or not.
fn is_dot_segment(segment: &str) -> bool {
    // The longest way to write two dots is `%2e%2e`.
    segment.len() <= 6 && matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..")
}

/// Judges what the URL answered.
pub(super) fn judge_answer(id: &ClientId, answer: &Fetched, now: Timestamp) -> Result<Client, MemberFault> {
    if answer.status != StatusCode::OK {
        return Err(MemberFault::new(
            "document_status",
            "its url must answer 200; redirects are not followed",
        ));
    }
    if !answer.is_json() {
        return Err(MemberFault::new("document_type", "its content type must be application/json"));
    }
    judge_document(id, &answer.body, now)
}

/// Judges a document that an operator has put in place of what its URL answers (CIMD-18).
///
/// # Errors
/// What is wrong with the URL or the document, in a line.
pub(crate) fn pinned(client_id: &str, json: &str) -> Result<Client, String> {
    let id: ClientId = client_id.parse().map_err(|error: oauth_core::IdError| error.to_string())?;
    // What the operator writes is not fetched: on loopback it may be http without further ado.
    let judged =
        judge_url(&id, true).and_then(|_| judge_document(&id, json.as_bytes(), Timestamp::default()));
    judged.map_err(|fault| fault.line.to_owned())
}

fn judge_document(id: &ClientId, bytes: &[u8], now: Timestamp) -> Result<Client, MemberFault> {
    let members = json_object(bytes).map_err(|_| {
        MemberFault::new("document_json", "it must be a json object in which every member stands once")
    })?;
    // A-CIMDX-10: as text. Normalising would let one document speak for two clients.
    if members.get("client_id").and_then(Value::as_str) != Some(id.as_str()) {
        return Err(MemberFault::new(
            "document_client_id",
            "its client_id must be the url it is at, letter for letter",
        ));
    }
    if members.contains_key("client_secret") || members.contains_key("client_secret_expires_at") {
        return Err(MemberFault::new("document_secret", "it must not have a client_secret"));
    }
    if members::has_secret_keys(&members) {
        return Err(MemberFault::new("document_secret", "its jwks must have public keys alone"));
    }
    let redirect_uris = members::redirect_uris(&members, MOST_REDIRECTS)?;
    let name = members::client_name(&members)?
        .ok_or(MemberFault::new("client_name", "it must have a client_name"))?;
    judge_method(&members)?;
    members::response_types(&members)?;
    let mut client = Client::public(id.clone(), redirect_uris);
    client.origin = ClientOrigin::MetadataDocument;
    client.name = Some(name.into());
    client.grant_types = members::grant_types(&members)?;
    client.application_type = members::application_type(&members, &client.redirect_uris)?;
    client.extra = kept(&members);
    client.issued_at = now;
    Ok(client)
}

/// Everybody can read the document, so the client is public, unless it has a key.
fn judge_method(members: &Members) -> Result<(), MemberFault> {
    let reason = "document_auth_method";
    match members.get("token_endpoint_auth_method").and_then(Value::as_str) {
        Some(method) if method.starts_with("client_secret") => {
            Err(MemberFault::new(reason, "its token_endpoint_auth_method must not need a shared secret"))
        }
        Some(method) if method != "none" && members::auth_method(members, &[AuthMethod::None]).is_err() => {
            // CIMD-15: a client that says it authenticates is not let in without.
            Err(MemberFault::new(
                reason,
                "its token_endpoint_auth_method is not supported; none is, also as one of its token_endpoint_auth_methods_supported",
            ))
        }
        _ => members::auth_method(members, &[AuthMethod::None])
            .map(|_| ())
            .map_err(|fault| MemberFault::new(reason, fault.line)),
    }
}

/// What else is kept. A link that may not be shown and keys that are none are left out: the author of the document is not here to mend
/// it, and no key lets anybody in.
fn kept(members: &Members) -> Option<Box<Members>> {
    let mut kept: Members = LINKS
        .into_iter()
        .filter_map(|name| {
            members::link(members, name).ok().flatten().map(|url| (name.to_owned(), url.into()))
        })
        .collect();
    if let Ok(Some(keys)) = members::jwks(members) {
        kept.insert("jwks".to_owned(), keys.clone());
    }
    (!kept.is_empty()).then(|| Box::new(kept))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use http::header::CONTENT_TYPE;
    use oauth_core::{ClientAuth, GrantTypeName};
    use serde_json::json;

    const URL: &str = "https://app.example/client.json";

    fn document() -> Value {
        json!({ "client_id": URL, "client_name": "App", "redirect_uris": ["http://localhost/callback", "https://app.example/cb"] })
    }

    fn with(changes: &Value) -> Value {
        let mut document = document();
        let members = document.as_object_mut().unwrap();
        for (name, value) in changes.as_object().unwrap() {
            members.insert(name.clone(), value.clone());
        }
        document
    }

    fn judge(document: &Value) -> Result<Client, MemberFault> {
        judge_answer(&URL.parse().unwrap(), &Fetched::json(document.to_string()), Timestamp::from_secs(1))
    }

    #[test]
    fn the_url_is_judged_as_text() {
        // CIMD-1
        for good in [
            "https://app.example/c",
            "https://app.example:8443/a/b.json",
            "https://App.example/c",
            "https://app.example/..c",
            "https://app.example/c/",
        ] {
            assert!(judge_url(&good.parse().unwrap(), false).is_ok(), "{good}");
        }
        for bad in [
            "https://app.example",
            "https://app.example/",
            "https://app.example/c?x",
            "https://app.example/c?",
            "https://app.example/c#x",
            "https://app.example/c#",
            "https://u@app.example/c",
            "https://u:p@app.example/c",
            "https://@app.example/c",
            "https://app.example/../c",
            "https://app.example/a/./c",
            "https://app.example/%2e%2E/c",
            "https://app.example/.%2e/c",
            "https://app.example/a/%2e",
            "https:///c",
            "https://app.example\\c/d",
            "https://a b/c",
            "http://app.example/c",
            "http://localhost/c",
            "ftp://app.example/c",
            "https://[::1/c",
            "https://:443/c",
        ] {
            assert_eq!(judge_url(&bad.parse().unwrap(), false).unwrap_err().reason, "client_id_url", "{bad}");
        }
        // CIMD-19
        for (url, good) in [
            ("http://localhost:8080/c", true),
            ("http://127.0.0.1/c", true),
            ("http://[::1]:1/c", true),
            ("http://app.example/c", false),
            ("http://localhost.evil.example/c", false),
        ] {
            assert_eq!(judge_url(&url.parse().unwrap(), true).is_ok(), good, "{url}");
        }
    }

    #[test]
    fn a_document_becomes_a_public_client() {
        let client = judge(&with(&json!({ "client_uri": "https://app.example/", "tos_uri": "javascript:alert(1)", "logo_uri": "https://10.0.0.1/x.svg" }))).unwrap();
        assert_eq!(
            (client.origin, client.name.as_deref(), &client.auth),
            (ClientOrigin::MetadataDocument, Some("App"), &ClientAuth::Public)
        );
        assert!(client.may(&GrantTypeName::RefreshToken));
        // CIMD-13
        assert!(client.redirect_for("http://localhost:3118/callback").is_some());
        let extra = client.extra.unwrap();
        assert_eq!(
            Value::Object(*extra),
            json!({ "client_uri": "https://app.example/", "logo_uri": "https://10.0.0.1/x.svg" })
        );
        // REF-11
        let client = judge(&with(&json!({ "grant_types": ["authorization_code"] }))).unwrap();
        assert!(!client.may(&GrantTypeName::RefreshToken));
    }

    #[test]
    fn a_document_that_cannot_be_used_says_why() {
        // CIMD-4, CIMD-6, A-CIMDX-10, A-CIMDX-12, A-XSS-1
        for (changes, reason) in [
            (json!({ "client_id": "https://app.example/client.json/" }), "document_client_id"),
            (json!({ "client_id": "https://APP.example/client.json" }), "document_client_id"),
            (json!({ "client_id": "https://app.example/client%2ejson" }), "document_client_id"),
            (json!({ "client_id": null }), "document_client_id"),
            (json!({ "client_name": null }), "client_name"),
            (json!({ "client_name": "" }), "client_name"),
            (json!({ "client_name": "\n" }), "client_name"),
            (json!({ "jwks": { "keys": [{ "kty": "oct", "k": "AAAA" }] } }), "document_secret"),
            (
                json!({ "jwks": { "keys": [{ "kty": "EC", "crv": "P-256", "x": "x", "y": "y", "d": "d" }] } }),
                "document_secret",
            ),
            (json!({ "redirect_uris": null }), "redirect_uris"),
            (json!({ "redirect_uris": ["javascript:alert(1)"] }), "redirect_uris"),
            (json!({ "client_secret": "hush" }), "document_secret"),
            (json!({ "client_secret_expires_at": 0 }), "document_secret"),
            (json!({ "token_endpoint_auth_method": "client_secret_basic" }), "document_auth_method"),
            (
                json!({ "token_endpoint_auth_method": "client_secret_post", "token_endpoint_auth_methods_supported": ["none"] }),
                "document_auth_method",
            ),
            (json!({ "token_endpoint_auth_method": "private_key_jwt" }), "document_auth_method"),
            (json!({ "token_endpoint_auth_method": 1 }), "document_auth_method"),
            (json!({ "token_endpoint_auth_methods_supported": ["private_key_jwt"] }), "document_auth_method"),
            (json!({ "grant_types": ["client_credentials"] }), "grant_types"),
            (json!({ "response_types": ["token"] }), "response_types"),
        ] {
            assert_eq!(judge(&with(&changes)).unwrap_err().reason, reason, "{changes}");
        }
    }

    #[test]
    fn the_document_of_a_client_with_choices_is_negotiated_down_to_none() {
        // CAUTH-16
        let chatgpt = with(&json!({
            "token_endpoint_auth_method": "private_key_jwt",
            "token_endpoint_auth_methods_supported": ["none", "private_key_jwt"],
            "jwks_uri": "https://app.example/jwks.json",
        }));
        assert_eq!(judge(&chatgpt).unwrap().auth, ClientAuth::Public);
    }

    #[test]
    fn only_json_with_status_200_is_a_document() {
        // CIMD-3, CIMD-5, A-CIMDX-5, A-CIMDX-9
        let id: ClientId = URL.parse().unwrap();
        let now = Timestamp::from_secs(1);
        for status in [301, 302, 204, 404, 500] {
            let answer = Fetched::new(StatusCode::from_u16(status).unwrap(), document().to_string())
                .with_header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            assert_eq!(judge_answer(&id, &answer, now).unwrap_err().reason, "document_status", "{status}");
        }
        let html = Fetched::json(document().to_string())
            .with_header(CONTENT_TYPE, HeaderValue::from_static("text/html"));
        assert_eq!(judge_answer(&id, &html, now).unwrap_err().reason, "document_type");
        let profile = HeaderValue::from_static("application/client-metadata+json; charset=utf-8");
        assert!(
            judge_answer(&id, &Fetched::json(document().to_string()).with_header(CONTENT_TYPE, profile), now)
                .is_ok()
        );
        let twice = format!("{{\"client_id\":\"{URL}\",{}", &document().to_string()[1..]);
        let marked = format!("\u{feff}{}", document());
        for bad in ["", "[]", "null", "<html>", twice.as_str(), marked.as_str()] {
            assert_eq!(
                judge_answer(&id, &Fetched::json(bad.to_owned()), now).unwrap_err().reason,
                "document_json",
                "{bad}"
            );
        }
    }

    #[test]
    fn a_pinned_document_is_judged_as_a_fetched_one() {
        // CIMD-18, CIMD-20
        let suite = "https://conformance-test.local/client-metadata.json";
        assert!(pinned(suite, &with(&json!({ "client_id": suite })).to_string()).is_ok());
        assert_eq!(
            pinned(suite, &document().to_string()).unwrap_err(),
            "its client_id must be the url it is at, letter for letter"
        );
        assert!(pinned("claude", "{}").is_err());
    }
}
