//! What the user sees of it: the question, and how it ended.

use std::sync::Arc;

use http::StatusCode;
use http::header::RETRY_AFTER;
use oauth_core::{ConnectedAccounts, ErrorCode, Timestamp};
use url::Url;

use super::elicited::{Elicited, Step};
use crate::interaction::client_view::ClientTexts;
use crate::interaction::session::{User, Visitor};
use crate::interaction::show;
use crate::pages::{AccountView, ConnectPage, ErrorPage, NoticePage, Page, UpstreamView, display_host};
use crate::server::Context;
use crate::wire::{Reply, Request, source_of, whole_seconds};

/// Who is asked, and what about.
pub(super) struct Asking<'a> {
    pub(super) accounts: &'a ConnectedAccounts,
    pub(super) elicited: &'a Elicited,
    pub(super) request: &'a Request,
    pub(super) visitor: &'a Visitor,
    pub(super) user: &'a User,
}

/// Asks. `notice`: why once more.
pub(super) async fn ask(
    context: &Arc<Context>,
    asking: &Asking<'_>,
    status: StatusCode,
    notice: Option<&str>,
    now: Timestamp,
) -> Reply {
    let Asking { accounts, elicited, request, visitor, user } = *asking;
    let connection = accounts.connection();
    let at = connection.id().as_str();
    let source = source_of(&request.head, &context.trusted_proxies);
    // Who is not known any more is not named; what the user decides is about the third party.
    let client = context.clients.resolve(context, &elicited.client_id, source, now).await.ok();
    let client = client.as_deref().and_then(ClientTexts::of_client);
    let host = Url::parse(connection.issuer()).ok().and_then(|url| url.host_str().map(display_host));
    let scopes: Vec<&str> = connection.scopes().iter().collect();
    let page = ConnectPage {
        upstream: UpstreamView { provider: connection.label(), scopes: &scopes },
        host: host.as_deref().unwrap_or_default(),
        account: AccountView {
            name: user.account.name.as_deref().unwrap_or(user.account.subject.as_str()),
            switch: None,
        },
        client: client.as_ref().map(ClientTexts::view),
        action: &format!("{}/connect/{at}", context.issuer.path()),
        ticket: &elicited.seal_here(context, Step::Page, at, &visitor.browser),
        notice,
    };
    let mut reply = show::page(context, status, &Page::Connect(page));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        reply.headers_mut().insert(RETRY_AFTER, whole_seconds(show::SOON));
    }
    visitor.remember(context, &mut reply);
    reply
}

pub(super) fn connected(context: &Context, label: &str) -> Reply {
    let title = format!("{label} is connected");
    let message = "You can close this page and go back to the app. What you asked it for works now; it may have to be asked again.";
    notice(context, StatusCode::OK, &title, message, None)
}

pub(super) fn not_connected(context: &Context, label: &str) -> Reply {
    let title = format!("{label} is not connected");
    let message = "It was cancelled, here or there, and nothing was kept.";
    let help = Some("Go back to the app. When it needs that account again, it will give you another link.");
    notice(context, StatusCode::FORBIDDEN, &title, message, help)
}

fn notice(context: &Context, status: StatusCode, title: &str, message: &str, help: Option<&str>) -> Reply {
    show::page(context, status, &Page::Notice(NoticePage { title, message, help, link: None }))
}

/// A page that is answered a second time. How the first answer ended is not known here.
pub(super) fn used(context: &Context, label: &str) -> Reply {
    let message = format!("It connects {label} once. This time it changed nothing.");
    let help = "Go back to the app. If it still needs that account, it will give you another link.";
    refused(context, "This link was used already", &message, help, "used")
}

pub(super) fn not_yours(context: &Context) -> Reply {
    refused(
        context,
        "This link is not for you",
        "It was made for somebody else than who is signed in here. Nothing was connected.",
        "If somebody sent it to you, do not open it anywhere. If an app gave it to you, sign in as the one who uses that app.",
        "other_subject",
    )
}

fn refused(context: &Context, title: &str, message: &str, help: &str, reference: &str) -> Reply {
    let error = ErrorPage {
        status: StatusCode::FORBIDDEN.as_u16(),
        code: ErrorCode::AccessDenied.as_str(),
        title,
        message,
        causes: &[],
        help: Some(help),
        link: None,
        detail: None,
        reference: Some(reference),
    };
    show::page(context, StatusCode::FORBIDDEN, &Page::Error(error))
}
