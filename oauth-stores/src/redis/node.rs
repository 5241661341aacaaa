//! One server: a single one, or the master that Sentinel names. One connection, over which all callers' commands travel; where replicas are
//! waited for, a second one for what waits, which keeps back all that comes behind it.
//!
//! Not the driver's own connection manager: that one tells the caller of a connection that was lost while nobody used it, with
//! the same error as of one that was lost under way.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::sentinel::SentinelClient;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, Pipeline, PushInfo, PushKind, RedisError, RedisResult,
    Value, cmd,
};
use tokio::sync::Mutex;

/// How many commands may wait to be written: beyond this callers wait.
const QUEUE: usize = 512;

/// Where a connection comes from.
pub(super) enum Source {
    Server(Box<Client>),
    Sentinel(Box<Mutex<SentinelClient>>),
}

/// The connections, and whether one was seen to end.
#[derive(Clone)]
pub(super) struct Live {
    connection: MultiplexedConnection,
    waiting: Option<(MultiplexedConnection, Arc<Rounds>)>,
    ended: Arc<AtomicBool>,
}

/// Waiting for replicas, all callers together: who comes while a wait is under way is served by the next.
struct Rounds {
    /// How many began.
    begun: AtomicU64,
    /// Which ended last, and how.
    last: Mutex<(u64, RedisResult<Vec<Value>>)>,
}

impl Live {
    /// Sends commands. Where they are to be waited for, and were not refused, the answers of what waits follow theirs.
    pub(super) async fn send(
        &self,
        mut commands: Vec<Cmd>,
        wait: Option<&[Cmd; 2]>,
    ) -> RedisResult<Vec<Value>> {
        let waiting = self.waiting.as_ref().zip(wait);
        let mut connection = waiting.map_or(&self.connection, |((connection, _), _)| connection).clone();
        let count = commands.len();
        let mut answers = if count == 1 {
            vec![connection.send_packed_command(&commands.remove(0)).await?]
        } else {
            connection.send_packed_commands(&piped(&commands), 0, count).await?
        };
        let refused = answers.iter().any(|answer| matches!(answer, Value::ServerError(_)));
        if let (Some(((_, rounds), wait)), false) = (waiting, refused) {
            // Over the same connection: no other master's replicas are asked for what this one wrote.
            answers.extend(rounds.wait(connection, wait).await?);
        }
        Ok(answers)
    }

    /// Nothing is sent over it any more: the next caller makes another.
    pub(super) fn abandon(&self) {
        self.ended.store(true, Ordering::Release);
    }

    fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }
}

impl Rounds {
    /// Waits for what was written before this was called.
    async fn wait(&self, mut connection: MultiplexedConnection, wait: &[Cmd; 2]) -> RedisResult<Vec<Value>> {
        let seen = self.begun.load(Ordering::Acquire);
        let mut last = self.last.lock().await;
        // After one that failed nobody begins another: the connection is over, and the next would find it out as slowly.
        if last.0 > seen || last.1.is_err() {
            return last.1.clone();
        }
        let number = self.begun.fetch_add(1, Ordering::AcqRel) + 1;
        let answers = connection.send_packed_commands(&piped(wait), 0, wait.len()).await;
        *last = (number, answers.clone());
        answers
    }
}

impl Default for Rounds {
    fn default() -> Self {
        Self { begun: AtomicU64::new(0), last: Mutex::new((0, Ok(Vec::new()))) }
    }
}

/// What a server calls itself since it was started. Nothing, if it does not tell this user.
async fn run_id(mut connection: MultiplexedConnection) -> RedisResult<String> {
    let info = connection.send_packed_command(cmd("INFO").arg("server")).await?;
    let info: String = redis::from_redis_value(info).unwrap_or_default();
    let id = info.lines().find_map(|line| line.trim().strip_prefix("run_id:"));
    Ok(id.unwrap_or_default().to_owned())
}

fn piped(commands: &[Cmd]) -> Pipeline {
    let mut pipeline = Pipeline::with_capacity(commands.len());
    for command in commands {
        pipeline.add_command(command.clone());
    }
    pipeline
}

/// The way to one server.
pub(super) struct Node {
    source: Source,
    /// Whether replicas are waited for.
    waits: bool,
    connect_timeout: Duration,
    response_timeout: Duration,
    current: RwLock<Option<Live>>,
    /// How the last attempt ended, and how many there were: who waited for one does not make another.
    attempts: Mutex<(u64, Option<RedisError>)>,
    made: AtomicU64,
}

impl Node {
    pub(super) fn new(
        source: Source,
        waits: bool,
        connect_timeout: Duration,
        response_timeout: Duration,
    ) -> Self {
        Self {
            source,
            waits,
            connect_timeout,
            response_timeout,
            current: RwLock::new(None),
            attempts: Mutex::new((0, None)),
            made: AtomicU64::new(0),
        }
    }

    /// A connection that is not known to have ended.
    pub(super) async fn connection(&self) -> RedisResult<Live> {
        if let Some(live) = self.live() {
            return Ok(live);
        }
        let seen = self.made.load(Ordering::Acquire);
        let mut last = self.attempts.lock().await;
        if let Some(live) = self.live() {
            return Ok(live);
        }
        if last.0 > seen
            && let Some(error) = &last.1
        {
            return Err(error.clone());
        }
        let made = self.connect().await;
        last.0 += 1;
        last.1 = made.as_ref().err().cloned();
        self.made.store(last.0, Ordering::Release);
        let live = made?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(live.clone());
        Ok(live)
    }

    fn live(&self) -> Option<Live> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.as_ref().filter(|live| !live.has_ended()).cloned()
    }

    async fn connect(&self) -> RedisResult<Live> {
        let ended = Arc::new(AtomicBool::new(false));
        let flag = ended.clone();
        let watch = move |push: PushInfo| -> Result<(), std::convert::Infallible> {
            if push.kind == PushKind::Disconnection {
                flag.store(true, Ordering::Release);
            }
            Ok(())
        };
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.connect_timeout))
            .set_response_timeout(Some(self.response_timeout))
            .set_pipeline_buffer_size(QUEUE)
            .set_push_sender(watch);
        let connection = self.connect_once(&config).await?;
        let waiting = if self.waits {
            let waiting = self.connect_once(&config).await?;
            // At a failover the name leads to another server from one moment to the next: what the one wrote the other may never read.
            if run_id(connection.clone()).await? != run_id(waiting.clone()).await? {
                return Err((ErrorKind::Io, "two connections led to two servers").into());
            }
            Some((waiting, Arc::default()))
        } else {
            None
        };
        Ok(Live { connection, waiting, ended })
    }

    async fn connect_once(&self, config: &AsyncConnectionConfig) -> RedisResult<MultiplexedConnection> {
        match &self.source {
            Source::Server(client) => client.get_multiplexed_async_connection_with_config(config).await,
            Source::Sentinel(client) => {
                let mut client = client.lock().await;
                let asked = client.get_async_connection_with_config(config);
                // The driver has no time limit of its own for the sentinels.
                tokio::time::timeout(self.connect_timeout * 2, asked)
                    .await
                    .map_err(|elapsed| std::io::Error::new(std::io::ErrorKind::TimedOut, elapsed))?
            }
        }
    }
}
