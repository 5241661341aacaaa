//! One server: a single one, or the master that Sentinel names. One connection, over which all callers' commands travel.
//!
//! Not the driver's own connection manager: that one tells the caller of a connection that was lost while nobody used it, with
//! the same error as of one that was lost under way.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::sentinel::SentinelClient;
use redis::{AsyncConnectionConfig, Client, PushInfo, PushKind, RedisError, RedisResult};
use tokio::sync::Mutex;

/// How many commands may wait to be written: beyond this callers wait.
const QUEUE: usize = 512;

/// Where a connection comes from.
pub(super) enum Source {
    Server(Box<Client>),
    Sentinel(Box<Mutex<SentinelClient>>),
}

/// A connection, and whether it was seen to end.
#[derive(Clone)]
pub(super) struct Live {
    pub(super) connection: MultiplexedConnection,
    ended: Arc<AtomicBool>,
}

impl Live {
    /// Nothing is sent over it any more: the next caller makes another.
    pub(super) fn abandon(&self) {
        self.ended.store(true, Ordering::Release);
    }

    fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }
}

/// The way to one server.
pub(super) struct Node {
    source: Source,
    connect_timeout: Duration,
    response_timeout: Duration,
    current: RwLock<Option<Live>>,
    /// How the last attempt ended, and how many there were: who waited for one does not make another.
    attempts: Mutex<(u64, Option<RedisError>)>,
    made: std::sync::atomic::AtomicU64,
}

impl Node {
    pub(super) fn new(source: Source, connect_timeout: Duration, response_timeout: Duration) -> Self {
        Self {
            source,
            connect_timeout,
            response_timeout,
            current: RwLock::new(None),
            attempts: Mutex::new((0, None)),
            made: std::sync::atomic::AtomicU64::new(0),
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
        let connection = match &self.source {
            Source::Server(client) => client.get_multiplexed_async_connection_with_config(&config).await?,
            Source::Sentinel(client) => {
                let mut client = client.lock().await;
                let asked = client.get_async_connection_with_config(&config);
                // The driver has no time limit of its own for the sentinels.
                tokio::time::timeout(self.connect_timeout * 2, asked)
                    .await
                    .map_err(|elapsed| std::io::Error::new(std::io::ErrorKind::TimedOut, elapsed))??
            }
        };
        Ok(Live { connection, ended })
    }
}
