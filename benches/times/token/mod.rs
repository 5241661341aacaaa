//! The token operation on SQLite, in a file and durable: refreshes, against a bare loop over the driver with the same statements in
//! batches as large.

mod bare;
mod operation;

use std::cell::Cell;
use std::time::Duration;

use benches::rounds::{by_turns, median};
use benches::table::Row;

const TURN: Duration = Duration::from_millis(1500);
const TURNS: usize = 7;

pub(crate) fn measure() -> Vec<Row> {
    let folder = tempfile::tempdir_in(".").expect("the folder can be written");
    let runtime = tokio::runtime::Runtime::new().expect("there are threads");
    let mut rows = Vec::new();
    for callers in [1, 8, 64] {
        let number = Cell::new(0);
        let file = || {
            number.set(number.get() + 1);
            folder.path().join(format!("{callers}-{}.sqlite", number.get()))
        };
        let mut p99 = Vec::new();
        let compared = by_turns(
            TURNS,
            || bare::rate(&file(), callers, TURN).expect("the bare loop runs"),
            || {
                let seen = runtime.block_on(operation::rate(&file(), callers, TURN));
                p99.push(seen.p99.as_secs_f64() * 1e3);
                seen.rate
            },
        );
        let detail = format!("{:.0}/s of {:.0}/s, p99 {:.1} ms", compared.ours, compared.floor, median(p99));
        rows.push(Row::at_least(
            format!("/token on SQLite, {callers} callers: rate"),
            compared.percent,
            70.0,
            &detail,
        ));
    }
    rows
}
