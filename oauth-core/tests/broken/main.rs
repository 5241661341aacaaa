//! The conformance kit, held to its promise: for each case there is a broken store that it catches.

#![allow(clippy::unwrap_used, reason = "all of this crate is test code")]

mod clients;
mod exchange;
mod keeping;
mod ledger;
mod once;
mod people;
mod table;

use std::collections::BTreeSet;

use oauth_core::Stores;
use oauth_core::testing::{Case, cases};
use table::Broken;

fn all() -> Vec<Broken> {
    [ledger::broken(), clients::broken(), keeping::broken(), people::broken(), once::broken()]
        .into_iter()
        .flatten()
        .collect()
}

fn named(name: &str) -> Case {
    *cases().iter().find(|case| case.name() == name).unwrap_or_else(|| panic!("there is no case {name}"))
}

/// What the case says of the stores; `None`: it finds nothing wrong.
async fn complaint(case: Case, stores: Stores) -> Option<String> {
    let panic = tokio::spawn(async move { case.run(stores).await }).await.err()?.into_panic();
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
}

#[test]
fn every_case_has_a_broken_store() {
    let broken: BTreeSet<_> = all().iter().map(|broken| broken.case).collect();
    let missing: Vec<_> = cases().iter().map(Case::name).filter(|name| !broken.contains(name)).collect();
    assert!(missing.is_empty(), "nothing shows that these cases can fail: {missing:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_broken_store_is_caught() {
    let mut missed = Vec::new();
    for Broken { case, fault, stores } in all() {
        match complaint(named(case), stores).await {
            // A promise is named by its method: `exchange: …`.
            Some(complaint) => {
                assert!(complaint.contains(": "), "{case} does not say what {fault} broke: {complaint}");
            }
            None => missed.push(format!("{case} passes a store that is broken by {fault}")),
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_its_fault_every_model_passes() {
    // Else a case might catch the model instead of the fault.
    for case in cases() {
        for stores in [ledger::sound(), clients::sound(), keeping::sound(), people::sound(), once::sound()] {
            assert_eq!(complaint(*case, stores).await, None, "{case:?}");
        }
    }
}

#[test]
fn the_names_of_cases_are_unique() {
    let names: BTreeSet<_> = cases().iter().map(Case::name).collect();
    assert_eq!(names.len(), cases().len());
}
