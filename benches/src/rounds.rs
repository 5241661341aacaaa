//! How the noise of a shared machine is kept out: what is compared runs by turns, and medians count.

use std::hint::black_box;
use std::time::Instant;

/// The middle one.
#[must_use]
pub fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Measures a floor and what stands on it by turns; which goes first changes. Both medians, and the median of the rounds' ratios.
pub fn by_turns(rounds: usize, mut floor: impl FnMut() -> f64, mut ours: impl FnMut() -> f64) -> Compared {
    let mut runs = Vec::new();
    for round in 0..rounds {
        runs.push(if round % 2 == 0 {
            let floor = floor();
            (floor, ours())
        } else {
            let ours = ours();
            (floor(), ours)
        });
    }
    Compared {
        floor: median(runs.iter().map(|(floor, _)| *floor).collect()),
        ours: median(runs.iter().map(|(_, ours)| *ours).collect()),
        percent: 100.0 * median(runs.iter().map(|(floor, ours)| ours / floor).collect()),
        difference: median(runs.iter().map(|(floor, ours)| ours - floor).collect()),
    }
}

/// What a comparison found: medians.
#[derive(Clone, Copy, Debug)]
pub struct Compared {
    /// Of the floor.
    pub floor: f64,
    /// Of what stands on it.
    pub ours: f64,
    /// Of what stands on it to the floor, round by round.
    pub percent: f64,
    /// Of what it adds to the floor, round by round.
    pub difference: f64,
}

/// How many nanoseconds `act` takes for each of the things that `prepare` made beforehand.
pub fn nanoseconds<T, R>(count: u32, mut prepare: impl FnMut() -> T, mut act: impl FnMut(T) -> R) -> f64 {
    let prepared: Vec<T> = (0..count).map(|_| prepare()).collect();
    let began = Instant::now();
    for thing in prepared {
        black_box(act(thing));
    }
    began.elapsed().as_secs_f64() * 1e9 / f64::from(count)
}
