//! The members of client metadata ([RFC 7591 §2](https://www.rfc-editor.org/rfc/rfc7591#section-2)) that a registration and a
//! metadata document have in common, judged one by one.
//!
//! `null`, an empty text and an absent member mean the same: clients in use write all three.

use oauth_core::{
    ApplicationType, AuthMethod, ErrorCode, GrantTypeName, OAuthError, RedirectKind, RedirectUri, UrlError,
};
use serde_json::{Map, Value};

use crate::pages::HttpsLink;

/// A JSON object of a stranger, in which every member stands once.
pub(super) type Members = Map<String, Value>;

/// Why metadata is refused: a stable name for logs, and a line for whoever wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MemberFault {
    pub(super) reason: &'static str,
    pub(super) line: &'static str,
}

impl MemberFault {
    pub(super) const fn new(reason: &'static str, line: &'static str) -> Self {
        Self { reason, line }
    }

    /// The error of RFC 7591 §3.2.2 (DCR-3).
    pub(super) fn to_error(self) -> OAuthError {
        let code = if self.reason == REDIRECT_URIS {
            ErrorCode::InvalidRedirectUri
        } else {
            ErrorCode::InvalidClientMetadata
        };
        OAuthError::new(code, self.line)
    }
}

/// The reason of every fault of a redirect URI.
pub(super) const REDIRECT_URIS: &str = "redirect_uris";

/// How many bytes a client's name may have; pages show 60 characters of it.
const LONGEST_NAME: usize = 200;

/// How many bytes a link may have.
const LONGEST_LINK: usize = 2048;

/// How many elements of a list of words (`grant_types`, …) are looked at.
const MOST_WORDS: usize = 32;

/// How many bytes of JSON `jwks` may have.
const LARGEST_KEYS: usize = 8 * 1024;

/// The members of a private or symmetric key (RFC 7518 §6): who publishes one has made a mistake (DCR-12).
const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// A member that is there and is not `null`.
pub(super) fn member<'m>(members: &'m Members, name: &str) -> Option<&'m Value> {
    members.get(name).filter(|value| !value.is_null())
}

/// The algorithms that a client may wish for: none by which anybody could sign (A-JWT-25).
pub(super) fn algorithms(members: &Members) -> Result<(), MemberFault> {
    for name in [
        "token_endpoint_auth_signing_alg",
        "id_token_signed_response_alg",
        "userinfo_signed_response_alg",
        "request_object_signing_alg",
        "introspection_signed_response_alg",
    ] {
        let fault = MemberFault::new(name, "an algorithm must be one by which the issuer alone can sign");
        if text(members, name, fault)?.is_some_and(|said| said == "none" || said.starts_with("HS")) {
            return Err(fault);
        }
    }
    Ok(())
}

/// A text member; `None` if it is absent, `null` or empty.
pub(super) fn text<'m>(
    members: &'m Members,
    name: &'static str,
    fault: MemberFault,
) -> Result<Option<&'m str>, MemberFault> {
    match member(members, name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
        Some(_) => Err(fault),
    }
}

/// A list of texts; `None` if it is absent or `null`.
pub(super) fn words<'m>(
    members: &'m Members,
    name: &'static str,
    fault: MemberFault,
) -> Result<Option<Vec<&'m str>>, MemberFault> {
    match member(members, name) {
        None => Ok(None),
        Some(Value::Array(items)) if items.len() <= MOST_WORDS => {
            items.iter().map(|item| item.as_str().ok_or(fault)).collect::<Result<_, _>>().map(Some)
        }
        Some(_) => Err(fault),
    }
}

/// 1 to `most` redirect URIs, in the client's order, each once (DCR-7, AS-34).
pub(super) fn redirect_uris(members: &Members, most: usize) -> Result<Vec<RedirectUri>, MemberFault> {
    let fault = |line| MemberFault::new(REDIRECT_URIS, line);
    let Some(Value::Array(items)) = member(members, "redirect_uris") else {
        return Err(fault("redirect_uris must be a list of at least one uri"));
    };
    if items.is_empty() {
        return Err(fault("redirect_uris must be a list of at least one uri"));
    }
    let mut uris: Vec<RedirectUri> = Vec::with_capacity(items.len().min(most));
    for item in items {
        let text = item.as_str().ok_or(fault("every redirect uri must be a text"))?;
        let uri: RedirectUri = text.parse().map_err(|error| fault(redirect_line(&error)))?;
        if uris.contains(&uri) {
            continue;
        }
        if uris.len() == most {
            return Err(fault("there are too many redirect uris"));
        }
        uris.push(uri);
    }
    Ok(uris)
}

/// What is wrong with a redirect URI. The URI itself is not repeated (A-XSS-6).
fn redirect_line(error: &UrlError) -> &'static str {
    match error {
        UrlError::Insecure(_) => {
            "a redirect uri must be https; http is for 127.0.0.1, [::1] and localhost alone"
        }
        UrlError::Scheme(_) => {
            "a redirect uri has a scheme that is not allowed; a private-use scheme must have a dot"
        }
        UrlError::Component { .. } => {
            "a redirect uri must not have a fragment, a user, a control character, or a query parameter that the response carries"
        }
        UrlError::TooLong(_) => "a redirect uri is too long",
        _ => "a redirect uri is not an absolute uri of ascii characters",
    }
}

/// `client_name`, cut to what is kept, with a blank for each control character (A-CONS-6). Pages clean it before they show it (AS-67).
pub(super) fn client_name(members: &Members) -> Result<Option<String>, MemberFault> {
    let fault = MemberFault::new("client_name", "client_name must be a text");
    let name = text(members, "client_name", fault)?.unwrap_or_default();
    let end = (0..=name.len().min(LONGEST_NAME)).rfind(|at| name.is_char_boundary(*at)).unwrap_or_default();
    let name = name[..end].replace(char::is_control, " ");
    Ok(Some(name).filter(|name| !name.trim().is_empty()))
}

/// Of the grant types asked for those that a client can have by its own word: the code grant and refresh. Nobody gets
/// more by asking for it (DCR-5, DCR-8, A-DCRX-3). Who asks for none gets both: what the metadata offers, some clients
/// insist on.
pub(super) fn grant_types(members: &Members) -> Result<Vec<GrantTypeName>, MemberFault> {
    let all = [GrantTypeName::AuthorizationCode, GrantTypeName::RefreshToken];
    let list = MemberFault::new("grant_types", "grant_types must be a short list of texts");
    let Some(asked) = words(members, "grant_types", list)?.filter(|asked| !asked.is_empty()) else {
        return Ok(all.to_vec());
    };
    let granted: Vec<_> = all.into_iter().filter(|own| asked.contains(&own.as_str())).collect();
    if granted.contains(&GrantTypeName::AuthorizationCode) {
        Ok(granted)
    } else {
        Err(MemberFault::new(
            "grant_types",
            "grant_types must have authorization_code; others are not open to registration",
        ))
    }
}

/// `response_types` must admit `code`; that is what the client gets.
pub(super) fn response_types(members: &Members) -> Result<(), MemberFault> {
    let fault = MemberFault::new("response_types", "response_types must have code");
    match words(members, "response_types", fault)? {
        Some(asked) if !asked.is_empty() && !asked.contains(&"code") => Err(fault),
        _ => Ok(()),
    }
}

/// `application_type` (DCR-6). Who names none is judged by neither rule. A web application has no private-use scheme; a
/// loopback address it may have, for web servers under development, as the consent page warns of each.
pub(super) fn application_type(
    members: &Members,
    redirect_uris: &[RedirectUri],
) -> Result<Option<ApplicationType>, MemberFault> {
    let fault = MemberFault::new("application_type", "application_type must be web or native");
    match text(members, "application_type", fault)? {
        None => Ok(None),
        Some("native") => Ok(Some(ApplicationType::Native)),
        Some("web") if redirect_uris.iter().any(|uri| uri.kind() == RedirectKind::PrivateUse) => {
            Err(MemberFault::new(
                REDIRECT_URIS,
                "a web application must not have a redirect uri with a private-use scheme",
            ))
        }
        Some("web") => Ok(Some(ApplicationType::Web)),
        Some(_) => Err(fault),
    }
}

/// The authentication method, of those in `open`: the one that was asked for, or else the first of `open` that stands in
/// `token_endpoint_auth_methods_supported` (CAUTH-16, OpenID Connect Relying Party Metadata Choices). `None`: nothing was
/// asked for.
pub(super) fn auth_method(members: &Members, open: &[AuthMethod]) -> Result<Option<AuthMethod>, MemberFault> {
    let fault = MemberFault::new(
        "token_endpoint_auth_method",
        "token_endpoint_auth_method is not supported for this client",
    );
    let asked = text(members, "token_endpoint_auth_method", fault)?;
    let choices = words(members, "token_endpoint_auth_methods_supported", fault)?.unwrap_or_default();
    let as_asked = asked.and_then(|asked| open.iter().find(|own| own.as_str() == asked));
    let negotiated = || open.iter().find(|own| choices.contains(&own.as_str()));
    match as_asked.or_else(negotiated) {
        Some(method) => Ok(Some(*method)),
        None if asked.is_none() && choices.is_empty() => Ok(None),
        None => Err(fault),
    }
}

/// A link to a page: https, with a host and without a user (DCR-13, A-XSS-2). As it was given.
pub(super) fn link<'m>(members: &'m Members, name: &'static str) -> Result<Option<&'m str>, MemberFault> {
    let fault =
        MemberFault::new(name, "client_uri, logo_uri, policy_uri, tos_uri and jwks_uri must be https urls");
    match text(members, name, fault)? {
        Some(url)
            if url.len() > LONGEST_LINK
                || url.chars().any(char::is_control)
                || HttpsLink::parse(url).is_none() =>
        {
            Err(fault)
        }
        url => Ok(url),
    }
}

/// Whether a private or symmetric key is among the keys.
pub(super) fn has_secret_keys(members: &Members) -> bool {
    let keys = member(members, "jwks").and_then(|jwks| jwks.get("keys")).and_then(Value::as_array);
    let is_secret = |key: &Value| PRIVATE_MEMBERS.iter().any(|name| key.get(name).is_some());
    keys.is_some_and(|keys| keys.iter().any(is_secret))
}

/// Public keys, by value or by reference, not both (DCR-12). The reference is not fetched.
pub(super) fn jwks(members: &Members) -> Result<Option<&Value>, MemberFault> {
    let fault = |line| MemberFault::new("jwks", line);
    let Some(keys) = member(members, "jwks") else { return Ok(None) };
    if member(members, "jwks_uri").is_some() {
        return Err(fault("jwks and jwks_uri must not both be there"));
    }
    let list = keys
        .get("keys")
        .and_then(Value::as_array)
        .ok_or(fault("jwks must be an object with a list of keys"))?;
    for key in list {
        key.as_object().ok_or(fault("jwks must be an object with a list of keys"))?;
    }
    if has_secret_keys(members) {
        return Err(fault("jwks must have public keys alone; the one sent is no secret any more"));
    }
    if keys.to_string().len() > LARGEST_KEYS {
        return Err(fault("jwks is too large"));
    }
    Ok(Some(keys))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn members(value: Value) -> Members {
        match value {
            Value::Object(members) => members,
            _ => panic!("not an object"),
        }
    }

    #[test]
    fn redirect_uris_are_counted_folded_and_judged() {
        // DCR-7
        let uris = |value: Value| {
            redirect_uris(&members(json!({ "redirect_uris": value })), 3).map(|uris| uris.len())
        };
        let eleven: Vec<String> = (0..4).map(|at| format!("https://app.example/{at}")).collect();
        assert_eq!(
            uris(json!(["https://app.example/cb", "https://app.example/cb", "http://localhost/cb"])),
            Ok(2)
        );
        for bad in [
            json!([]),
            json!(null),
            json!("https://app.example/cb"),
            json!([1]),
            json!(eleven),
            json!(["javascript:alert(1)//"]),
            json!(["http://app.example/cb"]),
            json!(["https://app.example/cb", "myapp:/cb"]),
            json!(["https://app.example/cb#x"]),
            json!([format!("https://app.example/{}", "x".repeat(2048))]),
        ] {
            assert_eq!(
                uris(bad.clone()).unwrap_err().to_error().code,
                ErrorCode::InvalidRedirectUri,
                "{bad}"
            );
        }
    }

    #[test]
    fn no_grant_type_is_had_by_asking() {
        // DCR-5, DCR-8, A-DCRX-3
        use GrantTypeName::{AuthorizationCode, RefreshToken};
        let granted = |value: Value| grant_types(&members(json!({ "grant_types": value }))).ok();
        assert_eq!(granted(json!(null)), Some(vec![AuthorizationCode, RefreshToken]));
        assert_eq!(granted(json!([])), Some(vec![AuthorizationCode, RefreshToken]));
        assert_eq!(
            granted(json!(["refresh_token", "authorization_code", "implicit"])),
            Some(vec![AuthorizationCode, RefreshToken])
        );
        assert_eq!(
            granted(json!(["authorization_code", "client_credentials"])),
            Some(vec![AuthorizationCode])
        );
        for bad in [
            json!(["client_credentials"]),
            json!(["refresh_token"]),
            json!(["implicit"]),
            json!("authorization_code"),
            json!([1]),
        ] {
            assert_eq!(granted(bad.clone()), None, "{bad}");
        }
    }

    #[test]
    fn the_method_is_the_one_asked_for_or_one_that_both_can() {
        // CAUTH-16
        use AuthMethod::{ClientSecretBasic, None as Public};
        let method = |value: Value, open: &[AuthMethod]| auth_method(&members(value), open).ok();
        let chatgpt = json!({"token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_methods_supported": ["none", "private_key_jwt"]});
        assert_eq!(method(chatgpt, &[Public]), Some(Some(Public)));
        assert_eq!(method(json!({}), &[Public]), Some(None));
        assert_eq!(
            method(
                json!({"token_endpoint_auth_methods_supported": ["none", "client_secret_basic"]}),
                &[ClientSecretBasic, Public]
            ),
            Some(Some(ClientSecretBasic))
        );
        for bad in [
            json!({"token_endpoint_auth_method": "private_key_jwt"}),
            json!({"token_endpoint_auth_method": 1}),
            json!({"token_endpoint_auth_methods_supported": ["tls_client_auth"]}),
        ] {
            assert_eq!(method(bad.clone(), &[Public]), None, "{bad}");
        }
    }

    #[test]
    fn names_and_links_are_bounded() {
        // DCR-13, A-XSS-2, A-CONS-6
        let (long, cut) = ("x".repeat(10 * 1024), "x".repeat(200));
        for (value, name) in [
            (json!("App"), Some(Some("App"))),
            (json!(""), Some(None)),
            (json!(" "), Some(None)),
            (json!("\n"), Some(None)),
            (json!(null), Some(None)),
            (json!("a\u{1b}[31m"), Some(Some("a [31m"))),
            (json!("a\0\nb"), Some(Some("a  b"))),
            (json!(long), Some(Some(&*cut))),
            (json!(format!("{}é", &cut[1..])), Some(Some(&cut[1..]))),
            (json!({}), None),
        ] {
            let read = client_name(&members(json!({ "client_name": value }))).ok();
            assert_eq!(read.as_ref().map(Option::as_deref), name, "{value}");
        }
        for bad in [
            "javascript:alert(1)",
            "http://app.example/",
            "data:text/html,x",
            "https://u:p@app.example/",
            "//app.example",
            "x",
        ] {
            assert_eq!(
                link(&members(json!({ "client_uri": bad })), "client_uri").unwrap_err().reason,
                "client_uri",
                "{bad}"
            );
        }
        assert_eq!(link(&members(json!({ "logo_uri": "" })), "logo_uri"), Ok(None));
        assert_eq!(
            link(&members(json!({ "tos_uri": "https://app.example/tos" })), "tos_uri"),
            Ok(Some("https://app.example/tos"))
        );
    }

    #[test]
    fn a_web_application_may_be_under_development() {
        // DCR-6
        let uris = |text: &str| vec![text.parse::<RedirectUri>().unwrap()];
        let kind = |value: Value, uri| {
            application_type(&members(json!({ "application_type": value })), &uris(uri)).ok()
        };
        assert_eq!(kind(json!("web"), "http://localhost:3000/cb"), Some(Some(ApplicationType::Web)));
        assert_eq!(kind(json!("native"), "http://localhost:3000/cb"), Some(Some(ApplicationType::Native)));
        assert_eq!(kind(json!(null), "http://localhost:3000/cb"), Some(None));
        assert_eq!(kind(json!("web"), "com.example.app:/cb"), None);
        assert_eq!(kind(json!("browser"), "https://app.example/cb"), None);
    }
}
