//! What happens at Docker while Kuryr is away: one that refuses everything is in its place, and Docker only warns of it.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;

use crate::kuryr::Paths;
use crate::rig::Rig;

impl Rig {
    /// Kill Kuryr, and let this happen without it. It is not started again.
    pub fn without_kuryr(&mut self, happen: impl FnOnce(&Rig) -> Result<()>) -> Result<()> {
        self.kuryr.kill(&self.host)?;
        let path = self.host.path(Paths::PLUGIN);
        std::fs::remove_file(&path)?;
        let (listener, done) = (UnixListener::bind(&path)?, AtomicBool::new(false));
        listener.set_nonblocking(true)?;
        let happened = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    if let Ok((mut stream, _)) = listener.accept() {
                        let mut refused = || -> std::io::Result<()> {
                            stream.set_nonblocking(false)?;
                            stream.set_read_timeout(Some(Duration::from_secs(1)))?;
                            // What it wants does not matter.
                            let _ = stream.read(&mut [0; 4096])?;
                            let body = r#"{"Err":"away"}"#;
                            let length = body.len();
                            write!(
                                stream,
                                "HTTP/1.1 500 Away\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
                            )
                        };
                        // A client that went away is no concern of ours.
                        let _ = refused();
                    }
                    std::thread::sleep(Duration::from_millis(5));
                }
            });
            let happened = happen(self);
            done.store(true, Ordering::Relaxed);
            happened
        });
        drop(listener);
        std::fs::remove_file(&path)?;
        happened
    }
}
