//! Stands between Kuryr and its cloud, knows every call, and does one of them wrong.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use kuryr_neutron::PortId;
use serde_json::Value;

use super::call::{self, Call};
use super::fault::Fault;
use crate::wire::{Message, Wire};
use crate::{run_in, until_within};

/// How much later a slow answer comes.
const SLOWNESS: Duration = Duration::from_millis(1200);
/// Longest that a connection whose call hangs is kept.
const HANG: Duration = Duration::from_secs(30);

/// Ends Kuryr without a word.
type Kill = Box<dyn Fn() + Send>;

/// Where calls go whose path begins so; that much of it is not told there.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// Beginning of a path.
    pub prefix: &'static str,
    /// An address.
    pub upstream: &'static str,
}

/// A running proxy; it ends with the test's process.
pub struct Proxy {
    shared: Arc<Shared>,
    address: SocketAddr,
    killed: Receiver<()>,
}

struct Shared {
    namespace: File,
    routes: Vec<Route>,
    state: Mutex<State>,
    /// Told when Kuryr has been ended.
    kills: Mutex<Sender<()>>,
}

#[derive(Default)]
struct State {
    /// The calls since it was last asked, with the ids of their requests.
    calls: Vec<(String, Call)>,
    /// So many of them have no answer yet.
    under_way: usize,
    /// All ports that the cloud has made by way of this proxy.
    made: BTreeSet<PortId>,
    target: Option<Target>,
}

struct Target {
    call: Call,
    fault: Fault,
    kill: Option<Kill>,
    hit: bool,
}

impl Proxy {
    /// Listens in this network namespace, and hands on to the cloud there.
    pub fn start(namespace: File, listen: &str, routes: &[Route]) -> Result<Self> {
        let listener = run_in(&namespace, || TcpListener::bind(listen).context("the proxy cannot listen"))?;
        let address = listener.local_addr()?;
        let (kills, killed) = channel();
        let (routes, state) = (routes.to_vec(), Mutex::default());
        let shared = Arc::new(Shared { namespace, routes, state, kills: Mutex::new(kills) });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&accepting);
                std::thread::spawn(move || drop(run_in(&shared.namespace, || shared.serve(stream))));
            }
        });
        Ok(Self { shared, address, killed })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The ports that were made by way of it, those that are gone among them.
    pub fn made(&self) -> BTreeSet<PortId> {
        self.shared.state().made.clone()
    }

    /// From now on calls are counted anew, and this one goes wrong.
    pub fn arm(&self, call: &Call, fault: Fault, kill: Option<Kill>) {
        let mut state = self.shared.state();
        state.calls.clear();
        while self.killed.try_recv().is_ok() {}
        state.target = Some(Target { call: call.clone(), fault, kill, hit: false });
    }

    /// All goes well again. Whether the call came.
    pub fn disarm(&self) -> bool {
        self.shared.state().target.take().is_some_and(|target| target.hit)
    }

    /// Waits for the call to come.
    pub fn await_hit(&self, limit: Duration) -> Result<()> {
        until_within(limit, "the call", || {
            ensure!(self.shared.state().target.as_ref().is_some_and(|target| target.hit), "it did not come");
            Ok(())
        })
    }

    /// Whether Kuryr was ended since this was last asked.
    pub fn has_killed(&self) -> bool {
        self.killed.try_recv().is_ok()
    }

    /// From now on calls are counted anew.
    pub fn forget(&self) {
        self.shared.state().calls.clear();
    }

    /// The calls since then, once none has been under way for this long.
    pub fn calls(&self, quiet: Duration) -> Vec<Call> {
        let (mut known, mut since) = (0, Instant::now());
        loop {
            let state = self.shared.state();
            let (calls, is_busy) = (state.calls.len(), state.under_way > 0);
            drop(state);
            if is_busy || calls != known {
                (known, since) = (calls, Instant::now());
            } else if since.elapsed() >= quiet {
                return self.shared.state().calls.iter().map(|(_, call)| call.clone()).collect();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, downstream: TcpStream) -> Result<()> {
        downstream.set_nodelay(true)?;
        let mut reader = BufReader::new(downstream.try_clone()?);
        let mut writer = downstream;
        while let Some(request) = Message::read(&mut reader)? {
            let Some((fault, kill)) = self.fault_of(&request) else {
                self.ask(&request)?.write(&mut writer)?;
                continue;
            };
            if let Some(answer) = fault.answer(&request) {
                answer.write(&mut writer)?;
                continue;
            }
            match fault {
                Fault::Slow => {
                    std::thread::sleep(SLOWNESS);
                    self.ask(&request)?.write(&mut writer)?;
                    continue;
                }
                Fault::TimeOut => {
                    writer.set_read_timeout(Some(HANG))?;
                    // Ends when the client has had enough.
                    let _ = writer.read(&mut [0]);
                }
                Fault::Reset => rustix::net::sockopt::set_socket_linger(&writer, Some(Duration::ZERO))?,
                Fault::AnswerLost | Fault::KillAfter => drop(self.ask(&request)?),
                _ => {}
            }
            if let Some(kill) = kill {
                kill();
                let kills = self.kills.lock().unwrap_or_else(PoisonError::into_inner);
                let _ = kills.send(());
            }
            return Ok(());
        }
        Ok(())
    }

    /// Hands a call on, and waits for its answer.
    fn ask(&self, request: &Message) -> Result<Message> {
        let is_waited_for = !(call::is_behind(request) && request.first.starts_with("GET "));
        self.state().under_way += usize::from(is_waited_for);
        let answer = self.hand_on(request);
        let mut state = self.state();
        state.under_way -= usize::from(is_waited_for);
        if let Ok(answer) = &answer
            && request.first.starts_with("POST ")
        {
            state.made.extend(ports_in(&answer.body));
        }
        answer
    }

    fn hand_on(&self, request: &Message) -> Result<Message> {
        let mut request = request.clone();
        let path = request.path().to_owned();
        let route = self.routes.iter().find(|route| path.starts_with(route.prefix)).context("leads nowhere")?;
        request.first = request.first.replacen(&path, &path[route.prefix.len()..], 1);
        request.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("connection"));
        request.headers.push(("Connection".to_owned(), "close".to_owned()));
        let mut answer = Wire::new(TcpStream::connect(route.upstream)?).ask(&request)?;
        answer.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("connection"));
        Ok(answer)
    }

    /// Remembers the call; what is to go wrong with it, if anything.
    fn fault_of(&self, request: &Message) -> Option<(Fault, Option<Kill>)> {
        let behind = call::is_behind(request);
        if behind && request.first.starts_with("GET ") {
            // The comparison looks around, whatever happens.
            return None;
        }
        let id = request.header("x-openstack-request-id").unwrap_or_default().to_owned();
        let mut state = self.state();
        let known = state.calls.iter().find(|(known, _)| *known == id).map(|(_, call)| call.clone());
        let call = known.unwrap_or_else(|| {
            let name = call::name(request);
            let same = |(_, other): &&(String, Call)| other.name == name;
            let occurrence = state.calls.iter().filter(same).count();
            let call = Call { name, occurrence, behind };
            state.calls.push((id, call.clone()));
            call
        });
        // What is written behind is written at once if somebody needs it.
        let is_it = |other: &Call| other.name == call.name && other.occurrence == call.occurrence;
        let target = state.target.as_mut().filter(|target| is_it(&target.call))?;
        // A process dies once.
        if target.hit && target.fault.is_kill() {
            return None;
        }
        target.hit = true;
        Some((target.fault, target.kill.take()))
    }
}

/// Ids of the ports that an answer tells of.
fn ports_in(body: &[u8]) -> Vec<PortId> {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let several = body["ports"].as_array().into_iter().flatten();
    several.chain(body.get("port")).filter_map(|port| port["id"].as_str()?.parse().ok()).collect()
}
