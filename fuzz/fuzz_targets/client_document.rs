//! A client's metadata document that is believed says what it must, and leads nowhere else than it says.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oauth_core::{RedirectUri, Stores, json_object};
use oauth_fuzz::runtime;
use oauth_server::AuthorizationServer;
use serde_json::Value;
use tokio::runtime::Runtime;

const URL: &str = "https://app.example/client.json";

thread_local! {
    static RUNTIME: Runtime = runtime();
}

fuzz_target!(|document: &str| {
    let server = AuthorizationServer::builder("https://as.example", Stores::memory())
        .resource("https://mcp.example/mcp")
        .insecure_approve_all("owner")
        .pinned_document(URL, document)
        .build();
    let Ok(_) = RUNTIME.with(|runtime| runtime.block_on(server)) else { return };
    let document = json_object(document.as_bytes()).expect("it was read before");
    assert_eq!(document.get("client_id").and_then(Value::as_str), Some(URL));
    assert!(document.get("client_name").and_then(Value::as_str).is_some_and(|name| !name.trim().is_empty()));
    assert!(!document.contains_key("client_secret"));
    let redirects = document.get("redirect_uris").and_then(Value::as_array).expect("it has a list");
    assert!(!redirects.is_empty());
    for redirect in redirects {
        assert!(redirect.as_str().is_some_and(|redirect| redirect.parse::<RedirectUri>().is_ok()));
    }
});
