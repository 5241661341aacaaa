//! What the sign-in page is told.

use super::client::ClientView;

/// The sign-in page: forms, buttons that lead elsewhere, or both.
///
/// ```
/// use oauth_server::pages::{Page, samples};
///
/// # let page = samples().into_iter().find_map(|(_, page)| match page {
/// #     Page::SignIn(page) if !page.providers.is_empty() => Some(page),
/// #     _ => None,
/// # });
/// # let page = page.expect("there is a sample");
/// // One form each, every one with the hidden field `ticket`.
/// let ways: Vec<&str> = page.forms.iter().map(|form| form.id).chain(page.providers.iter().map(|way| way.id)).collect();
/// assert_eq!(ways, ["mail", "github", "google"]);
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct SignInPage<'a> {
    /// The app that waits for the answer; `None` if the user came by themselves.
    pub client: Option<ClientView<'a>>,
    /// Hidden field `ticket` of every form.
    pub ticket: &'a str,
    /// Ways in that lead to another site. One button each.
    pub providers: &'a [ProviderChoice<'a>],
    /// Ways in that ask here. One form each.
    pub forms: &'a [SignInForm<'a>],
}

/// One button of the sign-in page.
///
/// ```
/// use oauth_server::pages::{Page, samples};
///
/// # let page = samples().into_iter().find_map(|(_, page)| match page {
/// #     Page::SignIn(page) if !page.providers.is_empty() => Some(page),
/// #     _ => None,
/// # });
/// # let page = page.expect("there is a sample");
/// let way = page.providers[0];
/// assert_eq!(format!("Continue with {}", way.label), "Continue with GitHub");
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ProviderChoice<'a> {
    /// Value of the field `provider`.
    pub id: &'a str,
    /// Its name, shown as "Continue with …".
    pub label: &'a str,
    /// Where the form is posted: a path on this server.
    pub action: &'a str,
}

/// One form of the sign-in page.
///
/// ```
/// use oauth_server::pages::{Page, samples};
///
/// # let page = samples().into_iter().find_map(|(_, page)| match page {
/// #     Page::SignIn(page) if !page.forms.is_empty() => Some(page),
/// #     _ => None,
/// # });
/// # let page = page.expect("there is a sample");
/// let form = page.forms[0];
/// assert_eq!((form.fields[0].name, form.submit, form.error), ("passphrase", "Sign in", None));
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct SignInForm<'a> {
    /// Value of the field `provider`; unique on the page.
    pub id: &'a str,
    /// What this way is called, for a heading where there are others.
    pub label: &'a str,
    /// Where the form is posted: a path on this server.
    pub action: &'a str,
    /// Its fields.
    pub fields: &'a [FieldView<'a>],
    /// The words on its button.
    pub submit: &'a str,
    /// What was wrong with the last attempt. The same for an unknown user and a wrong secret.
    pub error: Option<&'a str>,
}

/// One field of a sign-in form.
///
/// ```
/// use oauth_server::pages::{Page, samples};
///
/// # let page = samples().into_iter().find_map(|(_, page)| match page {
/// #     Page::SignIn(page) if !page.forms.is_empty() => Some(page),
/// #     _ => None,
/// # });
/// # let page = page.expect("there is a sample");
/// let field = page.forms[0].fields[0];
/// let input = format!(r#"<input name="{}" type="{}" autocomplete="{}">"#, field.name, field.kind.input_type(), field.autocomplete);
/// assert_eq!(input, r#"<input name="passphrase" type="password" autocomplete="current-password">"#);
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct FieldView<'a> {
    /// Its name in the form.
    pub name: &'a str,
    /// Its name on the page.
    pub label: &'a str,
    /// What it takes.
    pub kind: FieldKind,
    /// An HTML autofill name: `current-password`, `username`, `email`, `one-time-code`.
    pub autocomplete: &'a str,
    /// What it holds already; empty for nothing. A [`FieldKind::Password`] is never filled in.
    pub value: &'a str,
}

/// What a field takes.
///
/// ```
/// use oauth_server::pages::FieldKind;
/// assert_eq!(FieldKind::Password.input_type(), "password");
/// assert_eq!(FieldKind::Code.input_type(), "text");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldKind {
    /// A line of text.
    Text,
    /// A secret.
    Password,
    /// A mail address.
    Email,
    /// A code of digits.
    Code,
}

impl FieldKind {
    /// The `type` of the HTML `input`.
    pub fn input_type(self) -> &'static str {
        match self {
            Self::Text | Self::Code => "text",
            Self::Password => "password",
            Self::Email => "email",
        }
    }
}
