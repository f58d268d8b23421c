//! Stands between dockerd and the plugin and takes the time of each call: that is our share of what Docker does.

use std::fs;
use std::io::BufReader;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::wire::{Message, Wire};

/// One call that went through.
#[derive(Debug, Clone)]
pub struct Call {
    /// Such as `/NetworkDriver.Join`.
    pub path: String,
    /// Until the plugin's answer was complete.
    pub time: Duration,
}

/// A running proxy; it ends with the process.
pub struct Proxy {
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Proxy {
    /// Listen where Docker looks and hand on to the plugin.
    pub fn start(listen: &Path, plugin: &Path) -> Result<Self> {
        if let Some(folder) = listen.parent() {
            fs::create_dir_all(folder)?;
        }
        let listener = UnixListener::bind(listen).with_context(|| format!("cannot listen on {}", listen.display()))?;
        let calls = Arc::new(Mutex::new(Vec::new()));
        let (memory, plugin): (_, PathBuf) = (Arc::clone(&calls), plugin.to_owned());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (memory, plugin) = (Arc::clone(&memory), plugin.clone());
                std::thread::spawn(move || drop(serve(stream, &plugin, &memory)));
            }
        });
        Ok(Self { calls })
    }

    /// Calls since the last time this was asked.
    pub fn take(&self) -> Vec<Call> {
        self.calls.lock().map(|mut calls| std::mem::take(&mut *calls)).unwrap_or_default()
    }
}

fn serve(downstream: UnixStream, plugin: &Path, memory: &Mutex<Vec<Call>>) -> Result<()> {
    let mut reader = BufReader::new(downstream.try_clone()?);
    let mut writer = downstream;
    let mut upstream: Option<Wire<UnixStream>> = None;
    while let Some(request) = Message::read(&mut reader)? {
        let started = Instant::now();
        let wire = match &mut upstream {
            Some(wire) => wire,
            none => none.insert(Wire::new(UnixStream::connect(plugin)?)),
        };
        let answer = wire.ask(&request)?;
        let call = Call { path: request.path().to_owned(), time: started.elapsed() };
        if let Ok(mut calls) = memory.lock() {
            calls.push(call);
        }
        answer.write(&mut writer)?;
    }
    Ok(())
}
