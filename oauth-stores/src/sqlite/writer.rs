//! The one writer: a thread that takes what has queued up into one transaction, and answers after the commit.
//!
//! 1. It waits for a job and takes all that wait behind it, up to [`BATCH`]. A lone caller is not delayed; where several were
//!    answered together just now, it gives them [`PATIENCE`] to come back together, else one goes alone and the others wait for
//!    its `fsync`.
//! 2. Each job runs in a savepoint of its own: one that fails takes back only what it wrote.
//! 3. One commit, one `fsync`, for all. Then, and only then, each caller hears what came of it.
//! 4. A file that was removed or replaced meanwhile is an outage: what was written to it would be found by nobody.
//! 5. If the commit fails, every job of the batch is [`StoreError::Unavailable`].

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use oauth_core::StoreError;
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::sqlite::fault::{BatchFault, Fault};
use crate::sqlite::open::Place;

/// How many jobs go into one transaction at most: beyond this the `fsync` is no longer what costs.
pub(super) const BATCH: usize = 256;

/// How many jobs may wait. Who comes when it is full is told at once: 503 is better than a minute of silence.
pub(super) const QUEUE: usize = 1024;

/// How long a batch waits to become as large as the one before: some fraction of an `fsync`.
const PATIENCE: Duration = Duration::from_micros(60);

/// What a job's answer promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Durability {
    /// What was answered outlives a power failure.
    Full,
    /// It outlives the process; a power failure may undo it, if nothing durable was written after it.
    Process,
}

/// The writer's thread and the way to it. Dropping it ends the thread, after what is queued.
pub(super) struct Writer {
    queue: Option<SyncSender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// A writer over a connection that is its alone.
    pub(super) fn start(connection: Connection, place: Option<Place>) -> io::Result<Self> {
        let (queue, jobs) = sync_channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("oauth-sqlite".into())
            .spawn(move || serve(&connection, place.as_ref(), &jobs))?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Runs `work` in a transaction. It runs even if nobody waits for it any more.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        durability: Durability,
        work: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let task = Task { durability, work: Some(work), done: None, reply };
        let stopped = || StoreError::unavailable("the writer has stopped");
        self.queue.as_ref().ok_or_else(stopped)?.try_send(Box::new(task)).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::unavailable("too many writes are waiting"),
            TrySendError::Disconnected(_) => stopped(),
        })?;
        answer.await.map_err(|_| stopped())?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // A panic was told to those who waited.
            let _ = thread.join();
        }
    }
}

/// Something to do in the writer's transaction, whatever it yields.
trait Job: Send {
    fn durability(&self) -> Durability;
    /// Whether what it wrote is to be kept.
    fn run(&mut self, connection: &Connection) -> bool;
    /// Tells the caller; a `fault` is the whole batch's.
    fn answer(self: Box<Self>, fault: Option<BatchFault>);
}

struct Task<T, F> {
    durability: Durability,
    work: Option<F>,
    done: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T: Send, F: FnOnce(&Connection) -> Result<T, Fault> + Send> Job for Task<T, F> {
    fn durability(&self) -> Durability {
        self.durability
    }

    fn run(&mut self, connection: &Connection) -> bool {
        let Some(work) = self.work.take() else { return false };
        // One caller's bug must not end the store for all. Nothing of what the job touched is used again: it is rolled back.
        let done = catch_unwind(AssertUnwindSafe(|| work(connection)))
            .unwrap_or_else(|_| Err(Fault::unavailable("a write panicked")))
            .map_err(StoreError::from);
        self.done.insert(done).is_ok()
    }

    fn answer(self: Box<Self>, fault: Option<BatchFault>) {
        let answer = match (self.done, fault) {
            // Its own outage says more than that of the batch which it took along.
            (Some(Err(error @ StoreError::Unavailable(_))), _) => Err(error),
            (_, Some(fault)) => Err(StoreError::unavailable(fault)),
            (Some(done), None) => done,
            (None, None) => Err(StoreError::unavailable("a write was not run")),
        };
        // Who does not wait any more need not be told.
        let _ = self.reply.send(answer);
    }
}

fn serve(connection: &Connection, place: Option<&Place>, jobs: &Receiver<Box<dyn Job>>) {
    let (mut durability, mut expected) = (Durability::Full, 1);
    while let Ok(first) = jobs.recv() {
        let mut batch = gather(first, jobs, expected);
        expected = batch.len();
        // What is written to a file without a name is gone with this process: nobody is told that it is kept.
        let is_there = place.is_none_or(Place::is_there);
        let done = if is_there { transact(connection, &mut batch, &mut durability) } else { Err(gone()) };
        let fault = done.err().map(|error| {
            tracing::error!(%error, jobs = batch.len(), "a transaction failed");
            if !connection.is_autocommit() {
                // If this fails too, the next transaction begins with it.
                let _ = connection.execute_batch("ROLLBACK");
            }
            BatchFault(Arc::new(error))
        });
        for job in batch {
            job.answer(fault.clone());
        }
    }
}

fn gather(first: Box<dyn Job>, jobs: &Receiver<Box<dyn Job>>, expected: usize) -> Vec<Box<dyn Job>> {
    let mut batch = vec![first];
    batch.extend(jobs.try_iter().take(BATCH - 1));
    if batch.len() < expected {
        let deadline = Instant::now() + PATIENCE;
        while batch.len() < expected && Instant::now() < deadline {
            // The callers may need this very core to come back on.
            std::thread::yield_now();
            batch.extend(jobs.try_iter().take(BATCH - batch.len()));
        }
    }
    batch
}

fn transact(
    connection: &Connection,
    batch: &mut [Box<dyn Job>],
    set: &mut Durability,
) -> rusqlite::Result<()> {
    let execute = |sql| connection.prepare_cached(sql)?.execute([]).map(drop);
    if !connection.is_autocommit() {
        execute("ROLLBACK")?;
    }
    let full = batch.iter().any(|job| job.durability() == Durability::Full);
    set_durability(connection, if full { Durability::Full } else { Durability::Process }, set)?;
    execute("BEGIN IMMEDIATE")?;
    // The transaction itself is a lone job's savepoint.
    let alone = batch.len() == 1;
    for job in batch {
        if !alone {
            execute("SAVEPOINT job")?;
        }
        let keep = job.run(connection);
        if connection.is_autocommit() {
            // After some faults (a full disk, say) the engine takes back the whole transaction, and with it earlier jobs.
            return Err(rolled_back());
        }
        match (keep, alone) {
            (true, true) => {}
            (false, true) => return execute("ROLLBACK"),
            (true, false) => execute("RELEASE job")?,
            (false, false) => {
                execute("ROLLBACK TO job")?;
                execute("RELEASE job")?;
            }
        }
    }
    execute("COMMIT")
}

/// Only between transactions, and while it is parsed: this pragma is no statement to be cached.
fn set_durability(connection: &Connection, wanted: Durability, set: &mut Durability) -> rusqlite::Result<()> {
    if wanted != *set {
        connection.execute_batch(match wanted {
            Durability::Full => "PRAGMA synchronous = FULL",
            Durability::Process => "PRAGMA synchronous = NORMAL",
        })?;
        *set = wanted;
    }
    Ok(())
}

fn gone() -> rusqlite::Error {
    let failure = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR);
    let why = "the database's file was removed or replaced while it was open: put it back, or restart with the one that is there";
    rusqlite::Error::SqliteFailure(failure, Some(why.into()))
}

fn rolled_back() -> rusqlite::Error {
    let failure = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_ABORT_ROLLBACK);
    rusqlite::Error::SqliteFailure(failure, Some("another job of the batch made the engine roll back".into()))
}
