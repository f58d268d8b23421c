//! Base chains of all tables, whoever made them: what else decides about a namespace's packets.

use super::{
    delta::message,
    dump::{attribute, text},
    model::Hook,
    session::{header, kind},
};
use crate::{
    error::Cause,
    message::{Attributes, Message, read_u32_be},
    socket::Socket,
};

const NFTA_CHAIN_TABLE: u16 = 1;
const NFTA_CHAIN_NAME: u16 = 3;
const NFTA_CHAIN_HOOK: u16 = 4;
const NFTA_CHAIN_POLICY: u16 = 5;
const NFTA_HOOK_HOOKNUM: u16 = 1;
const UNSPECIFIED: u8 = 0;
const DROP: u32 = 0;

/// A base chain as it is in the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseChain {
    /// Number of its table's family, see [`super::Family`].
    pub family: u8,
    /// Its table.
    pub table: String,
    /// Its name.
    pub name: String,
    /// What no rule of it decides is dropped.
    pub drops: bool,
}

/// All of a hook.
pub(super) fn base_chains(socket: &mut Socket, hook: Hook) -> Result<Vec<BaseChain>, Cause> {
    let all = Message::new(kind(message::GETCHAIN), 0).fixed(&header(UNSPECIFIED));
    socket.dump(&all, |m| {
        let place = Attributes::find(attribute(&m, NFTA_CHAIN_HOOK)?, NFTA_HOOK_HOOKNUM)?;
        (read_u32_be(place, 0)? == hook as u32).then_some(())?;
        Some(BaseChain {
            family: *m.payload.first()?,
            table: text(&m, NFTA_CHAIN_TABLE)?,
            name: text(&m, NFTA_CHAIN_NAME)?,
            drops: attribute(&m, NFTA_CHAIN_POLICY).and_then(|policy| read_u32_be(policy, 0)) == Some(DROP),
        })
    })
}
