//! Whoever is believed to be a client with a secret has shown the secret, in one of the two spellings of HTTP Basic.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Request, StatusCode};
use libfuzzer_sys::fuzz_target;
use oauth_fuzz::ask;
use serde_json::Value;

const FORM: &str = "grant_type=refresh_token&refresh_token=mcp_rt_unknown";

// Two lines: the header (what follows `Basic `, in clear, if it begins with a colon), and more of the form.
fuzz_target!(|bytes: &[u8]| {
    let (header, more) = match bytes.iter().position(|byte| *byte == b'\n') {
        Some(at) => (&bytes[..at], &bytes[at + 1..]),
        None => (bytes, &[][..]),
    };
    let header = match header {
        [b':', clear @ ..] => format!("Basic {}", STANDARD.encode(clear)).into_bytes(),
        other => other.to_vec(),
    };
    let Ok(value) = HeaderValue::from_bytes(&header) else { return };
    let body = [FORM.as_bytes(), more].concat();
    let request = Request::post("/token")
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(AUTHORIZATION, value)
        .body(body.into())
        .expect("its parts are valid");
    let response = ask(request);
    let json: Value = serde_json::from_slice(response.body()).expect("the answer is json");
    let error = json["error"].as_str().expect("there is no such refresh token");
    match response.status() {
        StatusCode::UNAUTHORIZED => assert_eq!(error, "invalid_client"),
        status => assert_eq!(status, StatusCode::BAD_REQUEST, "{json}"),
    }
    // Further than this comes only who is known.
    if error == "invalid_grant" {
        let encoded = header.get(6..).expect("a scheme and a space");
        let clear = STANDARD.decode(encoded.trim_ascii()).expect("it was read before");
        let clear = String::from_utf8(clear).expect("it was read before");
        let (id, secret) = clear.split_once(':').expect("it was read before");
        let decoded = |text: &str| {
            form_urlencoded::parse(format!("v={text}").as_bytes()).next().map(|(_, value)| value.into_owned())
        };
        let is = |id: Option<String>, secret: Option<String>| match (id.as_deref(), secret.as_deref()) {
            (Some("gate way"), Some("s3cret & 100% + more")) => true,
            (Some("app"), Some(secret)) => secret.is_empty(),
            _ => false,
        };
        assert!(
            is(Some(id.to_owned()), Some(secret.to_owned())) || is(decoded(id), decoded(secret)),
            "{clear:?}"
        );
    }
});
