//! A wire that can be cut: a TCP proxy on loopback whose conduct a test changes while it runs.
//!
//! It knows no protocol. What one side sends at once arrives here at once, or nearly so: on an idle connection a piece towards the server is
//! a request, a piece towards the client an answer.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often a thread that waits for bytes looks whether it should end.
const LOOK: Duration = Duration::from_millis(20);

/// Between the two halves of a piece: enough that they are read apart.
const BETWEEN_HALVES: Duration = Duration::from_millis(1);

/// What a [`Proxy`] does with what it is given.
///
/// ```
/// use oauth_stores::testing::Conduct;
/// assert_eq!(Conduct::default(), Conduct::Pass);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Conduct {
    /// Passes it on.
    #[default]
    Pass,
    /// Passes it on later.
    Delay(Duration),
    /// Passes it on in two halves, apart from each other.
    Halve,
    /// Cuts the connection when a request comes: the server never sees it.
    CutRequest,
    /// Passes the request on, and cuts the connection when its answer comes: the server did it, and nobody hears of it.
    CutReply,
    /// Passes half of it on, and cuts the connection.
    CutInHalf,
    /// Cuts every connection, and takes no new one.
    Refuse,
    /// Swallows it. The connection stays.
    Swallow,
}

/// A proxy before one server. Dropping it cuts all connections.
///
/// ```
/// use std::io::{Read as _, Write as _};
/// use std::net::{TcpListener, TcpStream};
/// use oauth_stores::testing::{Conduct, Proxy};
///
/// // A server that answers one line with another.
/// let server = TcpListener::bind("127.0.0.1:0")?;
/// let address = server.local_addr()?;
/// std::thread::spawn(move || {
///     for connection in server.incoming() {
///         let mut connection = connection.unwrap();
///         let mut line = [0; 5];
///         let _ = connection.read_exact(&mut line).and_then(|()| connection.write_all(b"pong\n"));
///     }
/// });
///
/// let proxy = Proxy::start(address)?;
/// let ask = || {
///     let mut client = TcpStream::connect(proxy.address())?;
///     client.write_all(b"ping\n")?;
///     let mut answer = String::new();
///     client.read_to_string(&mut answer).map(|_| answer)
/// };
/// assert_eq!(ask()?, "pong\n");
/// proxy.set(Conduct::CutReply);
/// assert!(!ask().is_ok_and(|answer| answer == "pong\n"));
/// assert_eq!(proxy.cuts(), 1);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    target: Mutex<SocketAddr>,
    plan: Mutex<Plan>,
    ended: AtomicBool,
    pieces: AtomicU64,
    cuts: AtomicU64,
}

#[derive(Clone, Copy, Debug)]
struct Plan {
    conduct: Conduct,
    /// It befalls one piece in so many.
    one_in: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    ToServer,
    ToClient,
}

impl Proxy {
    /// A proxy before the server at `target`, on a free port of loopback. It passes everything on until it is told otherwise.
    ///
    /// # Errors
    /// [`io::Error`] if there is no port.
    pub fn start(target: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            target: Mutex::new(target),
            plan: Mutex::new(Plan { conduct: Conduct::Pass, one_in: 1 }),
            ended: AtomicBool::new(false),
            pieces: AtomicU64::new(0),
            cuts: AtomicU64::new(0),
        });
        let accepting = shared.clone();
        std::thread::Builder::new().name("proxy".into()).spawn(move || accept(&listener, &accepting))?;
        Ok(Self { address, shared })
    }

    /// Where clients connect.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What to do from now on, on connections that are open, too.
    pub fn set(&self, conduct: Conduct) {
        self.set_for_one_in(1, conduct);
    }

    /// What to do from now on with one piece in `count`; the others pass.
    pub fn set_for_one_in(&self, count: u64, conduct: Conduct) {
        *self.shared.plan() = Plan { conduct, one_in: count.max(1) };
    }

    /// Leads new connections to another server from now on: an address that moves, as one does at a failover.
    pub fn lead_to(&self, target: SocketAddr) {
        *self.shared.target.lock().unwrap_or_else(PoisonError::into_inner) = target;
    }

    /// How many connections were cut so far.
    #[must_use]
    pub fn cuts(&self) -> u64 {
        self.shared.cuts.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
    }
}

impl Shared {
    fn target(&self) -> SocketAddr {
        *self.target.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether everything is to be cut.
    fn is_closed(&self) -> bool {
        self.ended.load(Ordering::SeqCst) || self.plan().conduct == Conduct::Refuse
    }

    /// What befalls the next piece.
    fn next(&self, direction: Direction) -> Conduct {
        let Plan { conduct, one_in } = *self.plan();
        let concerns = match conduct {
            Conduct::CutRequest => direction == Direction::ToServer,
            Conduct::CutReply => direction == Direction::ToClient,
            _ => true,
        };
        if !concerns {
            return Conduct::Pass;
        }
        let count = self.pieces.fetch_add(1, Ordering::SeqCst) + 1;
        if count.is_multiple_of(one_in) { conduct } else { Conduct::Pass }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    while !shared.ended.load(Ordering::SeqCst) {
        match listener.accept() {
            // Closed at once: as near to a refusal as one can come without giving the port away.
            Ok((client, _)) if shared.is_closed() => drop(client),
            Ok((client, _)) => {
                let _ = join(client, shared);
            }
            Err(_) => std::thread::sleep(LOOK / 10),
        }
    }
}

/// Joins a client to the server, by a thread for each direction.
fn join(client: TcpStream, shared: &Arc<Shared>) -> io::Result<()> {
    let server = TcpStream::connect(shared.target())?;
    for stream in [&client, &server] {
        // On some systems the listener's mode is inherited.
        stream.set_nonblocking(false)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LOOK))?;
    }
    let (client_too, server_too) = (client.try_clone()?, server.try_clone()?);
    for (from, to, direction) in
        [(client, server, Direction::ToServer), (server_too, client_too, Direction::ToClient)]
    {
        let shared = shared.clone();
        std::thread::Builder::new().name("proxy-pump".into()).spawn(move || {
            pump(&from, &to, direction, &shared);
            for stream in [from, to] {
                let _ = stream.shutdown(Shutdown::Both);
            }
        })?;
    }
    Ok(())
}

/// Moves bytes until one side ends, or the connection is to be cut.
fn pump(mut from: &TcpStream, mut to: &TcpStream, direction: Direction, shared: &Shared) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let piece = match from.read(&mut buffer) {
            Ok(0) => return,
            Ok(length) => &buffer[..length],
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                if shared.is_closed() {
                    return;
                }
                continue;
            }
            Err(_) => return,
        };
        let (first, second) = piece.split_at(piece.len() / 2);
        let conduct = shared.next(direction);
        let passed = match conduct {
            Conduct::Pass => to.write_all(piece),
            Conduct::Delay(time) => {
                std::thread::sleep(time);
                to.write_all(piece)
            }
            Conduct::Halve => to.write_all(first).and_then(|()| {
                std::thread::sleep(BETWEEN_HALVES);
                to.write_all(second)
            }),
            Conduct::CutInHalf => {
                shared.cuts.fetch_add(1, Ordering::SeqCst);
                let _ = to.write_all(first);
                return;
            }
            Conduct::CutRequest | Conduct::CutReply | Conduct::Refuse => {
                shared.cuts.fetch_add(1, Ordering::SeqCst);
                return;
            }
            Conduct::Swallow => Ok(()),
        };
        if passed.is_err() {
            return;
        }
    }
}
