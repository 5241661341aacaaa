//! The headers of every page: what it may load, and who may do what with it.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{
    HeaderName, HeaderValue,
    header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
        X_FRAME_OPTIONS,
    },
};
use sha2::{Digest as _, Sha256};

/// What the documents of a renderer load, and the headers that follow from it.
///
/// Nothing may be loaded but what is named here. There is no way to allow scripts, frames around the page, or another
/// base URL. There is no `form-action` either: Chromium applies it to the redirect that follows the form, and would
/// stop the answer on its way to the client.
///
/// ```
/// use oauth_server::pages::PagePolicy;
///
/// let policy = PagePolicy::new().with_inline_style("body{margin:0}");
/// let (name, value) = &policy.headers()[0];
/// assert_eq!(name, "content-security-policy");
/// assert!(value.to_str()?.starts_with("default-src 'none'; style-src 'sha256-"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct PagePolicy {
    styles: Vec<String>,
    images: Vec<String>,
    opener: bool,
}

impl PagePolicy {
    /// Nothing but the document itself, and images from this server or inline.
    pub fn new() -> Self {
        Self::default()
    }

    /// Allows a `<style>` element with exactly this text between its tags.
    #[must_use]
    pub fn with_inline_style(mut self, css: &str) -> Self {
        self.styles.push(format!("'sha256-{}'", BASE64_STANDARD.encode(Sha256::digest(css))));
        self
    }

    /// Allows style sheets from this server.
    #[must_use]
    pub fn with_own_style_sheets(mut self) -> Self {
        self.styles.push("'self'".to_owned());
        self
    }

    /// Leaves the page in touch with the window that opened it as a popup.
    ///
    /// For web clients that sign in in a popup and let their callback page report to `window.opener`: by default the
    /// pages cut that thread for good (`Cross-Origin-Opener-Policy: same-origin`), so that an opener cannot swap the
    /// page under a click.
    #[must_use]
    pub fn with_opener(mut self) -> Self {
        self.opener = true;
        self
    }

    /// Allows images from an origin whose text was checked.
    pub(super) fn with_image_origin(mut self, origin: &str) -> Self {
        self.images.push(origin.to_owned());
        self
    }

    /// The value of `Content-Security-Policy`.
    pub fn content_security_policy(&self) -> HeaderValue {
        let styles = if self.styles.is_empty() { "'none'".to_owned() } else { self.styles.join(" ") };
        let images: String = self.images.iter().flat_map(|origin| [" ", origin]).collect();
        let policy = format!(
            "default-src 'none'; style-src {styles}; img-src 'self' data:{images}; base-uri 'none'; \
             frame-ancestors 'none'"
        );
        // Hashes in base64 and origins that `Theme` has checked: visible ASCII, all of it.
        HeaderValue::from_str(&policy).expect("a policy is visible ASCII")
    }

    /// The headers of every HTML answer, errors too. `Strict-Transport-Security` is the deployment's.
    pub fn headers(&self) -> [(HeaderName, HeaderValue); 9] {
        let fixed = HeaderValue::from_static;
        let opener = if self.opener { "unsafe-none" } else { "same-origin" };
        [
            (CONTENT_SECURITY_POLICY, self.content_security_policy()),
            (CONTENT_TYPE, fixed("text/html; charset=utf-8")),
            (CACHE_CONTROL, fixed("no-store")),
            // For browsers that know no `frame-ancestors`.
            (X_FRAME_OPTIONS, fixed("DENY")),
            // Codes, states and tickets stand in the address.
            (REFERRER_POLICY, fixed("no-referrer")),
            (X_CONTENT_TYPE_OPTIONS, fixed("nosniff")),
            (HeaderName::from_static("cross-origin-opener-policy"), fixed(opener)),
            (HeaderName::from_static("cross-origin-resource-policy"), fixed("same-origin")),
            // Passkeys (`publickey-credentials-*`) are left to their default, this origin alone.
            (
                HeaderName::from_static("permissions-policy"),
                fixed(
                    "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), \
                     magnetometer=(), microphone=(), midi=(), payment=(), usb=()",
                ),
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(policy: &PagePolicy, name: &str) -> String {
        let headers = policy.headers();
        let (_, value) = headers.iter().find(|(n, _)| n == name).unwrap();
        value.to_str().unwrap().to_owned()
    }

    // AS-70, AS-71, AS-72, AS-73, AS-74
    #[test]
    fn every_page_is_framed_by_nobody_cached_nowhere_and_sends_no_referrer() {
        let policy = PagePolicy::new();
        for (name, expected) in [
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("cross-origin-opener-policy", "same-origin"),
            ("content-type", "text/html; charset=utf-8"),
        ] {
            assert_eq!(value(&policy, name), expected, "{name}");
        }
        assert!(value(&policy, "permissions-policy").contains("camera=()"));
        assert_eq!(
            value(&policy, "content-security-policy"),
            "default-src 'none'; style-src 'none'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'"
        );
    }

    // AS-74
    #[test]
    fn the_opener_is_cut_off_unless_it_is_wanted() {
        assert_eq!(value(&PagePolicy::new().with_opener(), "cross-origin-opener-policy"), "unsafe-none");
    }

    // AS-71
    #[test]
    fn the_policy_names_what_is_loaded_and_no_form_action() {
        let policy = PagePolicy::new().with_inline_style("").with_image_origin("https://cdn.example");
        assert_eq!(
            value(&policy, "content-security-policy"),
            "default-src 'none'; style-src 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='; \
             img-src 'self' data: https://cdn.example; base-uri 'none'; frame-ancestors 'none'"
        );
    }
}
