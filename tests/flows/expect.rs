//! What answers must look like, whatever they are about.

use oauth_testing::{AuthorizeRequest, Callback, Page, Site};

/// A page for people, with all the headers that keep it to itself, and no way to the client (AS-70 to AS-74).
#[track_caller]
pub(crate) fn shown(page: &Page, status: u16) {
    assert_eq!(page.status, status, "{}", page.text());
    let header = |name: &str| page.headers.get(name).map_or("", |value| value.to_str().unwrap());
    assert_eq!(header("location"), "");
    assert_eq!(header("content-type"), "text/html; charset=utf-8");
    let policy = header("content-security-policy");
    for part in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("form-action") && !policy.contains("unsafe"), "{policy}");
    for (name, value) in [
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("cross-origin-opener-policy", "same-origin"),
        // AS-22: what people see is closed to other origins.
        ("access-control-allow-origin", ""),
    ] {
        assert_eq!(header(name), value, "{name}");
    }
    assert!(header("permissions-policy").contains("camera=()"));
    assert!(!page.html.contains("<script"));
}

/// The same for an outage: it says when to come back (LIM-3).
#[track_caller]
pub(crate) fn shown_unavailable(page: &Page) {
    shown(page, 503);
    assert!(page.headers.contains_key("retry-after"));
}

/// A redirect to the client: 303, kept by nobody, with `iss` and with `state` as it was sent, each parameter once (AS-46, AS-47,
/// AS-49, AS-73).
#[track_caller]
pub(crate) fn told(page: &Page, request: &AuthorizeRequest) -> Callback {
    assert_eq!(page.status, 303, "{}", page.text());
    assert_eq!(page.headers["cache-control"], "no-store");
    assert_eq!(page.headers["referrer-policy"], "no-referrer");
    let location = page.location().expect("a redirect has a location");
    let registered = request.pairs.get("redirect_uri").unwrap_or_default();
    assert!(location.as_str().starts_with(registered), "{location}");
    let callback = Callback::read(&location);
    let mut names: Vec<&str> = callback.pairs.iter().map(|(name, _)| name).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count, "a parameter stands twice: {location}");
    assert_eq!(callback.iss(), Some(Site::ORIGIN));
    assert_eq!(callback.state(), request.state().filter(|state| !state.is_empty()));
    assert!(callback.pairs.get("code").is_some() != callback.error().is_some(), "{location}");
    callback
}
