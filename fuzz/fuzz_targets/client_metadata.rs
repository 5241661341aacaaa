//! Nobody becomes more by registering than a client that redirects where it said it would.
#![no_main]

use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{Request, StatusCode};
use libfuzzer_sys::fuzz_target;
use oauth_core::{RedirectUri, json_object};
use oauth_fuzz::ask;
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    let request =
        Request::post("/register").header(CONTENT_TYPE, "application/json").body(bytes.to_vec().into());
    let response = ask(request.expect("its parts are valid"));
    let answer = json_object(response.body()).expect("the answer is an object");
    let text = |name: &str| answer.get(name).and_then(Value::as_str);
    match response.status() {
        StatusCode::CREATED => {
            assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
            assert!(!has_null(&Value::Object(answer.clone())));
            let asked = json_object(bytes).expect("only an object is registered");
            let redirects = |json: &serde_json::Map<String, Value>| {
                let list = json.get("redirect_uris").and_then(Value::as_array).cloned();
                list.expect("a registration has a list of redirect uris")
            };
            assert!(redirects(&answer).iter().all(|uri| redirects(&asked).contains(uri)));
            assert!(
                redirects(&answer)
                    .iter()
                    .all(|uri| uri.as_str().is_some_and(|uri| uri.parse::<RedirectUri>().is_ok()))
            );
            let method = text("token_endpoint_auth_method").expect("how it authenticates is always told");
            assert!(["none", "client_secret_basic", "client_secret_post"].contains(&method));
            assert_eq!(answer.contains_key("client_secret"), method != "none");
            let id = text("client_id").expect("it is told its name");
            assert!(!["app", "gate way"].contains(&id));
            let grants =
                answer.get("grant_types").and_then(Value::as_array).expect("what it may is always told");
            assert!(
                grants
                    .iter()
                    .all(|grant| ["authorization_code", "refresh_token"].map(Value::from).contains(grant))
            );
        }
        StatusCode::BAD_REQUEST => {
            let error = text("error").expect("a refusal has a word");
            assert!(["invalid_redirect_uri", "invalid_client_metadata"].contains(&error), "{error}");
        }
        status => assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE),
    }
});

fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().any(has_null),
        Value::Object(members) => members.values().any(has_null),
        _ => false,
    }
}
