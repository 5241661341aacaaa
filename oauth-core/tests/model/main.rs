//! A model of the ledger, explored to the end: every order in which three callers, an operator and the clock can act on one grant.
//!
//! The store is a real one ([`MemoryStore`]); what is modelled is who calls it. A caller does what the server does: `find` with the time
//! of the request, judge the snapshot, then `exchange` with that same time, and anything may happen between the two. The search visits
//! each state once; two histories are one state if the [reference](reference::Reference), which says what the port's documentation
//! promises, knows no difference between them. After each step the answer is held to that promise, and so is all that the store shows.
//!
//! A store that breaks a promise is shown by the shortest history that does. The broken ledgers of the conformance kit are explored too:
//! a model that overlooked them would show nothing.
//!
//! `cargo xtask chaos` explores all of it, and prints how many states there are.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "all of this crate is test code")]
#![allow(clippy::cast_possible_truncation, reason = "there are three callers and forty names")]

#[allow(dead_code, reason = "the kit's own tests use the rest")]
#[path = "../broken/exchange.rs"]
mod exchange;
#[allow(dead_code, reason = "the kit's own tests use the rest")]
#[path = "../broken/ledger.rs"]
mod ledger;
#[allow(dead_code, reason = "the kit's own tests use the rest")]
#[path = "../broken/table.rs"]
mod table;

mod act;
mod explore;
mod reference;
mod world;

use std::sync::Arc;

use act::Bounds;
use explore::{Explored, explore};
use ledger::Fault;
use oauth_core::{GrantStore, MemoryStore};
use reference::Root;
use table::Broken;

fn memory() -> Arc<dyn GrantStore> {
    Arc::new(MemoryStore::default())
}

/// Explores, and prints what it came to.
#[track_caller]
fn hold(what: &str, root: Root, bounds: Bounds) -> Explored {
    let explored = explore(memory, root, bounds).unwrap_or_else(|counterexample| panic!("{counterexample}"));
    println!("{what}: {explored}");
    explored
}

#[test]
fn a_code_buys_once_whatever_three_callers_an_operator_and_the_clock_do() {
    // AS-59, AS-60
    let bounds = Bounds {
        presentations: [1, 1, 1],
        revocations: 1,
        purges: 1,
        steps_back: 0,
        deepest: 1,
        instants: 3,
    };
    let explored = hold("one code", Root::Code, bounds);
    assert!(explored.states > 10_000, "{explored}: that is not all");
}

#[test]
fn a_refresh_token_has_one_successor_whatever_three_callers_an_operator_and_the_clock_do() {
    // REF-1, REF-4, REF-15
    for (presentations, purges) in [([2, 1, 1], 0), ([1, 1, 1], 1)] {
        let bounds = Bounds { presentations, revocations: 1, purges, steps_back: 0, deepest: 1, instants: 3 };
        let explored = hold("one refresh token", Root::Refresh, bounds);
        assert!(explored.states > 10_000, "{explored}: that is not all");
    }
}

#[test]
#[ignore = "twenty seconds and more; `cargo xtask chaos` explores it"]
fn a_refresh_token_has_one_successor_when_one_of_three_callers_asks_twice_around_a_purge() {
    // REF-1, REF-4, REF-15
    let bounds = Bounds {
        presentations: [2, 1, 1],
        revocations: 1,
        purges: 1,
        steps_back: 0,
        deepest: 1,
        instants: 3,
    };
    let explored = hold("one refresh token, twice around a purge", Root::Refresh, bounds);
    assert!(explored.states > 50_000, "{explored}: that is not all");
}

#[test]
fn a_chain_of_refreshes_is_one_chain_until_the_grant_ends() {
    // REF-4, REF-8
    for (presentations, revocations, purges) in [([2, 2, 0], 1, 0), ([3, 1, 0], 0, 1)] {
        let bounds = Bounds { presentations, revocations, purges, steps_back: 0, deepest: 2, instants: 3 };
        let explored = hold("a chain", Root::Refresh, bounds);
        assert!(explored.states > 5_000, "{explored}: that is not all");
    }
}

#[test]
fn neither_a_purge_nor_a_clock_that_steps_back_unspends_anything_until_all_of_it_is_over() {
    // A-FAULT-5
    let bounds = Bounds {
        presentations: [1, 1, 0],
        revocations: 0,
        purges: 2,
        steps_back: 1,
        deepest: 1,
        instants: 6,
    };
    let explored = hold("to the end of the grant", Root::Refresh, bounds);
    assert!(explored.states > 10_000, "{explored}: that is not all");
}

/// What the model must see: whatever a caller of `exchange`, a revocation or a purge can come to notice.
const CAUGHT: [Fault; 21] = [
    Fault::ForgetsWhatIsSpent,
    Fault::NeverSpends,
    Fault::StoresOnlyTheFirst,
    Fault::StoresBeforeItLooks,
    Fault::IgnoresRevocation,
    Fault::AnswersWithTheNewReply,
    Fault::StoresWhatARetryBrings,
    Fault::KeepsOneReplyForAGrant,
    Fault::IgnoresTheRequest,
    Fault::HasAlwaysGrace,
    Fault::HasNeverGrace,
    Fault::EndsGraceLate,
    Fault::MeasuresGraceOneWay,
    Fault::ForgetsTheSuccessor,
    Fault::ReplayBlind,
    Fault::IgnoresTheExchangesNow,
    Fault::GetsThenSets,
    Fault::RemembersTheGrantAsItWas,
    Fault::PurgesWhatEndsNow,
    Fault::PurgesWhatIsSpent,
    Fault::PurgesReplies,
];

/// Small: a fault shows itself in a few steps.
const SMALL: Bounds =
    Bounds { presentations: [2, 1, 1], revocations: 1, purges: 1, steps_back: 1, deepest: 1, instants: 5 };

#[test]
fn the_model_catches_broken_ledgers() {
    let mut missed = Vec::new();
    for fault in CAUGHT {
        let fresh = || Arc::<dyn GrantStore>::from(ledger::stores(fault).grants);
        // Codes alone have no window that a store could invent.
        let root = if fault == Fault::HasAlwaysGrace { Root::Code } else { Root::Refresh };
        match explore(fresh, root, SMALL).err() {
            Some(counterexample) => println!("{fault:?}: {counterexample}"),
            None => missed.push(fault),
        }
    }
    assert!(missed.is_empty(), "the model overlooks {missed:?}");
}

#[test]
fn without_its_fault_the_broken_ledger_passes() {
    // Else the model might catch the ledger instead of the fault.
    let bounds = Bounds { presentations: [1, 1, 0], instants: 4, steps_back: 0, ..SMALL };
    for root in [Root::Code, Root::Refresh] {
        let explored = explore(|| ledger::stores(Fault::None).grants.into(), root, bounds);
        println!("{}", explored.unwrap_or_else(|counterexample| panic!("{counterexample}")));
    }
}
