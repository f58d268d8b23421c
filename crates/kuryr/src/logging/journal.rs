//! Log lines for systemd's journal, in its own protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL): each a datagram of fields,
//! so that `journalctl KURYR_PORT=…` finds all lines about a port.

use std::{
    fmt::{self, Write},
    io,
    os::unix::net::UnixDatagram,
    path::{Path, PathBuf},
    time::Duration,
};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{Layer, layer::Context, registry::LookupSpan};

/// Where systemd listens, on every machine that has it.
pub const SOCKET: &str = "/run/systemd/journal/socket";
/// Start of the names of our own fields.
const PREFIX: &str = "KURYR_";
/// Name of the program in the journal.
const IDENTIFIER: &str = "kuryr";
/// Longest field in bytes; what is longer is cut. All of a line's fields fit into a datagram.
const LONGEST: usize = 16 * 1024;
/// Longest wait for a journal that is behind: logging does not stop the work.
const PATIENCE: Duration = Duration::from_millis(200);

/// Where lines go. A line that the journal does not take goes to standard error.
pub struct Journal {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Journal {
    /// The journal behind this socket.
    ///
    /// # Errors
    /// Nobody listens there.
    pub fn at(path: &Path) -> io::Result<Self> {
        UnixDatagram::unbound()?.connect(path)?;
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { socket, path: path.to_owned() })
    }
}

impl<S> Layer<S> for Journal
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let message = fields.line();
        let mut entry = Vec::new();
        put(&mut entry, "MESSAGE", &message);
        put(&mut entry, "PRIORITY", priority(event.metadata().level()));
        put(&mut entry, "SYSLOG_IDENTIFIER", IDENTIFIER);
        put(&mut entry, "KURYR_TARGET", event.metadata().target());
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(fields) = span.extensions().get::<Fields>() {
                fields.put(&mut entry);
            }
        }
        fields.put(&mut entry);
        // By its path each time: the journal may have been started anew.
        if self.socket.send_to(&entry, &self.path).is_err() {
            anstream::eprintln!("{message}");
        }
    }
}

/// Names and values of an event or a span, in order.
#[derive(Default)]
struct Fields(Vec<(&'static str, String)>);

impl Fields {
    fn set(&mut self, field: &Field, value: String) {
        match self.0.iter_mut().find(|(name, _)| *name == field.name()) {
            Some((_, old)) => *old = value,
            // Places in the source of a library are nobody's matter.
            None if field.name().starts_with("log.") => {}
            None => self.0.push((field.name(), value)),
        }
    }

    /// The message, and behind it what else is known: most see nothing but this.
    fn line(&self) -> String {
        let mut line =
            self.0.iter().find(|(name, _)| *name == "message").map_or(String::new(), |(_, text)| text.clone());
        for (name, value) in self.0.iter().filter(|(name, _)| *name != "message") {
            let _ = write!(line, "{}{name}={value}", if line.is_empty() { "" } else { " " });
        }
        line
    }

    fn put(&self, entry: &mut Vec<u8>) {
        for (name, value) in self.0.iter().filter(|(name, _)| *name != "message") {
            put(entry, &journal_name(name), value);
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, value.to_owned());
    }
}

/// A field's name: capital letters, digits and underscores.
fn journal_name(name: &str) -> String {
    let letters = name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
    PREFIX.chars().chain(letters).collect()
}

/// Levels as syslog numbers them.
fn priority(level: &Level) -> &'static str {
    match *level {
        Level::ERROR => "3",
        Level::WARN => "4",
        Level::INFO => "6",
        Level::DEBUG | Level::TRACE => "7",
    }
}

/// One field: `NAME=value`, or with its length in front where the value has several lines.
fn put(entry: &mut Vec<u8>, name: &str, value: &str) {
    let value = &value.as_bytes()[..value.floor_char_boundary(LONGEST)];
    entry.extend_from_slice(name.as_bytes());
    if value.contains(&b'\n') {
        entry.push(b'\n');
        entry.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        entry.push(b'=');
    }
    entry.extend_from_slice(value);
    entry.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::layer::SubscriberExt;

    /// What a stand-in for systemd receives of these lines.
    fn received(lines: impl FnOnce()) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let socket = UnixDatagram::bind(&path).unwrap();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(Journal::at(&path).unwrap()), lines);
        socket.set_nonblocking(true).unwrap();
        let mut all = Vec::new();
        let mut buffer = vec![0; 1 << 18];
        while let Ok(length) = socket.recv(&mut buffer) {
            all.push(String::from_utf8(buffer[..length].to_vec()).unwrap());
        }
        all
    }

    #[test]
    fn a_line_has_the_fields_of_its_spans() {
        let all = received(|| {
            let span = tracing::info_span!("docker", network = "n1", port = tracing::field::Empty);
            let _within = span.enter();
            tracing::info!("before");
            span.record("port", "p1");
            tracing::warn!(status = 500, "failed");
        });
        assert_eq!(
            all,
            [
                "MESSAGE=before\nPRIORITY=6\nSYSLOG_IDENTIFIER=kuryr\nKURYR_TARGET=kuryr::logging::journal::tests\n\
                 KURYR_NETWORK=n1\n",
                "MESSAGE=failed status=500\nPRIORITY=4\nSYSLOG_IDENTIFIER=kuryr\n\
                 KURYR_TARGET=kuryr::logging::journal::tests\nKURYR_NETWORK=n1\nKURYR_PORT=p1\nKURYR_STATUS=500\n",
            ]
        );
    }

    #[test]
    fn several_lines_cannot_be_taken_for_fields_and_huge_ones_arrive() {
        let all = received(|| {
            tracing::error!(error = "one\nPRIORITY=0", "é");
            let huge = "é".repeat(1 << 20);
            tracing::error!(error = %huge, more = %huge, "huge");
        });
        let length = "é error=one\nPRIORITY=0".len();
        assert!(
            all[0]
                .starts_with(&format!("MESSAGE\n{}", String::from_utf8((length as u64).to_le_bytes().into()).unwrap()))
        );
        assert_eq!(all.len(), 2, "the huge one came too");
        assert!(all[1].len() < 1 << 17, "{}", all[1].len());
    }
}
