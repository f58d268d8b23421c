//! A headless Chromium on a private machine, driven by its own protocol through a pipe.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use serde_json::{Value, json};

use crate::debian::unpacked;
use crate::host::Host;
use crate::until_within;

/// The longest that one answer of a browser may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// Its commands come on descriptor 3 and its answers go to 4, each ended by a zero byte.
const PIPE: &str = r#"exec "$@" 3<&0 4>&1 </dev/null >/run/chromium.log 2>&1"#;
const PACKAGES: [&str; 2] = ["chromium-headless-shell", "fonts-dejavu-core"];

/// Debian's Chromium, unpacked.
pub struct Chromium(PathBuf);

impl Chromium {
    /// The error says why there is none.
    pub fn find() -> Result<Self> {
        Ok(Self(unpacked("chromium", &PACKAGES)?))
    }

    /// Its own fonts and no others, so that a page looks the same everywhere.
    fn fonts(&self) -> String {
        let alias = |family: &str, font: &str| {
            format!("<alias binding=\"same\"><family>{family}</family><prefer><family>{font}</family></prefer></alias>")
        };
        format!(
            "<?xml version=\"1.0\"?><!DOCTYPE fontconfig SYSTEM \"fonts.dtd\"><fontconfig><dir>{}</dir>\
             <cachedir>/run/fonts</cachedir>{}{}{}</fontconfig>",
            self.0.join("usr/share/fonts").display(),
            alias("system-ui", "DejaVu Sans"),
            alias("sans-serif", "DejaVu Sans"),
            alias("monospace", "DejaVu Sans Mono"),
        )
    }

    /// Folders of its libraries.
    fn libraries(&self) -> Result<String> {
        let folders = fs::read_dir(self.0.join("usr/lib"))?.flatten().map(|entry| entry.path());
        let own = folders.filter(|path| path.to_string_lossy().ends_with("-linux-gnu"));
        let all = own.flat_map(|path| [path.join("pulseaudio"), path]);
        Ok(all.map(|path| path.display().to_string()).collect::<Vec<_>>().join(":"))
    }
}

/// A browser with one tab.
pub struct Browser {
    process: Child,
    commands: ChildStdin,
    answers: Receiver<Value>,
    session: Option<String>,
    last: u64,
    events: VecDeque<Value>,
}

impl Browser {
    /// Start one on this machine, whose tab is so many pixels wide and high.
    pub fn start(host: &Host, chromium: &Chromium, width: u32, height: u32) -> Result<Self> {
        let fonts = "/run/fonts.conf";
        fs::write(host.path(fonts), chromium.fonts())?;
        let program = chromium.0.join("usr/lib/chromium/chromium-headless-shell");
        let mut process = host
            .command("sh")
            .args(["-c", PIPE, "sh"])
            .arg(program)
            .args(["--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
            .args(["--user-data-dir=/run/chromium", "--no-first-run", "--disable-background-networking", "about:blank"])
            .env("LD_LIBRARY_PATH", chromium.libraries()?)
            .env("FONTCONFIG_FILE", fonts)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start Chromium")?;
        let commands = process.stdin.take().context("Chromium has no input")?;
        let output = BufReader::new(process.stdout.take().context("Chromium has no output")?);
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            for message in output.split(0).map_while(Result::ok) {
                if let Ok(message) = serde_json::from_slice(&message)
                    && sender.send(message).is_err()
                {
                    break;
                }
            }
        });
        let mut browser = Self { process, commands, answers, session: None, last: 0, events: VecDeque::new() };
        let opened = browser.open_tab(width, height);
        opened.with_context(|| fs::read_to_string(host.path("/run/chromium.log")).unwrap_or_default())?;
        Ok(browser)
    }

    fn open_tab(&mut self, width: u32, height: u32) -> Result<()> {
        let target = self.call("Target.createTarget", json!({"url": "about:blank"}))?;
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let attached = self.call("Target.attachToTarget", attach)?;
        self.session = Some(attached["sessionId"].as_str().context("no session")?.to_owned());
        for domain in ["Page", "Runtime", "Log", "Network"] {
            self.call(&format!("{domain}.enable"), json!({}))?;
        }
        self.resize(width, height)
    }

    /// Another size of its tab.
    pub fn resize(&mut self, width: u32, height: u32) -> Result<()> {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.call("Emulation.setDeviceMetricsOverride", size).map(drop)
    }

    /// As a person who prefers `light` or `dark`.
    pub fn prefer(&mut self, scheme: &str) -> Result<()> {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.call("Emulation.setEmulatedMedia", json!({"features": features})).map(drop)
    }

    /// Go to an address.
    pub fn open(&mut self, url: &str) -> Result<()> {
        let answer = self.call("Page.navigate", json!({"url": url}))?;
        ensure!(answer["errorText"].is_null(), "{url}: {}", answer["errorText"]);
        Ok(())
    }

    /// What an expression is in the page; promises are waited for.
    pub fn evaluate(&mut self, expression: &str) -> Result<Value> {
        let asked = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.call("Runtime.evaluate", asked)?;
        ensure!(answer["exceptionDetails"].is_null(), "{expression}: {}", answer["exceptionDetails"]);
        Ok(answer["result"]["value"].clone())
    }

    /// Wait until an expression is this.
    pub fn until(&mut self, what: &str, expression: &str, expected: &Value) -> Result<()> {
        until_within(PATIENCE, what, || {
            let found = self.evaluate(expression)?;
            ensure!(found == *expected, "{expression} is {found}, not {expected}");
            Ok(())
        })
    }

    /// Press a key and let it go: `Enter`, `Escape`, `Tab`, `ArrowRight`, `/`.
    pub fn press(&mut self, key: &str) -> Result<()> {
        let code = match key {
            "Enter" => 13,
            "Escape" => 27,
            "Tab" => 9,
            "ArrowRight" => 39,
            "ArrowDown" => 40,
            _ => u32::from(key.bytes().next().unwrap_or_default()),
        };
        let text = match key {
            "Enter" => Some("\r"),
            key if key.len() == 1 => Some(key),
            _ => None,
        };
        for kind in ["keyDown", "keyUp"] {
            let mut event = json!({"type": kind, "key": key, "windowsVirtualKeyCode": code});
            if let Some(text) = text.filter(|_| kind == "keyDown") {
                event["text"] = json!(text);
            }
            self.call("Input.dispatchKeyEvent", event)?;
        }
        Ok(())
    }

    /// Type a text.
    pub fn write(&mut self, text: &str) -> Result<()> {
        self.call("Input.insertText", json!({"text": text})).map(drop)
    }

    /// Click in the middle of what a selector finds, as a mouse does.
    pub fn click(&mut self, selector: &str) -> Result<()> {
        let expression = format!(
            "(() => {{ const node = document.querySelector({}); if (!node) return null; \
             node.scrollIntoView({{ block: 'center' }}); const box = node.getBoundingClientRect(); \
             return [box.x + box.width / 2, box.y + box.height / 2]; }})()",
            Value::from(selector)
        );
        let place = self.evaluate(&expression)?;
        ensure!(place.is_array(), "there is no {selector} to click on");
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({"type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": 1});
            self.call("Input.dispatchMouseEvent", event)?;
        }
        Ok(())
    }

    /// A picture of what is to be seen, as PNG.
    pub fn screenshot(&mut self, path: &Path) -> Result<()> {
        let answer = self.call("Page.captureScreenshot", json!({"format": "png"}))?;
        let text = answer["data"].as_str().context("no picture")?;
        let bytes = base64::engine::general_purpose::STANDARD.decode(text)?;
        fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
    }

    /// What the browser had to complain about so far: exceptions, refused resources, what the page's policy forbade.
    pub fn complaints(&self) -> Vec<&Value> {
        let methods = ["Runtime.exceptionThrown", "Log.entryAdded"];
        self.events.iter().filter(|event| methods.iter().any(|method| event["method"] == *method)).collect()
    }

    /// Forgets complaints about answers that were no success: the test was after them.
    pub fn forget_refused(&mut self) {
        self.events.retain(|event| event["params"]["entry"]["source"] != "network");
    }

    /// The addresses that it asked so far.
    pub fn asked(&self) -> Vec<&str> {
        let sent = self.events.iter().filter(|event| event["method"] == "Network.requestWillBeSent");
        sent.filter_map(|event| event["params"]["request"]["url"].as_str()).collect()
    }

    fn call(&mut self, method: &str, params: Value) -> Result<Value> {
        self.last += 1;
        let mut command = json!({"id": self.last, "method": method, "params": params});
        if let Some(session) = &self.session {
            command["sessionId"] = json!(session);
        }
        let mut bytes = command.to_string().into_bytes();
        bytes.push(0);
        self.commands.write_all(&bytes).with_context(|| format!("{method}: Chromium has ended"))?;
        loop {
            let message = match self.answers.recv_timeout(PATIENCE) {
                Ok(message) => message,
                Err(RecvTimeoutError::Timeout) => bail!("{method}: Chromium gives no answer"),
                Err(RecvTimeoutError::Disconnected) => bail!("{method}: Chromium has ended"),
            };
            if message["id"] == self.last {
                ensure!(message["error"].is_null(), "{method}: {}", message["error"]);
                return Ok(message["result"].clone());
            }
            self.events.push_back(message);
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Only the messenger ends here; without its pipe the browser ends itself, and with its machine at the latest.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
