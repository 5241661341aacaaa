//! Who asks: what a page is told of an app, and of where it leads.

use crate::pages::{ClientLogo, ClientName, HttpsLink};

/// The app that asks.
///
/// ```
/// use oauth_server::pages::{Page, samples};
///
/// # let page = samples().into_iter().find_map(|(_, page)| match page {
/// #     Page::Consent(page) => Some(page),
/// #     _ => None,
/// # });
/// # let page = page.expect("there is a sample");
/// let client = page.client;
/// // Never the name without the origin: the one is said, the other is known.
/// let shown = format!("{} ({})", client.name.map_or("An app", |name| name.as_str()), client.origin());
/// assert_eq!(shown, "Nimbus CLI (nimbus.example)");
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ClientView<'a> {
    /// Its own name for itself; `None` if it gave none, or none that may be shown.
    pub name: Option<&'a ClientName>,
    /// The host of its `client_id`, for a client by metadata document: the one thing about it that is proven. As
    /// [`display_host`](crate::pages::display_host) shows it.
    pub id_host: Option<&'a str>,
    /// Its picture, if the operator has spoken for it. Belongs beside the host: a picture proves nothing.
    pub logo: Option<&'a ClientLogo>,
    /// Where the answer goes.
    pub destination: Destination<'a>,
    /// The operator vouches for it: configured, or from a trusted domain. All others are marked.
    pub verified: bool,
    /// Its home page (`client_uri`).
    pub home: Option<&'a HttpsLink>,
    /// Its privacy policy (`policy_uri`).
    pub privacy: Option<&'a HttpsLink>,
    /// Its terms of service (`tos_uri`).
    pub terms: Option<&'a HttpsLink>,
}

impl<'a> ClientView<'a> {
    /// What stands beside the name, always: the host of the client's document, else the host or scheme that the
    /// answer goes to.
    pub fn origin(&self) -> &'a str {
        self.id_host.unwrap_or(self.destination.shown())
    }
}

/// Where the browser is sent with the answer: the redirect URI, as far as a person needs it.
///
/// ```
/// use oauth_server::pages::Destination;
///
/// let words = |destination| match destination {
///     Destination::Loopback { .. } => "a program on this computer".to_owned(),
///     other => other.shown().to_owned(),
/// };
/// assert_eq!(words(Destination::Site { host: "app.example" }), "app.example");
/// assert_eq!(words(Destination::Loopback { host: "127.0.0.1" }), "a program on this computer");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Destination<'a> {
    /// An `https` address.
    Site {
        /// Its host, as [`display_host`](crate::pages::display_host) shows it.
        host: &'a str,
    },
    /// A loopback address (RFC 8252 §7.3). Any program on the user's computer may listen there.
    Loopback {
        /// `localhost`, `127.0.0.1` or `[::1]`, as registered.
        host: &'a str,
    },
    /// A private-use scheme (RFC 8252 §7.1). Any app on the user's device may claim it.
    App {
        /// The scheme, without its colon.
        scheme: &'a str,
    },
}

impl<'a> Destination<'a> {
    /// The host, or the scheme.
    pub fn shown(&self) -> &'a str {
        match self {
            Self::Site { host } | Self::Loopback { host } => host,
            Self::App { scheme } => scheme,
        }
    }
}
