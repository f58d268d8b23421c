//! Building netlink requests and reading answers: header, attributes, nesting.
//!
//! Layouts: `struct nlmsghdr` and `struct nlattr` of `linux/netlink.h`, all in host byte order
//! unless an attribute says otherwise, everything aligned to 4 bytes.

/// Length of `struct nlmsghdr`.
pub const HEADER_LEN: usize = 16;
const ATTRIBUTE_HEADER_LEN: usize = 4;
const NESTED: u16 = 0x8000;
const TYPE_MASK: u16 = 0x3fff;

const fn aligned(len: usize) -> usize {
    len.div_ceil(4) * 4
}

/// A request under construction. Sequence number and length are filled in when it is sent.
#[derive(Debug, Clone)]
pub struct Message {
    bytes: Vec<u8>,
    too_long: bool,
}

impl Message {
    /// A message of this type (`RTM_*`, or subsystem and command of nfnetlink) and these `NLM_F_*` flags.
    pub fn new(kind: u16, flags: u16) -> Self {
        let mut bytes = vec![0; HEADER_LEN];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
        Self { bytes, too_long: false }
    }

    /// Appends the family's fixed header, such as `struct ifinfomsg`, padded.
    pub fn fixed(mut self, header: &[u8]) -> Self {
        self.bytes.extend_from_slice(header);
        self.pad();
        self
    }

    /// Appends an attribute.
    pub fn bytes(mut self, attribute: u16, value: &[u8]) -> Self {
        let at = self.begin(attribute);
        self.bytes.extend_from_slice(value);
        self.finish(at);
        self
    }

    /// Appends an attribute if there is a value.
    pub fn maybe_bytes(self, attribute: u16, value: Option<&[u8]>) -> Self {
        match value {
            Some(value) => self.bytes(attribute, value),
            None => self,
        }
    }

    /// Appends a NUL-terminated string.
    pub fn text(mut self, attribute: u16, value: &str) -> Self {
        let at = self.begin(attribute);
        self.bytes.extend_from_slice(value.as_bytes());
        self.bytes.push(0);
        self.finish(at);
        self
    }

    /// Appends a number of one byte.
    pub fn u8(self, attribute: u16, value: u8) -> Self {
        self.bytes(attribute, &[value])
    }

    /// Appends a number of two bytes in network order.
    pub fn u16_be(self, attribute: u16, value: u16) -> Self {
        self.bytes(attribute, &value.to_be_bytes())
    }

    /// Appends a number of four bytes in host order.
    pub fn u32(self, attribute: u16, value: u32) -> Self {
        self.bytes(attribute, &value.to_ne_bytes())
    }

    /// Appends an attribute that consists of attributes.
    pub fn nest(mut self, attribute: u16, content: impl FnOnce(Self) -> Self) -> Self {
        let at = self.begin(attribute | NESTED);
        let mut filled = content(self);
        filled.finish(at);
        filled
    }

    /// The finished request with this sequence number, or nothing if a length field overflowed.
    pub fn finish_with(mut self, sequence: u32) -> Option<Vec<u8>> {
        let length = u32::try_from(self.bytes.len()).ok().filter(|_| !self.too_long)?;
        self.bytes[0..4].copy_from_slice(&length.to_ne_bytes());
        self.bytes[8..12].copy_from_slice(&sequence.to_ne_bytes());
        Some(self.bytes)
    }

    /// Adds flags, such as `NLM_F_ACK`.
    pub fn flags(mut self, flags: u16) -> Self {
        let now = u16::from_ne_bytes([self.bytes[6], self.bytes[7]]);
        self.bytes[6..8].copy_from_slice(&(now | flags).to_ne_bytes());
        self
    }

    fn begin(&mut self, attribute: u16) -> usize {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(&[0, 0]);
        self.bytes.extend_from_slice(&attribute.to_ne_bytes());
        at
    }

    fn finish(&mut self, at: usize) {
        match u16::try_from(self.bytes.len() - at) {
            Ok(length) => self.bytes[at..at + 2].copy_from_slice(&length.to_ne_bytes()),
            Err(_) => self.too_long = true,
        }
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(aligned(self.bytes.len()), 0);
    }
}

/// One message of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received<'a> {
    /// Message type.
    pub kind: u16,
    /// `NLM_F_*`.
    pub flags: u16,
    /// Sequence number of the request it answers; 0 for events.
    pub sequence: u32,
    /// What follows `struct nlmsghdr`.
    pub payload: &'a [u8],
}

/// The messages of a datagram. A message whose length is impossible ends the walk.
#[derive(Debug, Clone)]
pub struct Messages<'a> {
    rest: &'a [u8],
}

impl<'a> Messages<'a> {
    /// Walks a datagram.
    pub fn new(datagram: &'a [u8]) -> Self {
        Self { rest: datagram }
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Received<'a>;

    fn next(&mut self) -> Option<Received<'a>> {
        let length = usize::try_from(read_u32(self.rest, 0)?).ok()?;
        let message = self.rest.get(..length).filter(|m| m.len() >= HEADER_LEN)?;
        self.rest = self.rest.get(aligned(length)..).unwrap_or_default();
        Some(Received {
            kind: read_u16(message, 4)?,
            flags: read_u16(message, 6)?,
            sequence: read_u32(message, 8)?,
            payload: message.get(HEADER_LEN..)?,
        })
    }
}

/// The attributes of a message: type without its flag bits, and value. An attribute whose length is impossible ends
/// the walk.
#[derive(Debug, Clone)]
pub struct Attributes<'a> {
    rest: &'a [u8],
}

impl<'a> Attributes<'a> {
    /// Walks the attributes in these bytes.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Walks the attributes that follow a fixed header of this length.
    pub fn after(payload: &'a [u8], header: usize) -> Self {
        Self { rest: payload.get(aligned(header)..).unwrap_or_default() }
    }

    /// The value of the first attribute of this type.
    pub fn find(bytes: &'a [u8], wanted: u16) -> Option<&'a [u8]> {
        Self::new(bytes).find_map(|(kind, value)| (kind == wanted).then_some(value))
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let length = usize::from(read_u16(self.rest, 0)?);
        let kind = read_u16(self.rest, 2)? & TYPE_MASK;
        let value = self.rest.get(ATTRIBUTE_HEADER_LEN..length)?;
        self.rest = self.rest.get(aligned(length)..).unwrap_or_default();
        Some((kind, value))
    }
}

/// Two bytes in host order at an offset.
pub fn read_u16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Two bytes in network order at an offset.
pub fn read_u16_be(bytes: &[u8], at: usize) -> Option<u16> {
    read_u16(bytes, at).map(u16::from_be)
}

/// Four bytes in host order at an offset.
pub fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Four bytes in network order at an offset.
pub fn read_u32_be(bytes: &[u8], at: usize) -> Option<u32> {
    read_u32(bytes, at).map(u32::from_be)
}

/// A string that ends at its NUL or with the bytes; what is not UTF-8 is replaced.
pub fn read_text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_written_is_read() {
        let bytes = Message::new(16, 1)
            .fixed(&[7; 5])
            .text(3, "tap0")
            .nest(18, |m| m.u32(1, 1450).u16_be(2, 80))
            .flags(4)
            .finish_with(9)
            .unwrap();
        let message = Messages::new(&bytes).next().unwrap();
        assert_eq!((message.kind, message.flags, message.sequence), (16, 5, 9));
        let attributes: Vec<_> = Attributes::after(message.payload, 5).collect();
        assert_eq!(attributes.len(), 2);
        assert_eq!((attributes[0].0, read_text(attributes[0].1)), (3, "tap0".to_owned()));
        assert_eq!(attributes[1].0, 18);
        assert_eq!(Attributes::find(attributes[1].1, 1).and_then(|v| read_u32(v, 0)), Some(1450));
        assert_eq!(Attributes::find(attributes[1].1, 2).and_then(|v| read_u16_be(v, 0)), Some(80));
    }

    #[test]
    fn an_attribute_too_long_for_its_length_field_is_refused() {
        assert!(Message::new(1, 0).bytes(1, &[0; 70_000]).finish_with(1).is_none());
        assert!(Message::new(1, 0).nest(1, |m| m.bytes(2, &[0; 65_530])).finish_with(1).is_none());
    }

    proptest! {
        #[test]
        fn any_bytes_are_walked_without_panic_and_to_an_end(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            for message in Messages::new(&bytes) {
                prop_assert!(message.payload.len() < bytes.len());
                prop_assert!(Attributes::after(message.payload, 16).count() <= bytes.len());
            }
            prop_assert!(Attributes::new(&bytes).count() <= bytes.len());
            read_text(&bytes);
        }
    }
}
