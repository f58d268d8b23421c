//! Rules of a chain with what they counted.

use super::{
    delta::{UDATA_COMMENT, message},
    dump::{attribute, digest, none_if_missing, request, text, userdata},
    model::Family,
};
use crate::{
    error::Cause,
    message::{Attributes, read_text},
    socket::Socket,
};

const NFTA_RULE_EXPRESSIONS: u16 = 4;
const NFTA_RULE_USERDATA: u16 = 7;
const NFTA_EXPR_NAME: u16 = 1;
const NFTA_EXPR_DATA: u16 = 2;
const NFTA_COUNTER_BYTES: u16 = 1;
const NFTA_COUNTER_PACKETS: u16 = 2;

/// What a rule's counter says, since the rule was installed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Packets that came as far as the counter.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// A rule as it is in the kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuleSeen {
    /// Its comment; empty: it has none.
    pub comment: String,
    /// Which of our rules it is; `None`: not ours.
    pub digest: Option<u64>,
    /// Its counter, if it has one.
    pub count: Option<Count>,
}

/// The rules of a chain in their order; `None`: there is no such chain.
pub(super) fn rules(
    socket: &mut Socket,
    family: Family,
    table: &str,
    chain: &str,
) -> Result<Option<Vec<RuleSeen>>, Cause> {
    let rules = socket.dump(&request(message::GETRULE, family).text(1, table).text(2, chain), |m| {
        (text(&m, 1)? == table && text(&m, 2)? == chain).then_some(())?;
        let data = attribute(&m, NFTA_RULE_USERDATA).unwrap_or_default();
        let comment = userdata(data, UDATA_COMMENT).map(read_text).unwrap_or_default();
        let count = attribute(&m, NFTA_RULE_EXPRESSIONS).and_then(count);
        Some(RuleSeen { comment, digest: digest(data), count })
    });
    match none_if_missing(rules)? {
        // Kernels differ in what they say of a chain that is not there.
        Some(rules) if rules.is_empty() => Ok(super::dump::has_chain(socket, family, table, chain)?.then(Vec::new)),
        rules => Ok(rules),
    }
}

pub(super) fn count(expressions: &[u8]) -> Option<Count> {
    let is_counter = |e: &&[u8]| Attributes::find(e, NFTA_EXPR_NAME).map(read_text).as_deref() == Some("counter");
    let mut list = Attributes::new(expressions).map(|(_, expression)| expression);
    let data = Attributes::find(list.find(is_counter)?, NFTA_EXPR_DATA)?;
    let number = |kind| Attributes::find(data, kind).and_then(|v| v.first_chunk().copied()).map(u64::from_be_bytes);
    Some(Count { packets: number(NFTA_COUNTER_PACKETS)?, bytes: number(NFTA_COUNTER_BYTES)? })
}
