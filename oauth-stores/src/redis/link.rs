//! The way to the server or the cluster: commands go there by their key, and are asked again where that is safe
//! ([`retry`](super::retry)).

use std::time::Duration;

use futures::future::try_join_all;
use oauth_core::StoreError;
use redis::cluster_routing::SingleNodeRoutingInfo;
use redis::{Cmd, FromRedisValue, RedisError, RedisResult, Value, cmd};
use tokio::time::Instant;

use crate::redis::cluster::Cluster;
use crate::redis::names::Names;
use crate::redis::node::Node;
use crate::redis::retry::{Again, judge, judge_waiting};
use crate::redis::script::{Call, MARK};
use crate::redis::slot::{master_of, neighbour};

const FIRST_PAUSE: Duration = Duration::from_millis(4);
const LONGEST_PAUSE: Duration = Duration::from_millis(128);

/// For how long a mark is there: as long as any key at least. There is one for each slot at most.
const MARK_LIFE: Duration = super::life::MARGIN;

/// Where commands go.
pub(super) enum To {
    Node(Box<Node>),
    Cluster(Box<Cluster>),
}

/// How many replicas must have a write before it is answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Replicas {
    pub(super) count: u32,
    pub(super) timeout: Duration,
}

/// A write that fewer replicas have than were asked for. It stays.
#[derive(Debug, thiserror::Error)]
#[error(
    "{acknowledged} of {wanted} replicas have acknowledged the write in time: it was made, and may be lost at a failover"
)]
struct TooFewReplicas {
    acknowledged: i64,
    wanted: u32,
}

/// One master.
#[derive(Clone, Debug)]
pub(super) enum Place {
    Here,
    At(String, u16),
}

impl Place {
    fn route(&self) -> SingleNodeRoutingInfo {
        match self {
            Self::Here => SingleNodeRoutingInfo::Random,
            Self::At(host, port) => SingleNodeRoutingInfo::ByAddress { host: host.clone(), port: *port },
        }
    }
}

/// The way there.
pub(super) struct Link {
    pub(super) to: To,
    /// For how long what did not run is asked again.
    pub(super) retry_time: Duration,
    pub(super) replicas: Option<Replicas>,
    /// What marks are called.
    pub(super) names: Names,
}

impl Link {
    /// Runs a script that writes what was promised: replicas are waited for, if that is configured.
    pub(super) async fn write<T: FromRedisValue>(&self, key: &str, call: &Call<'_>) -> Result<T, StoreError> {
        self.run(key, |whole| call.command(whole), true).await
    }

    /// Runs a script whose loss would not matter.
    pub(super) async fn write_lightly<T: FromRedisValue>(
        &self,
        key: &str,
        call: &Call<'_>,
    ) -> Result<T, StoreError> {
        self.run(key, |whole| call.command(whole), false).await
    }

    /// Runs one command that writes what was promised.
    pub(super) async fn set<T: FromRedisValue>(&self, key: &str, command: &Cmd) -> Result<T, StoreError> {
        self.run(key, |_| command.clone(), true).await
    }

    /// Runs one command that writes something whose loss would not matter.
    pub(super) async fn set_lightly<T: FromRedisValue>(
        &self,
        key: &str,
        command: &Cmd,
    ) -> Result<T, StoreError> {
        self.run(key, |_| command.clone(), false).await
    }

    /// Runs commands that only read, all about keys of one slot.
    pub(super) async fn read(&self, key: &str, commands: &[Cmd]) -> Result<Vec<Value>, StoreError> {
        let route = master_of(key);
        let ask = async |commands: &[Cmd]| {
            let make = |_| commands.to_vec();
            self.ask(&make, None, &route, true).await.map_err(StoreError::unavailable)
        };
        match &self.to {
            To::Node(_) => ask(commands).await,
            // Each by itself. While a slot is being moved, one key is there already and another still here; a node that is asked for one that it
            // does not have yet says that there is none. Only who was sent there for that very key may believe it.
            To::Cluster(_) => {
                let asked = commands.iter().map(|command| ask(std::slice::from_ref(command)));
                Ok(try_join_all(asked).await?.into_iter().flatten().collect())
            }
        }
    }

    /// Runs one command that only reads.
    pub(super) async fn get<T: FromRedisValue>(&self, key: &str, command: Cmd) -> Result<T, StoreError> {
        one(self.read(key, &[command]).await?)
    }

    /// Runs a script that only reads.
    pub(super) async fn look<T: FromRedisValue>(&self, key: &str, call: &Call<'_>) -> Result<T, StoreError> {
        let make = |whole| vec![call.command(whole)];
        one(self.ask(&make, None, &master_of(key), true).await.map_err(StoreError::unavailable)?)
    }

    /// The masters.
    pub(super) async fn masters(&self) -> Result<Vec<Place>, StoreError> {
        if matches!(self.to, To::Node(_)) {
            return Ok(vec![Place::Here]);
        }
        let make = |_| vec![cmd("CLUSTER").arg("SLOTS").to_owned()];
        let slots = self
            .ask(&make, None, &SingleNodeRoutingInfo::RandomPrimary, true)
            .await
            .map_err(StoreError::unavailable)?;
        let mut masters: Vec<(String, u16)> = Vec::new();
        for range in one::<Vec<Vec<Value>>>(slots)? {
            let master = range.into_iter().nth(2).and_then(|master| match master {
                Value::Array(about) => {
                    let mut about = about.into_iter();
                    Some((text(about.next()?)?, redis::from_redis_value(about.next()?).ok()?))
                }
                _ => None,
            });
            let master = master
                .filter(|(host, _)| !host.is_empty())
                .ok_or_else(|| StoreError::unavailable("a node of the cluster does not know its address"))?;
            if !masters.contains(&master) {
                masters.push(master);
            }
        }
        Ok(masters.into_iter().map(|(host, port)| Place::At(host, port)).collect())
    }

    /// Runs one command that only reads, at one master.
    pub(super) async fn at<T: FromRedisValue>(&self, place: &Place, command: &Cmd) -> Result<T, StoreError> {
        let make = |_| vec![command.clone()];
        one(self.ask(&make, None, &place.route(), true).await.map_err(StoreError::unavailable)?)
    }

    /// Runs a script that only reads, at one master.
    pub(super) async fn look_at<T: FromRedisValue>(
        &self,
        place: &Place,
        call: &Call<'_>,
    ) -> Result<T, StoreError> {
        let make = |whole| vec![call.command(whole)];
        one(self.ask(&make, None, &place.route(), true).await.map_err(StoreError::unavailable)?)
    }

    async fn run<T: FromRedisValue>(
        &self,
        key: &str,
        command: impl Fn(bool) -> Cmd + Sync,
        durable: bool,
    ) -> Result<T, StoreError> {
        let replicas = self.replicas.filter(|_| durable);
        let wait = replicas.map(|Replicas { count, timeout }| {
            // It asks for what was written before the last write of its connection. What is repeated after a lost answer may write
            // nothing: without a mark, nothing would be waited for.
            let mark = self.names.mark(neighbour(key));
            let mark = MARK.call([]).text(mark).number(super::life::millis(MARK_LIFE)).command(true);
            [mark, cmd("WAIT").arg(count).arg(super::life::millis(timeout).max(1)).to_owned()]
        });
        let make = |whole| vec![command(whole)];
        let answers = self.ask(&make, wait.as_ref(), &master_of(key), false).await;
        let mut answers = answers.map_err(StoreError::unavailable)?.into_iter();
        let answer = answers.next().unwrap_or_default();
        if let Some(Replicas { count, .. }) = replicas {
            // A mark that is refused, while its slot is being moved, leaves what the write itself makes `WAIT` ask for.
            let acknowledged = answers.nth(1).unwrap_or_default().extract_error();
            let acknowledged = acknowledged.map_err(StoreError::unavailable)?;
            let acknowledged: i64 = redis::from_redis_value(acknowledged).unwrap_or_default();
            if acknowledged < i64::from(count) {
                return Err(StoreError::unavailable(TooFewReplicas { acknowledged, wanted: count }));
            }
        }
        read(answer)
    }

    /// Sends commands until the first of them was answered by other than a refusal, and what waits for replicas.
    async fn ask(
        &self,
        make: &(impl Fn(bool) -> Vec<Cmd> + Sync),
        wait: Option<&[Cmd; 2]>,
        route: &SingleNodeRoutingInfo,
        only_reads: bool,
    ) -> RedisResult<Vec<Value>> {
        let deadline = Instant::now() + self.retry_time;
        let (mut pause, mut whole, mut lost, mut there) = (FIRST_PAUSE, false, false, None);
        loop {
            let asked = there.take();
            let to = asked.as_ref().unwrap_or(route);
            let (error, again) = match self.send(make(whole), wait, to, asked.is_some()).await {
                Ok(mut answers) => match refused(&mut answers, only_reads) {
                    None => return Ok(answers),
                    Some(error) => {
                        let again = judge(&error);
                        (error, again)
                    }
                },
                // A read whose answer was lost, but for one that took too long: once more.
                Err(error) if only_reads && !lost && error.is_connection_dropped() => {
                    lost = true;
                    continue;
                }
                Err(error) => {
                    let is_one_of_several = wait.is_some() && matches!(self.to, To::Cluster(_));
                    let again = if is_one_of_several { judge_waiting(&error) } else { judge(&error) };
                    (error, again)
                }
            };
            match again {
                Again::No => return Err(error),
                Again::WithText if whole => return Err(error),
                Again::WithText => {
                    whole = true;
                    continue;
                }
                Again::There(host, port) => {
                    there = Some(SingleNodeRoutingInfo::ByAddress { host, port });
                }
                Again::Soon => {}
            }
            if Instant::now() + pause > deadline {
                return Err(error);
            }
            if there.is_none() {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }

    /// Sends commands once. Where they write what replicas are waited for, the answers to that follow theirs.
    async fn send(
        &self,
        commands: Vec<Cmd>,
        wait: Option<&[Cmd; 2]>,
        route: &SingleNodeRoutingInfo,
        asking: bool,
    ) -> RedisResult<Vec<Value>> {
        match &self.to {
            To::Node(node) => {
                let live = node.connection().await?;
                let answers = live.send(commands, wait).await;
                match &answers {
                    // Lost, or too slow: whoever comes next gets another connection.
                    Err(_) => live.abandon(),
                    // It was a master once. The name, or Sentinel, leads to the one that is.
                    Ok(answers) if answers.iter().any(is_read_only) => live.abandon(),
                    Ok(_) => {}
                }
                answers
            }
            To::Cluster(cluster) => cluster.send(commands, wait, route, asking).await,
        }
    }
}

fn is_read_only(answer: &Value) -> bool {
    matches!(answer, Value::ServerError(error) if error.code() == "READONLY")
}

/// The error that the first answer is; of reads, that any is.
fn refused(answers: &mut [Value], only_reads: bool) -> Option<RedisError> {
    let looked_at = if only_reads { answers.len() } else { 1 };
    answers.iter_mut().take(looked_at).find_map(|answer| match answer {
        Value::ServerError(_) => std::mem::take(answer).extract_error().err(),
        _ => None,
    })
}

/// What an answer means.
pub(super) fn read<T: FromRedisValue>(answer: Value) -> Result<T, StoreError> {
    let answer = answer.extract_error().map_err(StoreError::unavailable)?;
    redis::from_redis_value(answer).map_err(|error| StoreError::corrupt(error.to_string()))
}

fn one<T: FromRedisValue>(answers: Vec<Value>) -> Result<T, StoreError> {
    read(answers.into_iter().next().unwrap_or_default())
}

fn text(value: Value) -> Option<String> {
    redis::from_redis_value(value).ok()
}
