//! Who is at the browser.

use http::HeaderValue;
use http::header::SET_COOKIE;
use http::request::Parts;
use oauth_core::{Account, Secret, Session, StoreError, Subject, Timestamp, TokenHash};

use crate::server::Context;
use crate::wire::Reply;
use crate::wire::cookies::Cookie;

/// The browser, and who signed in at it.
pub(super) struct Visitor {
    /// The value of the browser's cookie; a new one if it has none yet.
    pub(super) browser: String,
    is_new: bool,
    pub(super) user: Option<User>,
}

/// Somebody who is signed in and may do something.
pub(super) struct User {
    pub(super) session: Session,
    pub(super) account: Account,
}

/// For how long a browser keeps its name.
const BROWSER_AGE: std::time::Duration = std::time::Duration::from_secs(86_400);

pub(super) fn browser_of<'h>(context: &Context, head: &'h Parts) -> Option<&'h str> {
    Cookie::Browser.read(head, &context.issuer)
}

impl Visitor {
    pub(super) async fn of(context: &Context, head: &Parts, now: Timestamp) -> Result<Self, StoreError> {
        let (browser, is_new) = match browser_of(context, head) {
            Some(browser) => (browser.to_owned(), false),
            None => (Secret::generate(&*context.entropy).expose().to_owned(), true),
        };
        let user = match Cookie::Session.read(head, &context.issuer) {
            Some(value) => user(context, &TokenHash::of(value), now).await?,
            None => None,
        };
        Ok(Self { browser, is_new, user })
    }

    /// Lets the browser keep its name.
    pub(super) fn remember(&self, context: &Context, reply: &mut Reply) {
        if self.is_new {
            let cookie = Cookie::Browser.set(&self.browser, BROWSER_AGE, &context.issuer);
            reply.headers_mut().append(SET_COOKIE, cookie);
        }
    }
}

async fn user(context: &Context, key: &TokenHash, now: Timestamp) -> Result<Option<User>, StoreError> {
    let Some(session) = context.stores.sessions.find(key).await? else { return Ok(None) };
    if now >= session.expires_at {
        return Ok(None);
    }
    let account = context.stores.accounts.find(&session.subject).await?;
    Ok(account.filter(|account| !account.disabled).map(|account| User { session, account }))
}

/// Begins a session in place of the one before: the identifier is always new (AS-76). The cookie that carries it.
pub(super) async fn begin(
    context: &Context,
    head: &Parts,
    subject: &Subject,
    auth_time: Timestamp,
    now: Timestamp,
) -> Result<HeaderValue, StoreError> {
    end(context, head).await?;
    let secret = Secret::generate(&*context.entropy);
    let session = Session {
        key: secret.hash(),
        subject: subject.clone(),
        auth_time,
        expires_at: now + context.policy.session,
    };
    context.stores.sessions.begin(&session).await?;
    Ok(Cookie::Session.set(secret.expose(), context.policy.session, &context.issuer))
}

/// Ends the browser's session.
pub(super) async fn end(context: &Context, head: &Parts) -> Result<(), StoreError> {
    if let Some(value) = Cookie::Session.read(head, &context.issuer) {
        context.stores.sessions.end(&TokenHash::of(value)).await?;
    }
    Ok(())
}

/// Another name for the browser, with the header that gives it: no page that was open in it counts any more.
pub(super) fn renamed(context: &Context) -> (String, HeaderValue) {
    let browser = Secret::generate(&*context.entropy).expose().to_owned();
    let cookie = Cookie::Browser.set(&browser, BROWSER_AGE, &context.issuer);
    (browser, cookie)
}

/// The header that takes the session's cookie away.
pub(super) fn forgotten(context: &Context) -> HeaderValue {
    Cookie::Session.set("", std::time::Duration::ZERO, &context.issuer)
}
