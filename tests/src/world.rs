//! The outside: a network namespace beyond the machine's uplink, with a service that says whom it sees.

use std::fs::File;
use std::io::Write;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::os::fd::AsFd;

/// The outside of one machine.
pub struct World {
    namespace: File,
}

/// A service of the outside. It answers every connection with the address it came from, and remembers it.
pub struct Mirror {
    /// Where it listens.
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<IpAddr>>>,
}

impl World {
    /// An address that is reached only through the machine's default route.
    pub const ADDRESS: &'static str = "198.51.100.1";
    /// The same for IPv6.
    pub const ADDRESS6: &'static str = "2001:db8:eeee::1";

    pub(crate) fn open(path: &Path) -> Result<Self> {
        Ok(Self { namespace: File::open(path).with_context(|| format!("cannot open {}", path.display()))? })
    }

    /// Do something on a thread that lives outside.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        run_in(&self.namespace, work)
    }

    /// Start a service on this address. It ends with the test's process; nobody outside of the test can reach it.
    pub fn mirror(&self, address: &str) -> Result<Mirror> {
        let address: IpAddr = address.parse()?;
        let listener = self.run(|| Ok(TcpListener::bind((address, 0))?))?;
        let address = listener.local_addr()?;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let memory = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                drop(answer(stream, &memory));
            }
        });
        Ok(Mirror { address, seen })
    }
}

fn answer(mut stream: TcpStream, memory: &Mutex<Vec<IpAddr>>) -> Result<()> {
    let peer = stream.peer_addr()?.ip();
    if let Ok(mut seen) = memory.lock() {
        seen.push(peer);
    }
    stream.set_write_timeout(Some(Duration::from_secs(5)))?;
    writeln!(stream, "{peer}")?;
    Ok(())
}

impl Mirror {
    /// From which addresses connections came, in order.
    pub fn seen(&self) -> Vec<IpAddr> {
        self.seen.lock().map(|seen| seen.clone()).unwrap_or_default()
    }
}

/// Do something on a thread of its own inside a network namespace.
pub fn run_in<T: Send>(namespace: &File, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            enter(namespace)?;
            work()
        });
        thread.join().map_err(|_| anyhow!("a thread in the network namespace panicked"))?
    })
}

/// Move this thread into a network namespace.
pub fn enter(namespace: &File) -> Result<()> {
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
        .context("cannot enter the network namespace")
}
