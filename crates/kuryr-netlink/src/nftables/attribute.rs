//! Writing attributes (`struct nlattr`) in place: nested ones are closed when their content is known.
//!
//! Numbers of nftables are in network order. No single attribute here comes near the limit of 64 KiB; lists of
//! elements, which could, are cut into several messages by their writer.

const NESTED: u16 = 0x8000;
const HEADER: usize = 4;

/// Attributes under construction.
#[derive(Debug, Default)]
pub(super) struct Attributes(pub(super) Vec<u8>);

impl Attributes {
    /// Appends an attribute.
    pub(super) fn bytes(&mut self, kind: u16, value: &[u8]) {
        let at = self.begin(kind);
        self.0.extend_from_slice(value);
        self.end(at);
    }

    /// Appends an attribute that consists of ready attributes.
    pub(super) fn nested_bytes(&mut self, kind: u16, content: &[u8]) {
        self.bytes(kind | NESTED, content);
    }

    /// Appends a string with its NUL.
    pub(super) fn text(&mut self, kind: u16, value: &str) {
        let at = self.begin(kind);
        self.0.extend_from_slice(value.as_bytes());
        self.0.push(0);
        self.end(at);
    }

    /// Appends a number of four bytes.
    pub(super) fn u32(&mut self, kind: u16, value: u32) {
        self.bytes(kind, &value.to_be_bytes());
    }

    /// Appends an attribute that consists of attributes.
    pub(super) fn nest(&mut self, kind: u16, content: impl FnOnce(&mut Self)) {
        let at = self.begin(kind | NESTED);
        content(self);
        self.end(at);
    }

    fn begin(&mut self, kind: u16) -> usize {
        let at = self.0.len();
        self.0.extend_from_slice(&[0, 0]);
        self.0.extend_from_slice(&kind.to_ne_bytes());
        at
    }

    fn end(&mut self, at: usize) {
        let length = u16::try_from(self.0.len() - at).unwrap_or(u16::MAX);
        self.0[at..at + 2].copy_from_slice(&length.to_ne_bytes());
        debug_assert!(usize::from(length) >= HEADER && length < u16::MAX);
        self.0.resize(self.0.len().div_ceil(4) * 4, 0);
    }
}
