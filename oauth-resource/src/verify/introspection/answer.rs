//! What the endpoint said: JSON (RFC 7662 §2.2), or JSON that is signed (RFC 9701).

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use oauth_core::fetch::{FetchRequest, Fetched};
use oauth_core::jose::{ClaimSet, Jws, is_type};
use oauth_core::{Claims, ResourceUri, Timestamp, json_members, json_object};
use serde::Deserialize;
use serde_json::Value;

use crate::bearer::{MAX_LEEWAY, is_audience};
use crate::verify::claims::Rules;
use crate::verify::introspection::{Failure, Unanswered};
use crate::verify::keys::Keys;

/// How many bytes an answer may have.
const MAX_ANSWER: usize = 64 * 1024;
/// How old a signed answer may be: it is asked for and used at once (RS-73).
const MAX_AGE: Duration = Duration::from_secs(60);
/// The longest time that an endpoint may put us off.
const MAX_RETRY_AFTER: u64 = 60;

const SIGNED: &str = "token-introspection+jwt";

/// The one member that must be there.
#[derive(Deserialize)]
struct Activity {
    active: Value,
}

/// What is asked of a signed answer.
pub(super) struct Signed {
    pub(super) keys: Keys,
    pub(super) resource: ResourceUri,
    pub(super) client_id: Option<String>,
}

pub(super) fn accept_signed(request: FetchRequest<'_>) -> FetchRequest<'_> {
    request.with_header(ACCEPT, HeaderValue::from_static("application/token-introspection+jwt"))
}

/// The claims of a live token.
pub(super) async fn read(
    fetched: &Fetched,
    signed: Option<&Signed>,
    rules: &Rules,
    now: Timestamp,
) -> Result<Claims, Failure> {
    if fetched.status != StatusCode::OK {
        return Err(not_ok(fetched).into());
    }
    if fetched.body.len() > MAX_ANSWER {
        return Err(Unanswered::new("the answer is too long").into());
    }
    let told = match signed {
        Some(signed) => signed.open(fetched, rules.issuer(), now).await?,
        None if fetched.is_json() => fetched.body.clone(),
        None => return Err(Unanswered::new("the answer is no json").into()),
    };
    // First of all, and by itself: of a token that is not active nothing else need make sense.
    let activity: Activity =
        json_members(&told).map_err(|_| Unanswered::new("the answer does not say whether it is active"))?;
    if activity.active != Value::Bool(true) {
        return Err(Failure::Refused);
    }
    let told = without_nulls(told);
    let mut said = ClaimSet::parse(&told).map_err(|_| Unanswered::new("the answer cannot be read"))?;
    if !is_access_token(&said) {
        tracing::debug!(reason = "token_type", "token refused");
        return Err(Failure::Refused);
    }
    // The endpoint is this issuer's: that need not be said. What is said must be true.
    said.issuer.get_or_insert(Cow::Borrowed(rules.issuer()));
    rules.judge(&said, now).map_err(|_| Failure::Refused)
}

/// What is null is not there: some servers write every member that they know.
fn without_nulls(told: Bytes) -> Bytes {
    if !told.windows(4).any(|part| part == b"null") {
        return told;
    }
    // By the reader that knows no member twice, as the one of claims does.
    match json_object(&told) {
        Ok(mut members) => {
            members.retain(|_, value| !value.is_null());
            Value::Object(members).to_string().into()
        }
        Err(_) => told,
    }
}

/// Our credentials, or their server: either way nobody knows of the token.
fn not_ok(fetched: &Fetched) -> Unanswered {
    let what = match fetched.status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::BAD_REQUEST => {
            "the endpoint refuses this resource's credentials"
        }
        _ => "the endpoint answers with an error",
    };
    let said = fetched.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let mut unanswered = Unanswered { status: Some(fetched.status), ..Unanswered::new(what) };
    if let Some(seconds) = said {
        unanswered.retry_after = Duration::from_secs(u64::min(seconds, MAX_RETRY_AFTER));
    }
    unanswered
}

/// A refresh token, an ID token or a device code that is active is no access token (RS-70, RS-74).
fn is_access_token(said: &ClaimSet<'_>) -> bool {
    let one_of = |name: &str, good: &[&str]| match said.text(name) {
        None => true,
        Some(Ok(text)) => good.iter().any(|good| text.eq_ignore_ascii_case(good)),
        Some(Err(_)) => false,
    };
    let is_dpop =
        said.text("token_type").is_some_and(|kind| kind.is_ok_and(|kind| kind.eq_ignore_ascii_case("dpop")));
    one_of("token_type", &["Bearer", "DPoP", "access_token"])
        && one_of("token_use", &["access_token", "access"])
        && one_of("typ", &["Bearer", "DPoP", "at+jwt", "application/at+jwt", "JWT"])
        && (!is_dpop || said.value("cnf").is_some())
}

impl Signed {
    async fn open(&self, fetched: &Fetched, issuer: &str, now: Timestamp) -> Result<Bytes, Failure> {
        let is_signed = fetched
            .headers
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|kind| kind.split(';').next().is_some_and(|kind| is_type(kind.trim(), SIGNED)));
        // Plain JSON where signatures were agreed on: somebody stands between.
        let text = std::str::from_utf8(&fetched.body).ok().filter(|_| is_signed);
        let text = text.ok_or(Unanswered::new("the answer is not signed"))?;
        let jws = Jws::parse(text.trim()).map_err(|_| Unanswered::new("the signed answer cannot be read"))?;
        let is_answer = |typ: Option<&str>| typ.is_some_and(|typ| is_type(typ, SIGNED));
        if !self.keys.vouch_for(&jws, is_answer, now).await {
            return Err(Unanswered::new("the answer's signature does not hold").into());
        }
        let said = jws.claims().map_err(|_| Unanswered::new("the signed answer cannot be read"))?;
        let issued = said.issued_at.map(|at| at.timestamp());
        let is_new = issued.is_some_and(|at| at <= now + MAX_LEEWAY && now.since(at) <= MAX_AGE + MAX_LEEWAY);
        if said.issuer.as_deref() != Some(issuer) || !is_new {
            return Err(Unanswered::new("the signed answer is another's, or an old one").into());
        }
        let is_ours = |named: &Cow<'_, str>| {
            is_audience(named, &self.resource) || self.client_id.as_deref() == Some(named)
        };
        if !said.audience.iter().any(is_ours) {
            tracing::warn!(reason = "introspection_audience", "an answer for another resource is refused");
            return Err(Failure::Refused);
        }
        match said.value("token_introspection") {
            Some(Ok(Value::Object(told))) => Ok(Value::Object(told).to_string().into()),
            _ => Err(Unanswered::new("the signed answer says nothing").into()),
        }
    }
}
