//! One connection: requests find their answers by their ids, `echo` is answered, updates go to their monitors.

use crate::{Address, Error, Frames, monitor::Watch};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UnixStream},
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

/// Messages that may wait to be sent, and updates that a monitor may leave unread.
const QUEUE: usize = 256;
/// Read at once, in bytes.
const CHUNK: usize = 64 << 10;

/// An answer: the result, or the server's `error` member.
type Answer = Result<Value, Value>;

/// What is expected from the other side. None once the connection has ended.
#[derive(Debug, Default)]
struct Expected {
    answers: HashMap<u64, oneshot::Sender<Answer>>,
    monitors: HashMap<u64, mpsc::Sender<Value>>,
    ended: Option<String>,
}

/// An open connection. Its tasks end with it.
#[derive(Debug)]
pub struct Connection {
    address: Address,
    expected: Arc<Mutex<Expected>>,
    next: AtomicU64,
    outgoing: mpsc::Sender<Vec<u8>>,
    tasks: [JoinHandle<()>; 2],
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Connection {
    /// Connects.
    pub async fn open(address: &Address, within: Duration) -> Result<Self, Error> {
        let refused = |source| Error::Connect { address: address.clone(), source };
        let late = |_| refused(std::io::Error::from(std::io::ErrorKind::TimedOut));
        match address {
            Address::Unix(path) => {
                let stream = tokio::time::timeout(within, UnixStream::connect(path)).await.map_err(late)?;
                let (reader, writer) = stream.map_err(refused)?.into_split();
                Ok(Self::over(address.clone(), reader, writer))
            }
            Address::Tcp(place) => {
                let stream = tokio::time::timeout(within, TcpStream::connect(place)).await.map_err(late)?;
                let stream = stream.map_err(refused)?;
                stream.set_nodelay(true).map_err(refused)?;
                let (reader, writer) = stream.into_split();
                Ok(Self::over(address.clone(), reader, writer))
            }
        }
    }

    fn over(
        address: Address,
        reader: impl AsyncRead + Unpin + Send + 'static,
        mut writer: impl AsyncWrite + Unpin + Send + 'static,
    ) -> Self {
        let (outgoing, mut queue) = mpsc::channel::<Vec<u8>>(QUEUE);
        let expected = Arc::<Mutex<Expected>>::default();
        let (replies, place) = (outgoing.downgrade(), Arc::clone(&expected));
        let read = tokio::spawn(async move {
            let reason = receive(reader, &place, &replies).await;
            end(&place, reason);
        });
        let place = Arc::clone(&expected);
        let write = tokio::spawn(async move {
            while let Some(message) = queue.recv().await {
                if let Err(error) = writer.write_all(&message).await {
                    end(&place, error.to_string());
                    return;
                }
            }
        });
        Self { address, expected, next: AtomicU64::new(1), outgoing, tasks: [read, write] }
    }

    /// It has ended; the next call would fail.
    pub fn is_ended(&self) -> bool {
        lock(&self.expected).ended.is_some()
    }

    /// A number that no call or monitor of this connection has.
    pub fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Calls a method and waits for its answer.
    pub async fn call(&self, method: &'static str, params: Value) -> Result<Value, Error> {
        let id = self.number();
        let (sender, receiver) = oneshot::channel();
        {
            let mut expected = lock(&self.expected);
            if let Some(reason) = &expected.ended {
                return Err(self.disconnected(reason.clone()));
            }
            expected.answers.insert(id, sender);
        }
        // A caller that gives up takes its place in the list with it.
        let _forget = Forget { connection: self, id };
        self.send(json!({"method": method, "params": params, "id": id})).await?;
        match receiver.await {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(error)) => Err(refusal(&error)),
            Err(_) => Err(self.disconnected(lock(&self.expected).ended.clone().unwrap_or_default())),
        }
    }

    /// Sends a notification if there is room, without waiting.
    pub fn notify(&self, method: &str, params: &Value) {
        let message = json!({"method": method, "params": params, "id": null});
        if self.outgoing.try_send(message.to_string().into_bytes()).is_err() {
            tracing::debug!(method, "a notification to Open vSwitch's database was not sent");
        }
    }

    /// Registers a monitor's name and gives the way its updates come.
    pub fn watch(&self, id: u64) -> Watch {
        let (sender, receiver) = mpsc::channel(QUEUE);
        lock(&self.expected).monitors.insert(id, sender);
        receiver
    }

    /// Forgets a monitor.
    pub fn unwatch(&self, id: u64) {
        lock(&self.expected).monitors.remove(&id);
    }

    /// How the end of this connection is told.
    pub fn disconnected(&self, reason: String) -> Error {
        Error::Disconnected { address: self.address.clone(), reason }
    }

    async fn send(&self, message: Value) -> Result<(), Error> {
        let sent = self.outgoing.send(message.to_string().into_bytes()).await;
        sent.map_err(|_| self.disconnected(lock(&self.expected).ended.clone().unwrap_or_default()))
    }
}

struct Forget<'a> {
    connection: &'a Connection,
    id: u64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        lock(&self.connection.expected).answers.remove(&self.id);
    }
}

/// Reads until the connection ends, and says why it did.
async fn receive(
    mut reader: impl AsyncRead + Unpin,
    expected: &Mutex<Expected>,
    replies: &mpsc::WeakSender<Vec<u8>>,
) -> String {
    let mut frames = Frames::default();
    let mut chunk = vec![0; CHUNK];
    loop {
        match reader.read(&mut chunk).await {
            Ok(0) => return "closed by the other side".to_owned(),
            Ok(length) => frames.push(chunk.get(..length).unwrap_or_default()),
            Err(error) => return error.to_string(),
        }
        loop {
            let message = match frames.next() {
                Ok(None) => break,
                Ok(Some(message)) => message,
                Err(broken) => return broken.to_string(),
            };
            let Some(reply) = dispatch(message, expected) else { continue };
            let Some(sender) = replies.upgrade() else { return "closed here".to_owned() };
            if sender.send(reply.to_string().into_bytes()).await.is_err() {
                return "closed here".to_owned();
            }
        }
    }
}

/// Hands a message on; gives the reply if it asks for one.
fn dispatch(mut message: Value, expected: &Mutex<Expected>) -> Option<Value> {
    let id = message.get("id").cloned().unwrap_or_default();
    let Some(method) = message.get("method").and_then(Value::as_str) else {
        let sender = id.as_u64().and_then(|id| lock(expected).answers.remove(&id))?;
        let error = message.get_mut("error").map(Value::take).unwrap_or_default();
        let result = message.get_mut("result").map(Value::take).unwrap_or_default();
        // Whoever asked may have given up.
        let _ = sender.send(if error.is_null() { Ok(result) } else { Err(error) });
        return None;
    };
    match method {
        "echo" => Some(json!({"result": message.get("params"), "error": null, "id": id})),
        "update2" => {
            let params = message.get_mut("params").and_then(Value::as_array_mut)?;
            let monitor = params.first().and_then(Value::as_u64)?;
            let update = params.get_mut(1).map(Value::take)?;
            let mut expected = lock(expected);
            if expected.monitors.get(&monitor)?.try_send(update).is_err() {
                // Nobody reads them: it ends, and whoever reads later learns that it missed something.
                expected.monitors.remove(&monitor);
            }
            None
        }
        _ if id.is_null() => None,
        other => Some(json!({"result": null, "error": format!("unknown method {other}"), "id": id})),
    }
}

fn end(expected: &Mutex<Expected>, reason: String) {
    let mut expected = lock(expected);
    expected.ended.get_or_insert(reason);
    expected.answers.clear();
    expected.monitors.clear();
}

fn lock(expected: &Mutex<Expected>) -> std::sync::MutexGuard<'_, Expected> {
    // Every change is whole at once.
    expected.lock().unwrap_or_else(PoisonError::into_inner)
}

fn refusal(error: &Value) -> Error {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    Error::Refused {
        operation: None,
        error: text(error.get("error")).or_else(|| text(Some(error))).unwrap_or_else(|| error.to_string()),
        details: text(error.get("details")).unwrap_or_default(),
    }
}
