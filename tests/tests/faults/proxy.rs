//! Stands between Kuryr and its cloud, knows every call, and does one of them wrong.

use std::fs::File;
use std::io::{BufReader, Read};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use kuryr_tests::wire::{Message, Wire};
use kuryr_tests::{run_in, until_within};

use crate::call::{self, Call};
use crate::fault::Fault;

/// How much later a slow answer comes.
const SLOWNESS: Duration = Duration::from_millis(1200);
/// Longest that a connection whose call hangs is kept.
const HANG: Duration = Duration::from_secs(30);

/// Ends Kuryr without a word.
type Kill = Box<dyn Fn() + Send>;

/// A running proxy; it ends with the test's process.
pub struct Proxy {
    shared: Arc<Shared>,
    killed: Receiver<()>,
}

struct Shared {
    namespace: File,
    upstream: String,
    state: Mutex<State>,
    /// Told when Kuryr has been ended.
    kills: Mutex<Sender<()>>,
}

#[derive(Default)]
struct State {
    /// The calls since it was last asked, with the ids of their requests.
    calls: Vec<(String, Call)>,
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
    pub fn start(namespace: File, listen: &str, upstream: &str) -> Result<Self> {
        let listener = run_in(&namespace, || TcpListener::bind(listen).context("the proxy cannot listen"))?;
        let (kills, killed) = channel();
        let (upstream, state) = (upstream.to_owned(), Mutex::default());
        let shared = Arc::new(Shared { namespace, upstream, state, kills: Mutex::new(kills) });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&accepting);
                std::thread::spawn(move || drop(run_in(&shared.namespace, || shared.serve(stream))));
            }
        });
        Ok(Self { shared, killed })
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

    /// The calls since then, once there have been none for this long.
    pub fn calls(&self, quiet: Duration) -> Vec<Call> {
        let (mut known, mut since) = (0, Instant::now());
        loop {
            let calls = self.shared.state().calls.len();
            if calls != known {
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

    fn ask(&self, request: &Message) -> Result<Message> {
        let mut request = request.clone();
        request.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("connection"));
        request.headers.push(("Connection".to_owned(), "close".to_owned()));
        let mut answer = Wire::new(TcpStream::connect(&self.upstream)?).ask(&request)?;
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
