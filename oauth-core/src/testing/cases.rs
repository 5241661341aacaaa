//! The list of the cases, once, and what is made of it: tests of a store, and data.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use crate::store::{Backend, Stores};
use crate::testing::kit;

/// The cases. The list stands here alone: a new promise reaches every store.
#[doc(hidden)]
#[macro_export]
macro_rules! __store_cases {
    ($then:ident $($with:tt)*) => {
        $crate::$then! {
            [$($with)*]
            grants::grants_and_credentials_are_kept_whole,
            grants::a_taken_grant_id_is_a_conflict,
            grants::opening_is_all_or_nothing,
            grants::spent_expired_and_revoked_credentials_are_found,
            grants::a_credential_is_known_by_its_grant_and_its_hash,
            grants::grants_are_listed_page_by_page_each_once,
            grants::a_page_of_no_grants_is_a_page_of_one,
            grants::grants_that_ended_are_listed_and_counted,
            grants::grants_are_counted_until_they_are_purged,
            exchange::an_exchange_spends_one_and_stores_the_others,
            exchange::an_exchange_of_something_unknown_changes_nothing,
            exchange::an_exchange_under_a_revoked_grant_changes_nothing,
            exchange::a_retry_gets_the_identical_reply,
            exchange::each_exchange_keeps_its_own_reply,
            exchange::another_request_is_no_retry,
            exchange::without_grace_a_repetition_is_a_replay,
            exchange::the_grace_window_ends,
            exchange::a_clock_that_steps_back_does_not_unspend,
            exchange::once_the_successor_is_spent_a_repetition_is_a_replay,
            exchange::once_the_successor_is_forgotten_a_repetition_is_a_replay,
            exchange::a_replay_revokes_its_own_grant_alone,
            exchange::a_taken_hash_spends_nothing,
            revoke::one_grant_is_revoked,
            revoke::all_grants_to_a_client_are_revoked,
            revoke::all_grants_of_a_subject_are_revoked,
            revoke::all_grants_of_a_subject_to_a_client_are_revoked,
            revoke::expired_grants_are_revoked_and_not_counted,
            revoke::revoking_something_unknown_is_no_error,
            revoke::nothing_under_a_revoked_grant_is_live,
            purge::expired_credentials_are_purged,
            purge::what_has_not_ended_is_not_purged,
            purge::ended_and_empty_grants_are_purged,
            purge::a_grants_credentials_are_counted_with_it,
            purge::each_credential_is_purged_after_its_own_end,
            purge::a_grant_that_a_replay_revoked_is_purged,
            purge::a_replay_is_recognised_after_a_purge,
            purge::a_retry_is_answered_after_a_purge,
            races::of_many_redemptions_at_once_one_is_done,
            races::of_many_refreshes_at_once_all_get_one_reply,
            races::an_exchange_that_races_a_revocation_leaves_nothing_live,
            races::an_exchange_that_races_a_purge_keeps_what_it_bought,
            races::of_many_that_open_one_grant_at_once_one_does,
            clients::clients_are_kept_whole,
            clients::a_taken_client_id_is_a_conflict,
            clients::the_same_client_again_is_the_one_that_is_there,
            clients::an_expired_or_removed_client_has_no_twin,
            clients::clients_without_a_fingerprint_have_no_twin,
            clients::expired_clients_are_found,
            clients::an_update_needs_the_version_that_was_read,
            clients::an_update_undoes_no_renewal,
            clients::renewing_never_moves_the_end_back,
            clients::renewing_gives_no_end_to_what_has_none,
            clients::removing_a_client_says_whether_there_was_one,
            clients::clients_are_listed_page_by_page_each_once,
            clients::a_page_of_no_clients_is_a_page_of_one,
            clients::unused_clients_are_counted,
            clients::clients_by_document_are_counted,
            clients::clients_that_ended_are_listed_and_counted,
            clients::only_clients_that_ended_are_purged,
            clients::of_many_twins_at_once_one_is_registered,
            clients::of_many_updates_at_once_one_succeeds,
            consents::a_consent_is_kept_whole_for_its_subject_and_client,
            consents::a_consent_takes_the_place_of_the_one_before,
            consents::a_subject_sees_all_they_agreed_to,
            consents::forgetting_a_consent_says_whether_there_was_one,
            consents::only_consents_that_expired_are_purged,
            accounts::an_account_is_found_by_subject_and_by_identity,
            accounts::an_identity_is_provider_and_identifier_to_the_letter,
            accounts::a_taken_subject_or_identity_opens_no_account,
            accounts::a_linked_identity_leads_to_the_account,
            accounts::a_taken_identity_is_not_linked,
            accounts::updating_an_account_says_whether_there_is_one,
            accounts::the_last_verifier_that_was_set_counts,
            accounts::a_first_verifier_replaces_none,
            accounts::of_many_first_sign_ins_at_once_one_opens_the_account,
            accounts::of_many_first_verifiers_at_once_all_get_one,
            sessions::a_session_is_kept_whole_after_its_end_too,
            sessions::a_taken_session_is_a_conflict,
            sessions::ending_a_session_says_whether_there_was_one,
            sessions::all_sessions_of_a_subject_end,
            sessions::only_sessions_that_expired_are_purged,
            replay::a_key_has_one_first_use,
            replay::each_key_has_its_own_first_use,
            replay::a_clock_that_steps_back_revives_no_key,
            replay::only_keys_whose_time_has_passed_are_purged,
            replay::of_many_uses_at_once_one_is_the_first,
            limits::a_quota_has_room_for_its_burst,
            limits::a_quota_recovers_evenly,
            limits::each_key_has_its_own_quota,
            limits::peeking_counts_nothing,
            limits::resetting_makes_a_quota_whole,
            limits::a_clock_that_steps_back_locks_nobody_out,
            limits::only_whole_quotas_are_purged,
            limits::of_many_events_at_once_no_more_than_the_burst_pass,
            keys::keys_are_kept_whole_newest_first,
            keys::purposes_do_not_share_keys,
            keys::the_first_key_is_added_once,
            keys::a_taken_key_id_is_a_conflict,
            keys::a_retired_key_is_kept_and_marked,
            keys::a_key_is_retired_from_the_time_that_was_said_last,
            keys::removing_a_key_says_whether_there_was_one,
            keys::of_many_first_keys_at_once_all_get_one,
            vault::what_is_sealed_is_kept_byte_for_byte,
            vault::a_vault_has_a_place_for_each_subject_and_provider,
            vault::replacing_what_is_sealed_needs_what_was_read,
            vault::of_many_replacements_at_once_one_succeeds,
            vault::forgetting_what_is_sealed_says_whether_there_was_something,
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __store_tests_of {
    ([$fresh:expr] $($port:ident::$name:ident,)*) => {
        $(
            #[test]
            fn $name() {
                $crate::testing::run(stringify!($name), $fresh);
            }
        )*
    };
}

/// Holds a store to the promises of the ports: one `#[test]` for each, named after it.
///
/// The expression is a future of an empty store of its own: it is evaluated afresh for each test, in a runtime of the test's
/// own, and tests run at once. Anything that is a [`Backend`] will do, and an `Option` of it: without a store there is nothing to
/// test. In a module of its own two stores stand in one file.
///
/// ```
/// use oauth_core::MemoryStore;
///
/// oauth_core::store_tests!(async { MemoryStore::default() });
/// # assert!(oauth_core::testing::cases().len() > 60);
/// ```
#[macro_export]
macro_rules! store_tests {
    ($fresh:expr) => {
        $crate::__store_cases! { __store_tests_of $fresh }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __store_cases_as_data {
    ([] $($port:ident::$name:ident,)*) => {
        &[$(Case { name: stringify!($name), part: stringify!($port), run: |stores| Box::pin(kit::$port::$name(stores)) },)*]
    };
}

const CASES: &[Case] = __store_cases! { __store_cases_as_data };

/// One promise, and how it is put to the proof.
///
/// ```
/// use oauth_core::{Stores, testing};
///
/// # let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
/// # runtime.block_on(async {
/// let case = testing::cases().iter().find(|case| case.name() == "a_retry_gets_the_identical_reply").unwrap();
/// case.run(Stores::memory()).await;
/// # });
/// ```
#[derive(Clone, Copy)]
pub struct Case {
    name: &'static str,
    part: &'static str,
    run: fn(Stores) -> Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Case {
    /// The promise, as the name of a test.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// What it is about: a port, or a part of the ledger.
    #[must_use]
    pub const fn part(&self) -> &'static str {
        self.part
    }

    /// Puts empty stores to the proof, on a runtime of several threads.
    ///
    /// # Panics
    /// The future panics, with a message that says what was promised, if they break the promise.
    pub async fn run(&self, stores: Stores) {
        (self.run)(stores).await;
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Case({}::{})", self.part, self.name)
    }
}

/// All cases: what [`store_tests!`](crate::store_tests) makes tests of, for those who run them otherwise.
///
/// ```
/// assert!(oauth_core::testing::cases().iter().any(|case| case.part() == "races"));
/// ```
#[must_use]
pub const fn cases() -> &'static [Case] {
    CASES
}

/// Runs one case against a store, in a runtime of its own: what each test of [`store_tests!`](crate::store_tests) does.
///
/// ```
/// use oauth_core::{MemoryStore, testing};
/// testing::run("a_key_has_one_first_use", async { MemoryStore::default() });
/// ```
///
/// # Panics
/// If the store breaks the promise, or there is no such case.
pub fn run<F: Fresh>(name: &str, fresh: impl Future<Output = F>) {
    let Some(case) = cases().iter().find(|case| case.name == name) else {
        panic!("there is no case `{name}`");
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => panic!("there is no runtime to run the case in: {error}"),
    };
    runtime.block_on(async {
        if let Some(store) = fresh.await.store() {
            case.run(Stores::new(store)).await;
        }
    });
}

/// What a case is run against: a store, or none where its database is not installed. The case then passes unseen; whoever
/// makes the store says so, or fails.
///
/// ```
/// use oauth_core::testing::Fresh;
/// use oauth_core::MemoryStore;
///
/// assert!(MemoryStore::default().store().is_some());
/// assert!(None::<MemoryStore>.store().is_none());
/// ```
pub trait Fresh {
    /// The store.
    type Store: Backend;

    /// The store, if there is one.
    fn store(self) -> Option<Self::Store>;
}

impl<B: Backend> Fresh for B {
    type Store = B;

    fn store(self) -> Option<B> {
        Some(self)
    }
}

impl<B: Backend> Fresh for Option<B> {
    type Store = B;

    fn store(self) -> Self {
        self
    }
}
