//! Which indexes lead to a grant, and where a listing over them goes on.

use futures::future::try_join3;
use oauth_core::{Grant, GrantFilter, GrantStore as _, StoreError};

use crate::redis::RedisStore;
use crate::redis::index::{self, Entry, Position};
use crate::redis::names::{BUCKETS, Names};

impl RedisStore {
    /// Enters a grant into its indexes. In which of them it was not.
    pub(super) async fn enter(&self, grant: &Grant) -> Result<[bool; 3], StoreError> {
        let member = grant.id.to_string();
        let names = self.names();
        let indexes = [
            names.all_grants(Names::bucket_of(&grant.id)),
            names.grants_of_subject(&grant.subject),
            names.grants_of_client(&grant.client_id),
        ];
        let entry = || Entry { member: &member, now: grant.issued_at, ends: Some(grant.expires_at) };
        let [all, subject, client] = &indexes;
        let enter = |index| index::enter(self.link(), index, entry(), false);
        let (all, subject, client) = try_join3(enter(all), enter(subject), enter(client)).await?;
        Ok([all, subject, client])
    }

    /// Takes back what [`enter`](Self::enter) did, when the grant's id turned out to be taken: another's entries stay.
    pub(super) async fn leave(
        &self,
        grant: &Grant,
        [all, subject, client]: [bool; 3],
    ) -> Result<(), StoreError> {
        let there = self.grant(&grant.id).await?;
        let member = grant.id.to_string();
        let (link, names) = (self.link(), self.names());
        if all && there.is_none() {
            index::strike(link, &names.all_grants(Names::bucket_of(&grant.id)), &[&member]).await?;
        }
        if subject && there.as_ref().is_none_or(|there| there.subject != grant.subject) {
            index::strike(link, &names.grants_of_subject(&grant.subject), &[&member]).await?;
        }
        if client && there.as_ref().is_none_or(|there| there.client_id != grant.client_id) {
            index::strike(link, &names.grants_of_client(&grant.client_id), &[&member]).await?;
        }
        Ok(())
    }
}

pub(super) fn matches(filter: GrantFilter<'_>, grant: &Grant) -> bool {
    match filter {
        GrantFilter::Subject(subject) => grant.subject == *subject,
        GrantFilter::Client(client) => grant.client_id == *client,
        GrantFilter::Expired(before) => grant.expires_at < before,
        _ => true,
    }
}

/// The indexes that together lead to the grants of a filter.
pub(super) struct Indexes(pub(super) Vec<String>);

impl Indexes {
    pub(super) fn of(names: &Names, filter: GrantFilter<'_>) -> Result<Self, StoreError> {
        Ok(Self(match filter {
            GrantFilter::All | GrantFilter::Expired(_) => {
                (0..BUCKETS).map(|bucket| names.all_grants(bucket)).collect()
            }
            GrantFilter::Subject(subject) => vec![names.grants_of_subject(subject)],
            GrantFilter::Client(client) => vec![names.grants_of_client(client)],
            _ => return Err(StoreError::unavailable("this store does not know the filter")),
        }))
    }
}

/// Where a listing goes on: in which index, after which entry.
#[derive(Default)]
pub(super) struct Place {
    pub(super) index: usize,
    pub(super) after: Option<Position>,
}

impl Place {
    pub(super) fn read(text: &str) -> Result<Self, StoreError> {
        let corrupt = || StoreError::corrupt("page");
        let mut words = text.split(' ');
        let index = words.next().and_then(|word| word.parse().ok()).ok_or_else(corrupt)?;
        let after = match (words.next(), words.next()) {
            (None, _) => None,
            (Some(ends), Some(member)) => Some((ends.parse().map_err(|_| corrupt())?, member.to_owned())),
            _ => return Err(corrupt()),
        };
        Ok(Self { index, after })
    }

    pub(super) fn write(&self) -> String {
        match &self.after {
            Some((ends, member)) => format!("{} {ends} {member}", self.index),
            None => self.index.to_string(),
        }
    }
}
