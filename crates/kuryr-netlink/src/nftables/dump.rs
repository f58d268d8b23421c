//! Reading back: what a table has, as [`Shape`].

use super::{
    delta::{UDATA_DIGEST, message},
    expression::Verdict,
    model::{Base, ChainKind, Family, Hook, Key, KeyType, SetKind},
    session::{ForeignRule, header, kind},
    shape::{ChainShape, SetShape, Shape},
};
use crate::{
    error::Cause,
    message::{Attributes, Message, Received, read_text, read_u32_be},
    socket::Socket,
};

pub(super) fn attribute<'a>(message: &Received<'a>, wanted: u16) -> Option<&'a [u8]> {
    Attributes::after(message.payload, 4).find_map(|(k, value)| (k == wanted).then_some(value))
}

pub(super) fn text(message: &Received<'_>, wanted: u16) -> Option<String> {
    attribute(message, wanted).map(read_text)
}

pub(super) fn request(what: u8, family: Family) -> Message {
    Message::new(kind(what), 0).fixed(&header(family as u8))
}

pub(super) fn shape(socket: &mut Socket, family: Family, table: &str) -> Result<Option<Shape>, Cause> {
    let chains = socket.dump(&request(message::GETCHAIN, family), |m| {
        (text(&m, 1)? == table).then_some(())?;
        Some((text(&m, 3)?, ChainShape { base: attribute(&m, 4).and_then(|hook| base(&m, hook)), rules: Vec::new() }))
    })?;
    let sets = socket.dump(&request(message::GETSET, family), |m| {
        (text(&m, 1)? == table).then_some(())?;
        let shape = SetShape { kind: set_kind(&m), elements: Default::default(), shared: false };
        Some((text(&m, 2)?, shape))
    })?;
    let mut shape = Shape { chains: chains.into_iter().collect(), sets: sets.into_iter().collect() };
    let rules = socket.dump(&request(message::GETRULE, family).text(1, table), |m| {
        (text(&m, 1)? == table).then_some(())?;
        Some((text(&m, 2)?, attribute(&m, 7).and_then(digest)))
    });
    for (chain, digest) in none_if_missing(rules)?.unwrap_or_default() {
        if let Some(chain) = shape.chains.get_mut(&chain) {
            chain.rules.push(digest);
        }
    }
    for (name, set) in &mut shape.sets {
        let elements = socket.dump(&request(message::GETSETELEM, family).text(1, table).text(2, name), |m| {
            let list = attribute(&m, 3)?;
            Some(Attributes::new(list).filter_map(|(_, element)| set_element(element)).collect::<Vec<_>>())
        });
        set.elements = none_if_missing(elements)?.unwrap_or_default().into_iter().flatten().collect();
    }
    Ok((!shape.chains.is_empty() || !shape.sets.is_empty()).then_some(shape))
}

pub(super) fn foreign_rules(
    socket: &mut Socket,
    family: Family,
    table: &str,
    chain: &str,
) -> Result<Option<Vec<ForeignRule>>, Cause> {
    if !has_chain(socket, family, table, chain)? {
        return Ok(None);
    }
    let rules = socket.dump(&request(message::GETRULE, family).text(1, table).text(2, chain), |m| {
        (text(&m, 1)? == table && text(&m, 2)? == chain).then_some(())?;
        let handle = attribute(&m, 3).and_then(|h| h.first_chunk().copied()).map(u64::from_be_bytes)?;
        Some(ForeignRule { digest: attribute(&m, 7).and_then(digest), handle })
    });
    Ok(Some(none_if_missing(rules)?.unwrap_or_default()))
}

pub(super) fn has_chain(socket: &mut Socket, family: Family, table: &str, chain: &str) -> Result<bool, Cause> {
    let get = request(message::GETCHAIN, family).text(1, table).text(3, chain);
    Ok(none_if_missing(socket.ask(get, |m| text(&m, 3)))?.flatten().is_some())
}

/// What is asked about may go between two questions.
pub(super) fn none_if_missing<T>(answer: Result<T, Cause>) -> Result<Option<T>, Cause> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(cause) if cause.errno() == Some(rustix::io::Errno::NOENT) => Ok(None),
        Err(cause) => Err(cause),
    }
}

fn base(message: &Received<'_>, hook: &[u8]) -> Option<Base> {
    let number = |wanted| Attributes::find(hook, wanted).and_then(|v| read_u32_be(v, 0));
    let kind = match text(message, 7)?.as_str() {
        "filter" => ChainKind::Filter,
        "nat" => ChainKind::Nat,
        _ => return None,
    };
    let hook = match number(1)? {
        0 => Hook::Prerouting,
        1 => Hook::Input,
        2 => Hook::Forward,
        3 => Hook::Output,
        4 => Hook::Postrouting,
        _ => return None,
    };
    // Someone who changed the policy changed the chain.
    let accepts = attribute(message, 5).and_then(|v| read_u32_be(v, 0)) == Some(1);
    accepts.then_some(Base { kind, hook, priority: number(2)?.cast_signed() })
}

fn set_kind(message: &Received<'_>) -> Option<SetKind> {
    let number = |wanted| attribute(message, wanted).and_then(|v| read_u32_be(v, 0));
    let flags = number(3).unwrap_or(0);
    let key = match number(4)? {
        7 => KeyType::Ipv4,
        8 => KeyType::Ipv6,
        41 => KeyType::InterfaceName,
        _ => return None,
    };
    Some(SetKind { key, interval: flags & 4 != 0, verdicts: flags & 8 != 0 })
}

fn set_element(element: &[u8]) -> Option<(Key, Option<Verdict>)> {
    let bytes = Attributes::find(Attributes::find(element, 1)?, 1)?.to_vec();
    let end = Attributes::find(element, 3).and_then(|v| read_u32_be(v, 0)).is_some_and(|flags| flags & 1 != 0);
    let verdict = Attributes::find(element, 2).and_then(|data| Attributes::find(data, 2)).and_then(|verdict| {
        let code = read_u32_be(Attributes::find(verdict, 1)?, 0)?.cast_signed();
        Verdict::from_code(code, Attributes::find(verdict, 2).map(read_text))
    });
    Some((Key { bytes, end }, verdict))
}

/// The digest in a rule's userdata.
pub(super) fn digest(data: &[u8]) -> Option<u64> {
    userdata(data, UDATA_DIGEST)?.first_chunk().copied().map(u64::from_be_bytes)
}

/// An entry of a rule's userdata: they consist of type, length and value.
pub(super) fn userdata(mut data: &[u8], wanted: u8) -> Option<&[u8]> {
    while let [kind, length, rest @ ..] = data {
        let value = rest.get(..usize::from(*length))?;
        if *kind == wanted {
            return Some(value);
        }
        data = rest.get(usize::from(*length)..)?;
    }
    None
}

/// All that a message of nftables may be, for fuzzing; how many elements were in it.
#[cfg(any(test, fuzzing))]
pub(crate) fn read_any(message: &Received<'_>) -> usize {
    let part = |wanted| attribute(message, wanted).unwrap_or_default();
    let names = [text(message, 1), text(message, 2), text(message, 3)];
    let _ = (names, base(message, part(4)), set_kind(message), super::count::count(part(4)));
    let _ = (digest(part(7)), userdata(part(7), super::delta::UDATA_COMMENT));
    Attributes::new(part(3)).filter_map(|(_, element)| set_element(element)).count()
}
