//! What rules are made of: loads into registers, comparisons, verdicts.
//!
//! Formats: `linux/netfilter/nf_tables.h`. Values in registers are as the packet or the kernel has them: addresses,
//! ports and ethertypes in network order, marks, states and interface indexes in host order.

use super::attribute::Attributes;

/// One of the four 16-byte registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Register {
    /// The first.
    One = 1,
    /// The second.
    Two = 2,
}

/// What the kernel knows of a packet apart from its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Meta {
    /// Ethertype, 2 bytes in network order.
    Protocol = 1,
    /// Mark, 4 bytes in host order.
    Mark = 3,
    /// Name of the interface it came by, 16 bytes.
    InputName = 6,
    /// Name of the interface it leaves by, 16 bytes.
    OutputName = 7,
    /// IP version as `NFPROTO_*`, 1 byte.
    Family = 15,
    /// Protocol above IP, 1 byte.
    Transport = 16,
}

/// Where an offset into a packet counts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Header {
    /// Ethernet.
    Link = 0,
    /// IP or ARP.
    Network = 1,
    /// TCP, UDP, ICMP.
    Transport = 2,
}

/// How to compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// Equal.
    Equal = 0,
    /// Different.
    NotEqual = 1,
}

/// How an evaluation goes on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Away with the packet.
    Drop,
    /// Good for this base chain.
    Accept,
    /// Evaluate this chain and come back.
    Jump(String),
    /// Evaluate this chain and do not come back.
    Goto(String),
    /// Back to where the jump was.
    Return,
}

/// One step of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Expression {
    /// Loads what the kernel knows.
    Meta(Meta, Register),
    /// Changes the mark.
    SetMark(Register),
    /// Loads bytes of the packet; the rule ends if the packet is too short.
    Payload {
        /// Counted from here.
        header: Header,
        /// First byte.
        offset: u32,
        /// How many, at most 16.
        length: u32,
        /// Into.
        register: Register,
    },
    /// Goes on if the register compares so.
    Compare(Register, Comparison, Vec<u8>),
    /// Goes on if the register is between the two, both included, in the order of bytes.
    Range(Register, Vec<u8>, Vec<u8>),
    /// The register becomes `(register & mask) ^ xor`.
    Bitwise {
        /// Changed.
        register: Register,
        /// Kept bits.
        mask: Vec<u8>,
        /// Flipped bits.
        xor: Vec<u8>,
    },
    /// Goes on if the set has the register's value.
    InSet(Register, String),
    /// Goes on if the set does not have the register's value.
    NotInSet(Register, String),
    /// Does what the map says for the register's value; goes on if it says nothing.
    VerdictMap(Register, String),
    /// Loads a constant.
    Constant(Register, Vec<u8>),
    /// Ends the rule so.
    Verdict(Verdict),
    /// Loads the state of the packet's connection, 4 bytes in host order, see [`connection_state`].
    ConnectionState(Register),
    /// Puts the packet's connection into the zone in the register (2 bytes in host order).
    SetZone(Register),
    /// Changes bytes of the packet.
    Store {
        /// Counted from here.
        header: Header,
        /// First byte.
        offset: u32,
        /// How many, at most 16.
        length: u32,
        /// From.
        register: Register,
        /// Where in the header an internet checksum over it is, which goes along.
        checksum: Option<u32>,
    },
    /// Goes on if packets come faster than so many bytes in a second. Those of one second, and of the burst beside, may
    /// come at once after a pause.
    Faster {
        /// Bytes in a second, above 0.
        rate: u64,
        /// Bytes.
        burst: u32,
    },
    /// Counts packets and bytes.
    Counter,
    /// Translates the source to the address of the interface it leaves by.
    Masquerade,
    /// Translates the source to the IPv4 address in the register.
    SourceNat4(Register),
    /// Translates the destination to the IPv4 address in the first register, and the port in the second, if there is one.
    DestinationNat4(Register, Option<Register>),
    /// Loads the status of the packet's connection, 4 bytes in host order, see [`connection_status`].
    ConnectionStatus(Register),
}

/// Bits of [`Expression::ConnectionState`].
pub mod connection_state {
    /// Belongs to no connection and cannot begin one.
    pub const INVALID: u32 = 1;
    /// Both sides have spoken.
    pub const ESTABLISHED: u32 = 2;
    /// Begun by another connection, such as an ICMP error.
    pub const RELATED: u32 = 4;
}

/// Bits of [`Expression::ConnectionStatus`].
pub mod connection_status {
    /// Its destination is translated.
    pub const DESTINATION_TRANSLATED: u32 = 1 << 5;
}

const NFT_CT_STATE: u32 = 0;
const NFT_CT_STATUS: u32 = 2;
const NFT_NAT_SNAT: u32 = 0;
const NFT_NAT_DNAT: u32 = 1;
const NFT_CT_ZONE: u32 = 17;
const NFPROTO_IPV4: u32 = 2;
const NFT_LOOKUP_F_INV: u32 = 1;
const NFT_PAYLOAD_CSUM_INET: u32 = 1;
const NFT_LIMIT_PKT_BYTES: u32 = 1;
const NFT_LIMIT_F_INV: u32 = 1;
const VERDICT_REGISTER: u32 = 0;

impl Verdict {
    fn code(&self) -> i32 {
        match self {
            Self::Drop => 0,
            Self::Accept => 1,
            Self::Jump(_) => -3,
            Self::Goto(_) => -4,
            Self::Return => -5,
        }
    }

    /// The verdict with this code and chain, if it is one of ours.
    pub(super) fn from_code(code: i32, chain: Option<String>) -> Option<Self> {
        Some(match (code, chain) {
            (0, _) => Self::Drop,
            (1, _) => Self::Accept,
            (-3, Some(chain)) => Self::Jump(chain),
            (-4, Some(chain)) => Self::Goto(chain),
            (-5, _) => Self::Return,
            _ => return None,
        })
    }

    /// Writes `NFTA_DATA_VERDICT`.
    pub(super) fn write(&self, to: &mut Attributes) {
        to.nest(2, |v| {
            v.bytes(1, &self.code().to_be_bytes());
            if let Self::Jump(chain) | Self::Goto(chain) = self {
                v.text(2, chain);
            }
        });
    }
}

fn value(to: &mut Attributes, kind: u16, bytes: &[u8]) {
    to.nest(kind, |data| data.bytes(1, bytes));
}

impl Expression {
    /// Writes one `NFTA_LIST_ELEM`.
    pub(super) fn write(&self, to: &mut Attributes) {
        to.nest(1, |e| {
            e.text(1, self.kernel_name());
            e.nest(2, |d| self.write_data(d));
        });
    }

    fn kernel_name(&self) -> &'static str {
        match self {
            Self::Meta(..) | Self::SetMark(_) => "meta",
            Self::Payload { .. } | Self::Store { .. } => "payload",
            Self::Faster { .. } => "limit",
            Self::Compare(..) => "cmp",
            Self::Range(..) => "range",
            Self::Bitwise { .. } => "bitwise",
            Self::InSet(..) | Self::NotInSet(..) | Self::VerdictMap(..) => "lookup",
            Self::Constant(..) | Self::Verdict(_) => "immediate",
            Self::ConnectionState(_) | Self::ConnectionStatus(_) | Self::SetZone(_) => "ct",
            Self::Counter => "counter",
            Self::Masquerade => "masq",
            Self::SourceNat4(_) | Self::DestinationNat4(..) => "nat",
        }
    }

    fn write_data(&self, d: &mut Attributes) {
        match self {
            Self::Meta(key, register) => {
                d.u32(1, *register as u32);
                d.u32(2, *key as u32);
            }
            Self::SetMark(register) => {
                d.u32(2, Meta::Mark as u32);
                d.u32(3, *register as u32);
            }
            Self::Payload { header, offset, length, register } => {
                d.u32(1, *register as u32);
                d.u32(2, *header as u32);
                d.u32(3, *offset);
                d.u32(4, *length);
            }
            Self::Store { header, offset, length, register, checksum } => {
                d.u32(2, *header as u32);
                d.u32(3, *offset);
                d.u32(4, *length);
                d.u32(5, *register as u32);
                if let Some(checksum) = checksum {
                    d.u32(6, NFT_PAYLOAD_CSUM_INET);
                    d.u32(7, *checksum);
                }
            }
            Self::Faster { rate, burst } => {
                d.bytes(1, &rate.to_be_bytes());
                d.bytes(2, &1_u64.to_be_bytes());
                d.u32(3, *burst);
                d.u32(4, NFT_LIMIT_PKT_BYTES);
                d.u32(5, NFT_LIMIT_F_INV);
            }
            Self::Compare(register, how, with) => {
                d.u32(1, *register as u32);
                d.u32(2, *how as u32);
                value(d, 3, with);
            }
            Self::Range(register, from, to) => {
                d.u32(1, *register as u32);
                d.u32(2, 0);
                value(d, 3, from);
                value(d, 4, to);
            }
            Self::Bitwise { register, mask, xor } => {
                d.u32(1, *register as u32);
                d.u32(2, *register as u32);
                d.u32(3, u32::try_from(mask.len()).unwrap_or_default());
                value(d, 4, mask);
                value(d, 5, xor);
            }
            Self::InSet(register, set) => {
                d.text(1, set);
                d.u32(2, *register as u32);
            }
            Self::NotInSet(register, set) => {
                d.text(1, set);
                d.u32(2, *register as u32);
                d.u32(5, NFT_LOOKUP_F_INV);
            }
            Self::VerdictMap(register, set) => {
                d.text(1, set);
                d.u32(2, *register as u32);
                d.u32(3, VERDICT_REGISTER);
            }
            Self::Constant(register, bytes) => {
                d.u32(1, *register as u32);
                value(d, 2, bytes);
            }
            Self::Verdict(verdict) => {
                d.u32(1, VERDICT_REGISTER);
                d.nest(2, |data| verdict.write(data));
            }
            Self::ConnectionState(register) => {
                d.u32(1, *register as u32);
                d.u32(2, NFT_CT_STATE);
            }
            Self::ConnectionStatus(register) => {
                d.u32(1, *register as u32);
                d.u32(2, NFT_CT_STATUS);
            }
            Self::SetZone(register) => {
                d.u32(2, NFT_CT_ZONE);
                d.u32(4, *register as u32);
            }
            Self::Counter | Self::Masquerade => {}
            Self::DestinationNat4(address, port) => {
                d.u32(1, NFT_NAT_DNAT);
                d.u32(2, NFPROTO_IPV4);
                d.u32(3, *address as u32);
                d.u32(4, *address as u32);
                if let Some(port) = port {
                    d.u32(5, *port as u32);
                    d.u32(6, *port as u32);
                }
            }
            Self::SourceNat4(register) => {
                d.u32(1, NFT_NAT_SNAT);
                d.u32(2, NFPROTO_IPV4);
                d.u32(3, *register as u32);
                d.u32(4, *register as u32);
            }
        }
    }
}

/// An interface's name as registers and sets have it: padded with NUL to 16 bytes. Longer names are cut, as the
/// kernel allows none.
pub fn interface_name(name: &str) -> Vec<u8> {
    let mut bytes = name.as_bytes().to_vec();
    bytes.truncate(15);
    bytes.resize(16, 0);
    bytes
}
