//! Ledgers that break one promise each: one plain model, with a place for every fault.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use oauth_core::{
    Binding, Credential, CredentialKey, Exchange, Exchanged, Found, Grant, GrantFilter, GrantId, GrantStore,
    Listing, PageRequest, Revocation, Spent, StoreError, Stores, Timestamp, async_trait,
};
use tokio::task::yield_now;

use crate::Broken;
use crate::exchange::Row;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    // open, find, list, count
    LosesBindings,
    OverwritesGrants,
    OverwritesCredentialsOfATakenGrant,
    WritesBeforeItChecks,
    ForgetsWhatIsSpent,
    HidesWhatIsRevoked,
    FindsByHashAlone,
    SkipsBetweenPages,
    RepeatsBetweenPages,
    ListsOnlyTheFirstPage,
    TakesZeroToTheLetter,
    CountsOnlyWhatIsNotRevoked,
    IgnoresFilters,
    ListsWhatEndsNowAsOver,
    ChecksThenOpens,
    // exchange
    NeverSpends,
    StoresOnlyTheFirst,
    StoresBeforeItLooks,
    IgnoresRevocation,
    AnswersWithTheNewReply,
    StoresWhatARetryBrings,
    KeepsOneReplyForAGrant,
    IgnoresTheRequest,
    HasAlwaysGrace,
    HasNeverGrace,
    EndsGraceLate,
    MeasuresGraceOneWay,
    ForgetsTheSuccessor,
    TakesAForgottenSuccessorForUnspent,
    ReplayBlind,
    RevokesTheSubjectAtAReplay,
    OverwritesHashes,
    SpendsBeforeItChecks,
    IgnoresTheExchangesNow,
    GetsThenSets,
    // revoke
    RevokesTheSubjectForAGrant,
    RevokesOneOfMany,
    RevokesEitherForBoth,
    CountsTheRevokedAgain,
    CountsTheExpired,
    LeavesTheExpired,
    FailsForTheUnknown,
    RemembersTheGrantAsItWas,
    // purge
    LooksThenPurges,
    PurgesNothing,
    PurgesWhatEndsNow,
    PurgesOnlyCredentials,
    PurgesOnlyTheFirstCredential,
    PurgesWhatIsSpent,
    PurgesReplies,
    CountsOnlyGrants,
    CountsNoCredentialsOfAGrant,
}

use Fault as F;

/// Which case must catch which fault.
const TABLE: &[(&str, Fault)] = &[
    ("grants_and_credentials_are_kept_whole", F::LosesBindings),
    ("a_taken_grant_id_is_a_conflict", F::OverwritesGrants),
    ("a_taken_grant_id_is_a_conflict", F::OverwritesCredentialsOfATakenGrant),
    ("opening_is_all_or_nothing", F::WritesBeforeItChecks),
    ("opening_is_all_or_nothing", F::OverwritesHashes),
    ("spent_expired_and_revoked_credentials_are_found", F::ForgetsWhatIsSpent),
    ("spent_expired_and_revoked_credentials_are_found", F::HidesWhatIsRevoked),
    ("a_credential_is_known_by_its_grant_and_its_hash", F::FindsByHashAlone),
    ("grants_are_listed_page_by_page_each_once", F::SkipsBetweenPages),
    ("grants_are_listed_page_by_page_each_once", F::RepeatsBetweenPages),
    ("grants_are_listed_page_by_page_each_once", F::ListsOnlyTheFirstPage),
    ("grants_are_listed_page_by_page_each_once", F::IgnoresFilters),
    ("a_page_of_no_grants_is_a_page_of_one", F::TakesZeroToTheLetter),
    ("grants_are_counted_until_they_are_purged", F::CountsOnlyWhatIsNotRevoked),
    ("grants_are_counted_until_they_are_purged", F::IgnoresFilters),
    ("grants_that_ended_are_listed_and_counted", F::IgnoresFilters),
    ("grants_that_ended_are_listed_and_counted", F::ListsWhatEndsNowAsOver),
    ("an_exchange_spends_one_and_stores_the_others", F::StoresOnlyTheFirst),
    ("an_exchange_spends_one_and_stores_the_others", F::IgnoresTheExchangesNow),
    ("an_exchange_spends_one_and_stores_the_others", F::NeverSpends),
    ("an_exchange_of_something_unknown_changes_nothing", F::StoresBeforeItLooks),
    ("an_exchange_of_something_unknown_changes_nothing", F::FindsByHashAlone),
    ("an_exchange_under_a_revoked_grant_changes_nothing", F::IgnoresRevocation),
    ("a_retry_gets_the_identical_reply", F::AnswersWithTheNewReply),
    ("a_retry_gets_the_identical_reply", F::StoresWhatARetryBrings),
    ("a_retry_gets_the_identical_reply", F::NeverSpends),
    ("a_retry_gets_the_identical_reply", F::HasNeverGrace),
    ("each_exchange_keeps_its_own_reply", F::KeepsOneReplyForAGrant),
    ("another_request_is_no_retry", F::IgnoresTheRequest),
    ("another_request_is_no_retry", F::ReplayBlind),
    ("without_grace_a_repetition_is_a_replay", F::HasAlwaysGrace),
    ("without_grace_a_repetition_is_a_replay", F::NeverSpends),
    ("without_grace_a_repetition_is_a_replay", F::ForgetsWhatIsSpent),
    ("without_grace_a_repetition_is_a_replay", F::ReplayBlind),
    ("without_grace_a_repetition_is_a_replay", F::IgnoresTheExchangesNow),
    ("the_grace_window_ends", F::EndsGraceLate),
    ("the_grace_window_ends", F::HasNeverGrace),
    ("a_clock_that_steps_back_does_not_unspend", F::MeasuresGraceOneWay),
    ("a_clock_that_steps_back_does_not_unspend", F::NeverSpends),
    ("once_the_successor_is_spent_a_repetition_is_a_replay", F::ForgetsTheSuccessor),
    ("once_the_successor_is_forgotten_a_repetition_is_a_replay", F::TakesAForgottenSuccessorForUnspent),
    ("a_replay_revokes_its_own_grant_alone", F::RevokesTheSubjectAtAReplay),
    ("a_taken_hash_spends_nothing", F::OverwritesHashes),
    ("a_taken_hash_spends_nothing", F::SpendsBeforeItChecks),
    ("one_grant_is_revoked", F::RevokesTheSubjectForAGrant),
    ("one_grant_is_revoked", F::CountsTheRevokedAgain),
    ("all_grants_to_a_client_are_revoked", F::RevokesOneOfMany),
    ("all_grants_to_a_client_are_revoked", F::CountsTheRevokedAgain),
    ("all_grants_of_a_subject_are_revoked", F::RevokesOneOfMany),
    ("all_grants_of_a_subject_are_revoked", F::CountsTheRevokedAgain),
    ("all_grants_of_a_subject_to_a_client_are_revoked", F::RevokesEitherForBoth),
    ("all_grants_of_a_subject_to_a_client_are_revoked", F::CountsTheRevokedAgain),
    ("expired_grants_are_revoked_and_not_counted", F::CountsTheExpired),
    ("expired_grants_are_revoked_and_not_counted", F::LeavesTheExpired),
    ("revoking_something_unknown_is_no_error", F::FailsForTheUnknown),
    ("revoking_something_unknown_is_no_error", F::RevokesEitherForBoth),
    ("nothing_under_a_revoked_grant_is_live", F::RemembersTheGrantAsItWas),
    ("nothing_under_a_revoked_grant_is_live", F::IgnoresRevocation),
    ("expired_credentials_are_purged", F::PurgesNothing),
    ("what_has_not_ended_is_not_purged", F::PurgesWhatEndsNow),
    ("ended_and_empty_grants_are_purged", F::PurgesOnlyCredentials),
    ("a_grants_credentials_are_counted_with_it", F::CountsOnlyGrants),
    ("a_grants_credentials_are_counted_with_it", F::CountsNoCredentialsOfAGrant),
    ("each_credential_is_purged_after_its_own_end", F::PurgesOnlyTheFirstCredential),
    ("each_credential_is_purged_after_its_own_end", F::PurgesWhatIsSpent),
    ("a_grant_that_a_replay_revoked_is_purged", F::PurgesOnlyCredentials),
    ("a_replay_is_recognised_after_a_purge", F::PurgesWhatIsSpent),
    ("a_replay_is_recognised_after_a_purge", F::ReplayBlind),
    ("a_retry_is_answered_after_a_purge", F::PurgesReplies),
    ("of_many_redemptions_at_once_one_is_done", F::GetsThenSets),
    ("of_many_redemptions_at_once_one_is_done", F::ReplayBlind),
    ("of_many_refreshes_at_once_all_get_one_reply", F::GetsThenSets),
    ("of_many_refreshes_at_once_all_get_one_reply", F::AnswersWithTheNewReply),
    ("an_exchange_that_races_a_revocation_leaves_nothing_live", F::GetsThenSets),
    ("an_exchange_that_races_a_revocation_leaves_nothing_live", F::IgnoresRevocation),
    ("an_exchange_that_races_a_purge_keeps_what_it_bought", F::LooksThenPurges),
    ("of_many_that_open_one_grant_at_once_one_does", F::ChecksThenOpens),
];

pub(crate) fn broken() -> Vec<Broken> {
    Broken::of(TABLE, stores)
}

pub(crate) fn sound() -> Stores {
    stores(F::None)
}

pub(crate) fn stores(fault: Fault) -> Stores {
    Stores::memory().with_grants(Arc::new(Ledger { fault, rows: Mutex::default() }))
}

struct Ledger {
    fault: Fault,
    rows: Mutex<BTreeMap<GrantId, Row>>,
}

impl Ledger {
    fn has(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn matches(&self, filter: GrantFilter<'_>, grant: &Grant) -> bool {
        match filter {
            GrantFilter::Subject(subject) if !self.has(F::IgnoresFilters) => grant.subject == *subject,
            GrantFilter::Client(client) if !self.has(F::IgnoresFilters) => grant.client_id == *client,
            GrantFilter::Expired(before) if !self.has(F::IgnoresFilters) => {
                grant.expires_at < before
                    || (self.has(F::ListsWhatEndsNowAsOver) && grant.expires_at == before)
            }
            _ => true,
        }
    }

    /// Under which grant a credential is looked for.
    fn grant_of(&self, key: &CredentialKey) -> GrantId {
        let rows = self.rows.lock().unwrap();
        let by_hash = rows.iter().find(|(_, row)| row.position(key).is_some()).map(|(id, _)| *id);
        by_hash.filter(|_| self.has(F::FindsByHashAlone)).unwrap_or(key.grant)
    }

    fn reached(&self, what: Revocation<'_>, grant: &Grant, rows: &BTreeMap<GrantId, Row>) -> bool {
        match what {
            Revocation::Grant(id) if self.has(F::RevokesTheSubjectForAGrant) => {
                rows.get(id).is_some_and(|row| row.grant.subject == grant.subject)
            }
            Revocation::Grant(id) => grant.id == *id,
            Revocation::Client(client) => grant.client_id == *client,
            Revocation::Subject(subject) => grant.subject == *subject,
            Revocation::SubjectAndClient(subject, client) if self.has(F::RevokesEitherForBoth) => {
                grant.subject == *subject || grant.client_id == *client
            }
            Revocation::SubjectAndClient(subject, client) => {
                grant.subject == *subject && grant.client_id == *client
            }
            _ => false,
        }
    }
}

#[async_trait]
impl GrantStore for Ledger {
    async fn open(&self, grant: &Grant, first: &[Credential]) -> Result<(), StoreError> {
        let taken = self.rows.lock().unwrap().contains_key(&grant.id);
        if self.has(F::ChecksThenOpens) {
            yield_now().await;
        }
        let mut rows = self.rows.lock().unwrap();
        if taken || (rows.contains_key(&grant.id) && !self.has(F::ChecksThenOpens)) {
            if self.has(F::OverwritesCredentialsOfATakenGrant) {
                rows.entry(grant.id).and_modify(|row| row.append(first));
            }
            if !self.has(F::OverwritesGrants) {
                return Err(StoreError::Conflict);
            }
        }
        let mut row = Row::new(grant);
        if !self.has(F::OverwritesHashes) && !row.is_free(first) {
            if self.has(F::WritesBeforeItChecks) {
                row.append(&first[..1]);
                rows.insert(grant.id, row);
            }
            return Err(StoreError::Conflict);
        }
        row.append(first);
        rows.insert(grant.id, row);
        Ok(())
    }

    async fn find(&self, key: &CredentialKey) -> Result<Option<Found>, StoreError> {
        let id = self.grant_of(key);
        let rows = self.rows.lock().unwrap();
        let Some((row, at)) = rows.get(&id).and_then(|row| Some((row, row.position(key)?))) else {
            return Ok(None);
        };
        let mut grant = row.grant.clone();
        if self.has(F::HidesWhatIsRevoked) && grant.revoked_at.is_some() {
            return Ok(None);
        }
        if self.has(F::RemembersTheGrantAsItWas) {
            grant.revoked_at = None;
        }
        let slot = &row.slots[at];
        let mut credential = slot.credential.clone();
        if self.has(F::LosesBindings) {
            credential.binding = Binding::Bearer;
        }
        Ok(Some(Found::new(grant, credential, slot.spent.as_ref().map(|spent| Spent { at: spent.at }))))
    }

    async fn exchange(&self, exchange: Exchange<'_>) -> Result<Exchanged, StoreError> {
        let id = self.grant_of(exchange.spent);
        if self.has(F::GetsThenSets) {
            let Some(mut row) = self.rows.lock().unwrap().get(&id).cloned() else {
                return Ok(Exchanged::Gone);
            };
            yield_now().await;
            let exchanged = row.exchange(&exchange, self.fault);
            self.rows.lock().unwrap().insert(id, row);
            return exchanged;
        }
        let mut rows = self.rows.lock().unwrap();
        let Some(row) = rows.get_mut(&id) else { return Ok(Exchanged::Gone) };
        let exchanged = row.exchange(&exchange, self.fault);
        let subject = row.grant.subject.clone();
        if self.has(F::RevokesTheSubjectAtAReplay) && matches!(exchanged, Ok(Exchanged::Replayed)) {
            for row in rows.values_mut().filter(|row| row.grant.subject == subject) {
                row.grant.revoked_at = Some(exchange.now);
            }
        }
        exchanged
    }

    async fn revoke(&self, what: Revocation<'_>, now: Timestamp) -> Result<u64, StoreError> {
        let mut rows = self.rows.lock().unwrap();
        let reached: Vec<_> = rows
            .values()
            .filter(|row| self.reached(what, &row.grant, &rows))
            .map(|row| row.grant.id)
            .collect();
        if reached.is_empty() && self.has(F::FailsForTheUnknown) {
            return Err(StoreError::Conflict);
        }
        let most = if self.has(F::RevokesOneOfMany) { 1 } else { usize::MAX };
        let mut revoked = 0;
        for id in reached.iter().take(most) {
            let grant = &mut rows.get_mut(id).unwrap().grant;
            let has_expired = now >= grant.expires_at;
            let is_new = grant.revoked_at.is_none() || self.has(F::CountsTheRevokedAgain);
            revoked += u64::from(is_new && (!has_expired || self.has(F::CountsTheExpired)));
            if !(has_expired && self.has(F::LeavesTheExpired)) {
                grant.revoked_at.get_or_insert(now);
            }
        }
        Ok(revoked)
    }

    async fn grant(&self, id: &GrantId) -> Result<Option<Grant>, StoreError> {
        Ok(self.rows.lock().unwrap().get(id).map(|row| row.grant.clone()))
    }

    async fn list(&self, filter: GrantFilter<'_>, page: PageRequest) -> Result<Listing<Grant>, StoreError> {
        let limit = page.limit.max(usize::from(!self.has(F::TakesZeroToTheLetter)));
        let rows = self.rows.lock().unwrap();
        let after: Option<GrantId> = page.after.map(|after| after.parse().unwrap());
        let wanted = |grant: &&Grant| self.matches(filter, grant);
        let is_later = |grant: &&Grant| match after {
            Some(after) if self.has(F::RepeatsBetweenPages) => grant.id >= after && limit > 1,
            Some(after) => grant.id > after,
            None => true,
        };
        let skipped = usize::from(self.has(F::SkipsBetweenPages) && after.is_some());
        let mut items: Vec<_> = rows
            .values()
            .map(|row| &row.grant)
            .filter(wanted)
            .filter(is_later)
            .skip(skipped)
            .cloned()
            .collect();
        let is_last = items.len() <= limit || self.has(F::ListsOnlyTheFirstPage);
        items.truncate(limit);
        Ok(Listing { next: items.last().filter(|_| !is_last).map(|grant| grant.id.to_string()), items })
    }

    async fn count(&self, filter: GrantFilter<'_>) -> Result<u64, StoreError> {
        let rows = self.rows.lock().unwrap();
        let counts = |grant: &Grant| grant.revoked_at.is_none() || !self.has(F::CountsOnlyWhatIsNotRevoked);
        Ok(rows.values().filter(|row| self.matches(filter, &row.grant) && counts(&row.grant)).count() as u64)
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        if self.has(F::PurgesNothing) {
            return Ok(0);
        }
        if self.has(F::LooksThenPurges) {
            let mut rows = self.rows.lock().unwrap().clone();
            rows.retain(|_, row| {
                row.purge(before, self.fault);
                row.is_over(before, self.fault)
            });
            yield_now().await;
            self.rows.lock().unwrap().retain(|id, _| !rows.contains_key(id));
            return Ok(rows.len() as u64);
        }
        let mut rows = self.rows.lock().unwrap();
        let mut removed = 0;
        rows.retain(|_, row| {
            let credentials = row.purge(before, self.fault);
            removed += if self.has(F::CountsOnlyGrants) { 0 } else { credentials };
            let ended = row.is_over(before, self.fault) && !self.has(F::PurgesOnlyCredentials);
            let alone = self.has(F::CountsOnlyGrants) || self.has(F::CountsNoCredentialsOfAGrant);
            removed += match ended {
                true if alone => 1,
                true => 1 + row.slots.len(),
                false => 0,
            };
            !ended
        });
        Ok(removed as u64)
    }
}
