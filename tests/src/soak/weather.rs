//! Bad weather between Kuryr and its cloud: a proxy that does some of the calls wrong, whichever they are.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;

use crate::dice::Dice;
use crate::wire::{Message, Wire};
use crate::world::{enter, run_in};

/// What can become of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Refused with this status.
    Status(u16),
    /// Not carried out, and the connection reset.
    Reset,
    /// Carried out, later than usual.
    Slow,
    /// Carried out, and the connection closed without an answer.
    AnswerLost,
}

const FAULTS: &[Fault] = &[
    Fault::Status(429),
    Fault::Status(500),
    Fault::Status(502),
    Fault::Status(503),
    Fault::Reset,
    Fault::Slow,
    Fault::Slow,
    Fault::AnswerLost,
    Fault::AnswerLost,
];
/// How much later a slow answer comes at most, in milliseconds.
const SLOWNESS: usize = 1500;

impl Fault {
    fn name(self) -> String {
        match self {
            Self::Status(status) => format!("status {status}"),
            Self::Reset => "reset".to_owned(),
            Self::Slow => "slow".to_owned(),
            Self::AnswerLost => "answer lost".to_owned(),
        }
    }
}

/// The weather of one machine.
#[derive(Clone)]
pub struct Weather(Arc<Mutex<State>>);

struct State {
    dice: Dice,
    /// One call in so many goes wrong; nothing: all go well.
    severity: Option<usize>,
    calls: usize,
    faults: BTreeMap<String, usize>,
}

impl Weather {
    /// Fair weather; chance follows from the seed.
    pub fn new(seed: u64) -> Self {
        let dice = Dice::new(seed, "weather");
        Self(Arc::new(Mutex::new(State { dice, severity: None, calls: 0, faults: BTreeMap::new() })))
    }

    /// Stands before this address of a network namespace; the answer is where. It ends with the process.
    pub fn before(&self, namespace: File, upstream: &str) -> Result<String> {
        let listener = run_in(&namespace, || TcpListener::bind("127.0.0.1:0").context("the proxy cannot listen"))?;
        let address = listener.local_addr()?.to_string();
        let (weather, upstream, namespace) = (self.clone(), upstream.to_owned(), Arc::new(namespace));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (weather, upstream, namespace) = (weather.clone(), upstream.clone(), Arc::clone(&namespace));
                // A connection that ends early is what this is for.
                std::thread::spawn(move || {
                    drop(enter(&namespace).and_then(|()| weather.serve(stream, &upstream)));
                });
            }
        });
        Ok(address)
    }

    /// From now on one call in so many goes wrong, or none.
    pub fn turn(&self, severity: Option<usize>) {
        self.state().severity = severity;
    }

    /// Calls that came, and what went wrong with how many.
    pub fn seen(&self) -> (usize, BTreeMap<String, usize>) {
        let state = self.state();
        (state.calls, state.faults.clone())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, downstream: TcpStream, upstream: &str) -> Result<()> {
        downstream.set_nodelay(true)?;
        let mut reader = BufReader::new(downstream.try_clone()?);
        let mut writer = downstream;
        while let Some(request) = Message::read(&mut reader)? {
            match self.fault() {
                None => ask(upstream, &request)?.write(&mut writer)?,
                Some((Fault::Status(status), _)) => refusal(status, &request).write(&mut writer)?,
                Some((Fault::Slow, pause)) => {
                    std::thread::sleep(pause);
                    ask(upstream, &request)?.write(&mut writer)?;
                }
                Some((Fault::Reset, _)) => {
                    rustix::net::sockopt::set_socket_linger(&writer, Some(Duration::ZERO))?;
                    return Ok(());
                }
                Some((Fault::AnswerLost, _)) => return ask(upstream, &request).map(drop),
            }
        }
        Ok(())
    }

    fn fault(&self) -> Option<(Fault, Duration)> {
        let mut state = self.state();
        state.calls += 1;
        let severity = state.severity?;
        if !state.dice.one_in(severity) {
            return None;
        }
        let fault = *state.dice.pick(FAULTS)?;
        let pause = Duration::from_millis(u64::try_from(state.dice.below(SLOWNESS)).unwrap_or_default());
        *state.faults.entry(fault.name()).or_default() += 1;
        Some((fault, pause))
    }
}

fn ask(upstream: &str, request: &Message) -> Result<Message> {
    let mut request = request.clone();
    request.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("connection"));
    request.headers.push(("Connection".to_owned(), "close".to_owned()));
    let mut answer = Wire::new(TcpStream::connect(upstream)?).ask(&request)?;
    answer.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("connection"));
    Ok(answer)
}

fn refusal(status: u16, request: &Message) -> Message {
    let text = format!("bad weather {status}");
    let body = match status {
        // Not from a service at all, but from what stands before it.
        502 => "<html><body>502 Bad Gateway</body></html>".to_owned(),
        _ if request.path().contains("/v3") => json!({ "error": { "code": status, "message": text } }).to_string(),
        _ => json!({ "NeutronError": { "type": "BadWeather", "message": text, "detail": "" } }).to_string(),
    };
    Message {
        first: format!("HTTP/1.1 {status} Bad Weather"),
        headers: vec![("Content-Type".to_owned(), "application/json".to_owned())],
        body: body.into(),
    }
}
