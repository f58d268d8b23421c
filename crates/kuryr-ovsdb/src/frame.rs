//! Cutting a stream of bytes into JSON messages: nothing separates them but their own braces.

use serde_json::Value;

/// Bytes that are no stream of JSON-RPC messages. The connection is of no more use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// Something else stands where a message should begin.
    #[error("byte {0:#04x} where a JSON object should begin")]
    Start(u8),
    /// More than we are ready to keep.
    #[error("a message of more than {0} bytes")]
    TooLong(usize),
    /// Objects in objects in objects.
    #[error("a message nested more than {0} deep")]
    TooDeep(u32),
    /// Balanced braces around no JSON.
    #[error("no JSON: {0}")]
    Json(String),
}

/// Collects bytes and gives whole messages.
#[derive(Debug, Default)]
pub struct Frames {
    buffer: Vec<u8>,
    scanned: usize,
    depth: u32,
    in_string: bool,
    escaped: bool,
}

impl Frames {
    /// Longest message, in bytes: a whole switch with thousands of ports fits.
    pub const LONGEST: usize = 16 << 20;
    /// Deepest nesting; the protocol needs less than ten.
    pub const DEEPEST: u32 = 32;

    /// Adds what was received.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole message, if its end has arrived. After a failure nothing sensible follows.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Value>, Broken> {
        if self.scanned == 0 {
            let blank = self.buffer.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            self.buffer.drain(..blank);
            match self.buffer.first() {
                None => return Ok(None),
                Some(b'{') => {}
                Some(other) => return Err(Broken::Start(*other)),
            }
        }
        while let Some(byte) = self.buffer.get(self.scanned) {
            self.scanned += 1;
            if self.step(*byte)? {
                let rest = self.buffer.split_off(self.scanned);
                let message = std::mem::replace(&mut self.buffer, rest);
                self.scanned = 0;
                return serde_json::from_slice(&message).map(Some).map_err(|error| Broken::Json(error.to_string()));
            }
        }
        if self.buffer.len() > Self::LONGEST { Err(Broken::TooLong(Self::LONGEST)) } else { Ok(None) }
    }

    /// Goes on by one byte; true at the end of a message.
    fn step(&mut self, byte: u8) -> Result<bool, Broken> {
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return Ok(false);
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => {
                self.depth += 1;
                if self.depth > Self::DEEPEST {
                    return Err(Broken::TooDeep(Self::DEEPEST));
                }
            }
            b'}' | b']' => {
                self.depth -= 1;
                return Ok(self.depth == 0);
            }
            _ => {}
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn all(frames: &mut Frames) -> Result<Vec<Value>, Broken> {
        std::iter::from_fn(|| frames.next().transpose()).collect()
    }

    #[test]
    fn messages_follow_each_other_with_or_without_blanks() {
        let mut frames = Frames::default();
        frames.push(b" {\"id\":1}{\"id\":\"}{\\\"\"}\n\t{\"a\":[{}]}{\"half\":");
        assert_eq!(all(&mut frames).unwrap(), [json!({"id": 1}), json!({"id": "}{\""}), json!({"a": [{}]})]);
        frames.push(b"true}");
        assert_eq!(all(&mut frames).unwrap(), [json!({"half": true})]);
    }

    #[test]
    fn what_is_no_message_is_refused() {
        let first = |bytes: &[u8]| {
            let mut frames = Frames::default();
            frames.push(bytes);
            frames.next()
        };
        assert_eq!(first(b"HTTP/1.1 400"), Err(Broken::Start(b'H')));
        assert_eq!(first(b"[1]"), Err(Broken::Start(b'[')));
        assert!(matches!(first(b"{]"), Err(Broken::Json(_))));
        assert!(matches!(first(b"{\"a\":01}"), Err(Broken::Json(_))));
        let deep = [b"{\"a\":".to_vec(), vec![b'['; 40]].concat();
        assert_eq!(first(&deep), Err(Broken::TooDeep(32)));
        let long = [b"{\"".to_vec(), vec![b'x'; Frames::LONGEST]].concat();
        assert_eq!(first(&long), Err(Broken::TooLong(Frames::LONGEST)));
    }

    proptest! {
        #[test]
        fn however_it_is_cut_the_same_messages_come_out(
            texts in proptest::collection::vec(any::<String>(), 1..5),
            cuts in proptest::collection::vec(1_usize..40, 1..20),
        ) {
            let messages: Vec<Value> = texts.iter().map(|text| json!({"id": 1, "result": [text, {text: null}]})).collect();
            let stream: Vec<u8> = messages.iter().flat_map(|message| message.to_string().into_bytes()).collect();
            let (mut frames, mut found, mut rest) = (Frames::default(), Vec::new(), &stream[..]);
            for cut in cuts.into_iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (now, later) = rest.split_at(cut.min(rest.len()));
                frames.push(now);
                found.extend(all(&mut frames).unwrap());
                rest = later;
            }
            prop_assert_eq!(found, messages);
        }

        #[test]
        fn any_bytes_end_in_messages_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
            let mut frames = Frames::default();
            frames.push(&[b"{".to_vec(), bytes.clone()].concat());
            let _ = all(&mut frames);
            let mut frames = Frames::default();
            frames.push(&bytes);
            let _ = all(&mut frames);
        }

        #[test]
        fn bytes_of_json_are_messages_or_an_error(text in "[\\[\\]{}\",:\\\\a1 ]{0,60}") {
            let mut frames = Frames::default();
            frames.push(text.as_bytes());
            let _ = all(&mut frames);
        }
    }
}
