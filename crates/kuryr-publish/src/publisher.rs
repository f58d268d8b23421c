//! What this process publishes, by container interface.

use crate::{
    Error, HostPorts, Mapping, Published, Sandbox, Transport, datagram,
    mapping::Face,
    note::{Note, Notes},
    socket, stream,
};
use std::{
    collections::HashMap,
    io,
    net::{TcpListener as StdListener, UdpSocket as StdSocket},
    os::fd::OwnedFd,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    net::{TcpListener, UdpSocket},
    sync::Mutex,
    task::JoinSet,
};

/// A container is published just before it starts; if this process began in between, its namespace comes by then.
const APPEARING: Duration = Duration::from_secs(60);

/// Publishes ports of containers. Clones share all.
#[derive(Debug, Clone)]
pub struct Publisher {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    notes: Notes,
    live: Mutex<HashMap<String, Live>>,
    /// Ports of all that is live.
    count: Arc<AtomicUsize>,
}

/// Ends with all its connections when it is dropped.
#[derive(Debug)]
struct Live {
    note: Note,
    asked: Vec<Mapping>,
    relays: JoinSet<()>,
    _counted: Counted,
}

/// Ports that are counted while this lives.
#[derive(Debug)]
struct Counted(usize, Arc<AtomicUsize>);

impl Counted {
    fn new(ports: usize, count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(ports, Ordering::Relaxed);
        Self(ports, count.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.fetch_sub(self.0, Ordering::Relaxed);
    }
}

impl Publisher {
    /// One that notes what it publishes in this folder, which is made at the first need.
    pub fn new(folder: &Path) -> Self {
        Self { inner: Arc::new(Inner { notes: Notes::new(folder), live: Mutex::default(), count: Arc::default() }) }
    }

    /// Publishes all of these ports of one container interface, or none. Asked the same again it changes nothing; asked
    /// for others it replaces what was. The key must be good as a file's name.
    ///
    /// `mixed`: a container that has IPv4 alone may be reached by IPv6 too, where no address was chosen.
    ///
    /// # Errors
    /// A port is in use, or cannot be listened on or noted. Then nothing of this key is published.
    pub async fn publish(
        &self,
        key: &str,
        sandbox: Sandbox,
        mappings: &[Mapping],
        mixed: bool,
    ) -> Result<Vec<Published>, Error> {
        let mut live = self.inner.live.lock().await;
        if let Some(known) = live.get(key)
            && known.asked == mappings
            && known.note.sandbox == sandbox
        {
            return Ok(known.note.ports.clone());
        }
        self.end(&mut live, key).await?;
        if !mappings.is_empty() {
            Sandbox::can_be_entered().await?;
        }
        let mut taken = Vec::new();
        for mapping in mappings {
            taken.push(socket::take(mapping, face(&sandbox, mapping, mixed)?)?);
        }
        if taken.is_empty() {
            return Ok(Vec::new());
        }
        let ports = taken.iter().map(|(_, published)| *published).collect::<Vec<_>>();
        let note = Note { boot: Notes::boot(), sandbox, ports: ports.clone() };
        self.inner.notes.write(key, &note)?;
        match started(&note, taken) {
            Ok(relays) => {
                let _counted = Counted::new(ports.len(), &self.inner.count);
                live.insert(key.to_owned(), Live { note, asked: mappings.to_vec(), relays, _counted });
                Ok(ports)
            }
            Err(reason) => {
                self.inner.notes.remove(key)?;
                let Mapping { transport, port, host_ports: ports, .. } = mappings[0];
                Err(Error::Listen { transport, ports, address: note.ports[0].host, port, reason })
            }
        }
    }

    /// How many ports are published, of all keys.
    pub fn count(&self) -> usize {
        self.inner.count.load(Ordering::Relaxed)
    }

    /// What is published for this key.
    pub async fn published(&self, key: &str) -> Vec<Published> {
        self.inner.live.lock().await.get(key).map(|live| live.note.ports.clone()).unwrap_or_default()
    }

    /// Publishes nothing for this key any more; connections end.
    ///
    /// # Errors
    /// The note cannot be removed, so that the next process would publish again.
    pub async fn withdraw(&self, key: &str) -> Result<(), Error> {
        self.end(&mut *self.inner.live.lock().await, key).await
    }

    /// When this returns, the ports are free for others.
    async fn end(&self, live: &mut HashMap<String, Live>, key: &str) -> Result<(), Error> {
        if let Some(mut ended) = live.remove(key) {
            ended.relays.shutdown().await;
        }
        self.inner.notes.remove(key)
    }

    /// Publishes again what a process before did, at the same ports, as far as the containers are still there. What
    /// cannot be had again is told to the log.
    pub async fn restore(&self) {
        let notes = match self.inner.notes.all() {
            Ok(notes) => notes,
            Err(error) => return tracing::error!(%error, "ports that were published before are not"),
        };
        let boot = Notes::boot();
        let mut unsure = Vec::new();
        let mut live = self.inner.live.lock().await;
        for (key, note, age) in notes {
            let exists = note.sandbox.exists();
            if note.boot != boot || (!exists && age > APPEARING) {
                self.forget(&mut live, &key).await;
                continue;
            }
            let again = taken_again(&note);
            let ports = again.iter().map(|(_, published)| *published).collect();
            let note = Note { ports, ..note };
            match started(&note, again) {
                Ok(relays) => {
                    let _counted = Counted::new(note.ports.len(), &self.inner.count);
                    live.insert(key.clone(), Live { note, asked: Vec::new(), relays, _counted });
                }
                Err(error) => tracing::error!(%key, %error, "ports that were published before are not"),
            }
            if !exists {
                unsure.push(key);
            }
        }
        drop(live);
        if !unsure.is_empty() {
            let publisher = self.clone();
            tokio::spawn(async move {
                tokio::time::sleep(APPEARING).await;
                let mut live = publisher.inner.live.lock().await;
                for key in unsure {
                    if live.get(&key).is_some_and(|live| !live.note.sandbox.exists()) {
                        publisher.forget(&mut live, &key).await;
                    }
                }
            });
        }
    }

    async fn forget(&self, live: &mut HashMap<String, Live>, key: &str) {
        tracing::info!(%key, "its container is gone, its ports are published no longer");
        if let Err(error) = self.end(live, key).await {
            tracing::warn!(%error, "the note of a container that is gone stays");
        }
    }
}

/// The face of the host that a mapping asks for.
fn face(sandbox: &Sandbox, mapping: &Mapping, mixed: bool) -> Result<Face, Error> {
    match (mapping.host, sandbox.v4, sandbox.v6) {
        (_, None, None) => Err(Error::NoAddress { port: mapping.port }),
        (Some(address), ..) => Ok(Face::of(address)),
        (None, None, Some(_)) => Ok(Face::ALL_V6),
        (None, Some(_), None) if !mixed => Ok(Face::ALL_V4),
        (None, Some(_), _) => Ok(Face::ALL),
    }
}

/// The ports of a note, as far as they can be had once more.
fn taken_again(note: &Note) -> Vec<(OwnedFd, Published)> {
    let mut taken = Vec::new();
    for published in &note.ports {
        let &Published { transport, port, host, host_port, .. } = published;
        let host_ports = HostPorts::Range(host_port, host_port);
        match socket::take(&Mapping { transport, port, host: Some(host), host_ports }, published.face()) {
            Ok(again) => taken.push(again),
            Err(error) => tracing::error!(%published, %error, "a port that was published before is not"),
        }
    }
    taken
}

fn started(note: &Note, taken: Vec<(OwnedFd, Published)>) -> io::Result<JoinSet<()>> {
    let sandbox = Arc::new(note.sandbox.clone());
    let mut relays = JoinSet::new();
    for (socket, Published { transport, port, .. }) in taken {
        let sandbox = Arc::clone(&sandbox);
        match transport {
            Transport::Tcp => {
                let listener = TcpListener::from_std(StdListener::from(socket))?;
                relays.spawn(stream::relay(listener, sandbox, port));
            }
            Transport::Udp => {
                let socket = UdpSocket::from_std(StdSocket::from(socket))?;
                relays.spawn(datagram::relay(socket, sandbox, port));
            }
        }
    }
    Ok(relays)
}
