//! What a page says of a client: never its name without a host.

use std::sync::Arc;

use oauth_core::{Client, ClientOrigin, RedirectKind, RedirectUri};

use crate::authorize::Pending;
use crate::pages::{ClientLogo, ClientName, ClientView, Destination, HttpsLink, display_host};

/// The texts that a [`ClientView`] borrows.
pub(super) struct ClientTexts {
    name: Option<ClientName>,
    id_host: Option<String>,
    logo: Option<Arc<ClientLogo>>,
    destination: String,
    kind: RedirectKind,
    verified: bool,
    home: Option<HttpsLink>,
    privacy: Option<HttpsLink>,
    terms: Option<HttpsLink>,
}

impl ClientTexts {
    pub(super) fn of(pending: &Pending) -> Self {
        Self::at(pending.client(), pending.redirect_uri(), pending.redirect_kind())
    }

    /// Where nothing is sent to it: as the first of its redirects shows it.
    pub(super) fn of_client(client: &Client) -> Option<Self> {
        let redirect = client.redirect_uris.first()?;
        Some(Self::at(client, redirect.as_str(), redirect.kind()))
    }

    fn at(client: &Client, redirect_uri: &str, kind: RedirectKind) -> Self {
        let link = |member: &str| {
            let extra = client.extra.as_ref()?;
            HttpsLink::parse(extra.get(member)?.as_str()?)
        };
        let redirect = redirect_uri.parse::<RedirectUri>();
        let shown = redirect.as_ref().map(RedirectUri::shown_host).unwrap_or_default();
        let destination = match kind {
            RedirectKind::Https => display_host(&shown),
            // The port of the day says nothing to a person.
            RedirectKind::Loopback => without_port(&shown).to_owned(),
            RedirectKind::PrivateUse => shown.trim_end_matches(':').to_owned(),
        };
        let id_host = (client.origin == ClientOrigin::MetadataDocument)
            .then(|| client.id.as_str().split('/').nth(2).map(display_host))
            .flatten();
        Self {
            name: client.name.as_deref().and_then(ClientName::clean),
            id_host,
            logo: None,
            destination,
            kind,
            verified: client.origin.is_vouched_for(),
            home: link("client_uri"),
            privacy: link("policy_uri"),
            terms: link("tos_uri"),
        }
    }

    pub(super) fn with_logo(mut self, logo: Option<Arc<ClientLogo>>) -> Self {
        self.logo = logo;
        self
    }

    pub(super) fn view(&self) -> ClientView<'_> {
        let host = self.destination.as_str();
        ClientView {
            name: self.name.as_ref(),
            id_host: self.id_host.as_deref(),
            logo: self.logo.as_deref(),
            destination: match self.kind {
                RedirectKind::Https => Destination::Site { host },
                RedirectKind::Loopback => Destination::Loopback { host },
                RedirectKind::PrivateUse => Destination::App { scheme: host },
            },
            verified: self.verified,
            home: self.home.as_ref(),
            privacy: self.privacy.as_ref(),
            terms: self.terms.as_ref(),
        }
    }
}

fn without_port(host: &str) -> &str {
    match host.rfind(':') {
        Some(at) if !host[at..].contains(']') => &host[..at],
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_left_out() {
        for (host, shown) in [
            ("127.0.0.1:80", "127.0.0.1"),
            ("[::1]:8080", "[::1]"),
            ("[::1]", "[::1]"),
            ("localhost", "localhost"),
        ] {
            assert_eq!(without_port(host), shown);
        }
    }
}
