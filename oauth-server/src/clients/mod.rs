//! Who a `client_id` is: configured, registered, or the URL of a metadata document.

pub(crate) mod authenticate;
mod changes;
pub(crate) mod configured;
pub(crate) mod document;
mod documents;
mod fetches;
mod freshness;
pub(crate) mod guesses;
mod logos;
mod looks;
mod members;
pub(crate) mod registration;
mod room;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use oauth_core::fetch::Fetch;
use oauth_core::{Client, ClientId, ClientOrigin, ClientStore, StoreError, Timestamp};

pub(crate) use self::changes::Standing;
use self::documents::Documents;
use self::logos::Logos;
use self::looks::Looks;
use self::room::Room;
use crate::config::DocumentPolicy;
use crate::pages::ClientLogo;
use crate::server::Context;

/// All clients that this server knows, and how it comes to know others.
pub(crate) struct Clients {
    configured: HashMap<ClientId, Arc<Client>>,
    registered: Arc<dyn ClientStore>,
    documents: Documents,
    logos: Logos,
    looks: Looks,
    room: Room,
}

/// Why nobody can say who a client is.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientFault {
    /// There is no such client.
    #[error("the client is not known")]
    Unknown,
    /// Its metadata document cannot be used: a stable reason, and a line for people.
    #[error("the client's metadata document cannot be used: {message}")]
    Document {
        reason: &'static str,
        message: &'static str,
        /// It may be usable the next time: no reason for a client to throw its identity away (TOK-8).
        passes: bool,
    },
    /// Its metadata document cannot be fetched now.
    #[error("the client's metadata document cannot be fetched now")]
    Busy,
    /// Too many documents are asked for; when to try again.
    #[error("too many metadata documents are asked for")]
    Limited(Duration),
    /// The store cannot be asked.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Clients {
    pub(crate) fn new(
        configured: Vec<Client>,
        registered: Arc<dyn ClientStore>,
        fetch: Option<Arc<dyn Fetch>>,
        pinned: Vec<(String, String)>,
        development: bool,
        policy: DocumentPolicy,
        logos: Option<Arc<dyn Fetch>>,
    ) -> Self {
        Self {
            configured: configured.into_iter().map(|client| (client.id.clone(), Arc::new(client))).collect(),
            registered,
            documents: Documents::new(fetch, pinned, development, policy),
            logos: Logos::new(logos),
            looks: Looks::default(),
            room: Room::default(),
        }
    }

    /// The lines in which looks at secrets stand.
    fn looks(&self) -> &Looks {
        &self.looks
    }

    /// Room in the store's tables of clients.
    fn room(&self) -> &Room {
        &self.room
    }

    /// Whether a `client_id` may be the URL of a document.
    pub(crate) fn takes_documents(&self) -> bool {
        self.documents.are_enabled()
    }

    /// Whether a grant that was just opened may stand: [`Standing::Current`] alone. Not if the client has changed meanwhile: what users agreed
    /// to is another (CIMD-12).
    pub(crate) async fn confirm(
        &self,
        context: &Context,
        client: &Client,
        now: Timestamp,
    ) -> Result<Standing, StoreError> {
        match client.origin {
            ClientOrigin::MetadataDocument => self.documents.confirm(context, client, now).await,
            _ => Ok(Standing::Current),
        }
    }

    /// The logo of a client for which the operator has spoken.
    pub(crate) async fn logo(
        &self,
        context: &Context,
        client: &Client,
        source: Option<IpAddr>,
        now: Timestamp,
    ) -> Option<Arc<ClientLogo>> {
        let is_spoken_for = match client.origin {
            ClientOrigin::Configured => true,
            ClientOrigin::MetadataDocument => self.documents.is_spoken_for(&client.id),
            _ => false,
        };
        if is_spoken_for { self.logos.of(context, client, source, now).await } else { None }
    }

    /// Whether a client of this name would be known by its document alone.
    pub(crate) fn is_by_document(&self, id: &ClientId) -> bool {
        id.is_url() && !self.configured.contains_key(id)
    }

    /// Asks the store for a client that is configured, which [`resolve`](Self::resolve) does not: what is refused costs the same for all names
    /// (A-LOGX-3).
    async fn ask_in_vain(&self, id: &ClientId) {
        if !id.is_url() && self.configured.contains_key(id) {
            let _ = self.registered.find(id).await;
        }
    }

    /// The client that is known by the document at `id`, if nothing has to be fetched to say so.
    pub(crate) fn at_hand(&self, id: &ClientId, now: Timestamp) -> Option<Arc<Client>> {
        self.documents.at_hand(id, now)
    }

    /// The client, if it is known and live. May fetch its document, within the limits of `source`.
    pub(crate) async fn resolve(
        &self,
        context: &Context,
        id: &ClientId,
        source: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<Arc<Client>, ClientFault> {
        if let Some(client) = self.configured.get(id) {
            return Ok(client.clone());
        }
        if id.is_url() {
            return self.documents.resolve(context, id, source, now).await;
        }
        let found = self.registered.find(id).await?.ok_or(ClientFault::Unknown)?;
        if found.client.is_live(now) { Ok(Arc::new(found.client)) } else { Err(ClientFault::Unknown) }
    }
}
