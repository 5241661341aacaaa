//! What a map itself costs: the standard library's, in shards under locks, with the same keys and records of the same size. What the store in
//! memory takes more is its own.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::ledger::{self, ENDED};
use crate::measure::{Costs, OPERATIONS, count, each, micros, spread};

/// As long as a grant with one credential in the store.
type Record = [u64; 25];
type Shard = Mutex<HashMap<[u8; 16], Box<Record>>>;

#[derive(Clone)]
struct Floor(Arc<Vec<Shard>>);

impl Floor {
    fn with<T>(&self, id: &[u8; 16], act: impl FnOnce(&mut HashMap<[u8; 16], Box<Record>>) -> T) -> T {
        let shard = &self.0[usize::from(id[0]) * self.0.len() / 256];
        act(&mut shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Copies out records all over the map, as `find` does; changes others, as `revoke` does; removes what would have ended, shard by shard, as
/// a purge does.
pub(crate) async fn measure(grants: usize) -> Costs {
    let floor = Floor(Arc::new((0..64).map(|_| Mutex::default()).collect()));
    for number in 0..grants {
        let id = id(number);
        floor.with(&id, |map| map.insert(id, Box::new([number as u64; 25])));
    }
    let live: Vec<usize> = spread(grants).filter(|number| !number.is_multiple_of(ENDED)).collect();
    let third = (live.len() / 3).min(OPERATIONS);
    let find = each(&floor, &live[..third], OPERATIONS / third, |floor, number, times| async move {
        for _ in 0..times {
            let id = id(number);
            black_box(floor.with(&id, |map| map.get(&id).map(|record| **record)));
        }
    });
    let find = find.await;
    let revoke = each(&floor, &live[2 * third..3 * third], 1, |floor, number, _| async move {
        let id = id(number);
        floor.with(&id, |map| map.get_mut(&id).expect("it is there")[24] = 0);
    });
    let revoke = revoke.await;
    let mut ended: Vec<_> = (0..grants).step_by(ENDED).map(id).collect();
    ended.sort_unstable_by_key(|id| id[0]);
    let began = Instant::now();
    for id in &ended {
        floor.with(id, |map| map.remove(id));
    }
    Costs([find, f64::NAN, revoke, micros(began.elapsed()) / count(ended.len()), f64::NAN])
}

fn id(number: usize) -> [u8; 16] {
    *ledger::key(number).grant.as_bytes()
}
