//! An authorization request is answered at a registered address or by a page, with a code only for what a client may ask.
#![no_main]

use http::header::{CONTENT_TYPE, LOCATION};
use http::{Request, Uri};
use libfuzzer_sys::fuzz_target;
use oauth_core::{Form, RedirectUri};
use oauth_fuzz::{ISSUER, REDIRECTS, ask};
use url::Url;

fuzz_target!(|query: &str| {
    let uri = format!("/authorize?{query}").parse::<Uri>().ok();
    // What follows a number sign never leaves a browser.
    let query = uri.as_ref().map_or(query, |uri| uri.query().unwrap_or_default());
    let request = match &uri {
        Some(uri) => Request::get(uri.clone()).body(Default::default()),
        None => Request::post("/authorize")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(query.to_owned().into()),
    };
    let response = ask(request.expect("its parts are valid"));
    assert!(!response.status().is_server_error() || query.contains("client_id=http"), "{response:?}");
    let Some(location) = response.headers().get(LOCATION) else { return };
    let location = location.to_str().expect("a location is ascii");
    // By POST: the same again, by GET.
    if location.starts_with("/authorize?") {
        return;
    }
    if uri.is_none() {
        // A form is asked for again, as a query of our own.
        assert!(location.starts_with("/authorize?") && location.bytes().all(|byte| byte.is_ascii_graphic()));
        return;
    }
    let url = Url::parse(location).expect("a location is a url");
    let told = |wanted: &str| {
        let mut values =
            url.query_pairs().filter(|(name, _)| name == wanted).map(|(_, value)| value.into_owned());
        let first = values.next();
        assert!(values.next().is_none(), "{wanted} stands twice: {location}");
        first
    };
    assert_eq!(told("iss").as_deref(), Some(ISSUER));
    assert!(url.fragment().is_none());
    // The registered address, with a query of its own and another port at most.
    let is_own = REDIRECTS.iter().any(|own| {
        let own: RedirectUri = own.parse().expect("it was registered");
        let parameters = Url::parse(own.as_str()).expect("it is a url").query_pairs().count();
        let mut bare = url.clone();
        let kept: Vec<_> =
            url.query_pairs().take(parameters).map(|(name, value)| format!("{name}={value}")).collect();
        let kept = kept.join("&");
        bare.set_query(Some(kept.as_str()).filter(|query| !query.is_empty()));
        own.admits(bare.as_str())
    });
    assert!(is_own, "{location}");

    if told("code").is_some() {
        let form = Form::read(query.as_bytes(), &["resource"], &["state"]).expect("only a form gets a code");
        assert_eq!(form.get("response_type"), Some("code"));
        assert_eq!(form.get("code_challenge_method"), Some("S256"));
        assert_eq!(form.get("code_challenge").map(str::len), Some(43));
        assert_eq!(form.get("state"), told("state").as_deref());
        assert!(form.all("resource").all(|resource| resource.to_ascii_lowercase().contains("mcp.example")));
    } else {
        assert!(told("error").is_some(), "{location}");
    }
});
