//! The ways in, as the sign-in page shows them.

use http::StatusCode;
use oauth_core::{FieldKind as Kind, IdentityProvider, SignInFault, SignInForm as Asked};

use super::client_view::ClientTexts;
use super::session::Visitor;
use super::show;
use super::ticket::Ticket;
use crate::authorize::Pending;
use crate::pages::{FieldKind, FieldView, Page, ProviderChoice, SignInForm, SignInPage};
use crate::server::Context;
use crate::wire::Reply;

/// The field of a form that is the page's own, beside one that is there for whoever reads the form.
pub(super) const TICKET: &str = "ticket";
const PROVIDER: &str = "provider";

/// Such a form could never be answered.
pub(super) const OWN_FIELD: SignInFault = SignInFault::Invalid("a_field_of_the_pages_own_name");

pub(super) fn has_own_field(form: &Asked) -> bool {
    form.fields.iter().any(|field| [TICKET, PROVIDER].contains(&field.name))
}

/// A way in as the page shows it.
pub(super) struct Way<'p> {
    pub(super) provider: &'p dyn IdentityProvider,
    pub(super) action: String,
    /// `None`: it leads elsewhere, by a button.
    pub(super) form: Option<Asked>,
}

/// Shows them. What each wants to know again goes into the ticket.
pub(super) fn show(
    context: &Context,
    pending: Option<&Pending>,
    mut ticket: Ticket,
    browser: &str,
    ways: &[Way<'_>],
    visitor: Option<&Visitor>,
    status: StatusCode,
) -> Reply {
    for way in ways {
        if let Some(form) = &way.form {
            ticket.kept.push((way.provider.id().to_string(), form.keep.clone()));
        }
    }
    let sealed = ticket.seal_sign_in(context, browser);
    let fields: Vec<Vec<FieldView<'_>>> =
        ways.iter().map(|way| way.form.iter().flat_map(|form| &form.fields).map(field).collect()).collect();
    let forms: Vec<SignInForm<'_>> = ways
        .iter()
        .zip(&fields)
        .filter_map(|(way, fields)| {
            way.form.as_ref().map(|form| SignInForm {
                id: way.provider.id().as_str(),
                label: way.provider.label(),
                action: &way.action,
                fields,
                submit: "Sign in",
                error: form.error.as_deref(),
            })
        })
        .collect();
    let providers: Vec<ProviderChoice<'_>> = ways
        .iter()
        .filter(|way| way.form.is_none())
        .map(|way| ProviderChoice {
            id: way.provider.id().as_str(),
            label: way.provider.label(),
            action: &way.action,
        })
        .collect();
    let client = pending.map(ClientTexts::of);
    let client = client.as_ref().map(ClientTexts::view);
    let page = SignInPage { client, ticket: &sealed, providers: &providers, forms: &forms };
    let mut reply = show::page(context, status, &Page::SignIn(page));
    if let Some(visitor) = visitor {
        visitor.remember(context, &mut reply);
    }
    reply
}

fn field(field: &oauth_core::SignInField) -> FieldView<'_> {
    let (kind, autocomplete) = match field.kind {
        Kind::Password => (FieldKind::Password, "current-password"),
        Kind::Email => (FieldKind::Email, "email"),
        Kind::Code => (FieldKind::Code, "one-time-code"),
        _ => (FieldKind::Text, "username"),
    };
    FieldView { name: field.name, label: &field.label, kind, autocomplete, value: "" }
}
