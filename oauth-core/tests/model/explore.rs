//! The search: breadth first, each state once.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use oauth_core::GrantStore;

use crate::act::{Act, Bounds};
use crate::reference::Root;
use crate::world::{State, World};

/// More states than this no test should wait for.
const MOST: usize = 200_000;

/// What a search that found nothing came to.
#[derive(Debug)]
pub(crate) struct Explored {
    pub(crate) states: usize,
    steps: usize,
    longest: usize,
}

impl fmt::Display for Explored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { states, steps, longest } = self;
        write!(f, "{states} states, {steps} steps between them, histories of up to {longest} steps")
    }
}

/// The shortest history that breaks a promise.
#[derive(Debug)]
pub(crate) struct Counterexample {
    history: Vec<Act>,
    broken: String,
}

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for act in &self.history {
            write!(f, "{act}; ")?;
        }
        write!(f, "then {}", self.broken)
    }
}

/// A state, and how it was reached first.
struct Node {
    state: State,
    from: Option<(usize, Act)>,
    depth: usize,
}

/// Explores everything within the bounds over fresh stores: a store cannot be copied, so each step is taken at the end of its whole
/// history.
pub(crate) fn explore(
    fresh: impl Fn() -> Arc<dyn GrantStore>,
    root: Root,
    bounds: Bounds,
) -> Result<Explored, Counterexample> {
    let start = World::new(fresh(), root, bounds).state;
    let mut seen = HashSet::from([start]);
    let mut nodes = vec![Node { state: start, from: None, depth: 0 }];
    let (mut at, mut steps) = (0, 0);
    while at < nodes.len() {
        assert!(nodes.len() < MOST, "the bounds are too wide: {bounds:?}");
        let history = history(&nodes, at);
        for act in nodes[at].state.acts() {
            let mut world = World::new(fresh(), root, bounds);
            let replayed = history.iter().try_for_each(|act| world.act(*act));
            debug_assert!(replayed.is_ok(), "a history that held holds again");
            steps += 1;
            if let Err(broken) = world.act(act).and_then(|()| world.look()) {
                let history = history.iter().copied().chain([act]).collect();
                return Err(Counterexample { history, broken });
            }
            if seen.insert(world.state) {
                nodes.push(Node { state: world.state, from: Some((at, act)), depth: history.len() + 1 });
            }
        }
        at += 1;
    }
    let longest = nodes.iter().map(|node| node.depth).max().unwrap_or_default();
    Ok(Explored { states: nodes.len(), steps, longest })
}

fn history(nodes: &[Node], mut at: usize) -> Vec<Act> {
    let mut acts = Vec::with_capacity(nodes[at].depth);
    while let Some((from, act)) = nodes[at].from {
        acts.push(act);
        at = from;
    }
    acts.reverse();
    acts
}
