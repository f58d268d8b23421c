//! The conversation with the kernel: a request and its acknowledgement, a dump that is read again when it was torn,
//! a batch. Written against a trait so that tests can play the kernel.

use crate::{
    error::Cause,
    message::{Attributes, Message, Messages, Received, read_text, read_u32},
};
use rustix::io::Errno;
use std::ops::RangeInclusive;

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLMSG_OVERRUN: u16 = 4;
/// First type that belongs to a family; below are control messages.
const NLMSG_MIN_TYPE: u16 = 16;
const NLM_F_REQUEST: u16 = 0x001;
const NLM_F_ACK: u16 = 0x004;
const NLM_F_DUMP: u16 = 0x300;
const NLM_F_DUMP_INTR: u16 = 0x010;
const NLM_F_CAPPED: u16 = 0x100;
const NLM_F_ACK_TLVS: u16 = 0x200;
const NLMSGERR_ATTR_MSG: u16 = 1;
/// Readings of a list that keeps changing before giving up.
const DUMP_ATTEMPTS: u32 = 30;

/// What carries datagrams to the kernel and back.
pub trait Channel {
    /// A number that no request on this channel has used yet.
    fn next_sequence(&mut self) -> u32;
    /// Sends a datagram.
    fn send(&mut self, datagram: &[u8]) -> Result<(), Cause>;
    /// Receives a datagram; nothing only if there is none and `wait` is false.
    fn receive(&mut self, wait: bool) -> Result<Option<Vec<u8>>, Cause>;
}

/// Sends one request; what it is answered with goes through `read`; ends with the acknowledgement.
pub fn request<T>(
    channel: &mut impl Channel,
    message: Message,
    mut read: impl FnMut(Received<'_>) -> Option<T>,
) -> Result<Option<T>, Cause> {
    let sequence = channel.next_sequence();
    channel.send(&encode(message.flags(NLM_F_REQUEST | NLM_F_ACK), sequence)?)?;
    let mut answer = None;
    loop {
        let datagram = next(channel)?;
        for message in Messages::new(&datagram).filter(|m| m.sequence == sequence) {
            match verdict(&message) {
                Verdict::Content => answer = answer.or_else(|| read(message)),
                Verdict::Acknowledged | Verdict::Done => return Ok(answer),
                Verdict::Refused(cause) => return Err(cause),
                Verdict::Other => {}
            }
        }
    }
}

/// Reads a list, again from its start while concurrent changes tear it.
pub fn dump<T>(
    channel: &mut impl Channel,
    message: &Message,
    mut read: impl FnMut(Received<'_>) -> Option<T>,
) -> Result<Vec<T>, Cause> {
    let mut last = Cause::Torn(DUMP_ATTEMPTS);
    for _ in 0..DUMP_ATTEMPTS {
        match dump_once(channel, message.clone(), &mut read) {
            Ok(Some(list)) => return Ok(list),
            Ok(None) => last = Cause::Torn(DUMP_ATTEMPTS),
            Err(Cause::Overrun) => last = Cause::Overrun,
            Err(cause) => return Err(cause),
        }
    }
    Err(last)
}

/// One reading; nothing if it was torn.
fn dump_once<T>(
    channel: &mut impl Channel,
    message: Message,
    read: &mut impl FnMut(Received<'_>) -> Option<T>,
) -> Result<Option<Vec<T>>, Cause> {
    let sequence = channel.next_sequence();
    channel.send(&encode(message.flags(NLM_F_REQUEST | NLM_F_DUMP), sequence)?)?;
    let mut list = Vec::new();
    let mut torn = false;
    loop {
        let datagram = next(channel)?;
        for message in Messages::new(&datagram).filter(|m| m.sequence == sequence) {
            torn |= message.flags & NLM_F_DUMP_INTR != 0;
            match verdict(&message) {
                // A torn reading must still be read to its end, or the next dump is answered with EBUSY.
                Verdict::Content => list.extend(read(message)),
                Verdict::Done | Verdict::Acknowledged => return Ok((!torn).then_some(list)),
                Verdict::Refused(cause) => return Err(cause),
                Verdict::Other => {}
            }
        }
    }
}

/// The refusal of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchError {
    /// Which message was refused; none if the batch as a whole was.
    pub sequence: Option<u32>,
    /// Why.
    pub cause: Cause,
}

impl From<Cause> for BatchError {
    fn from(cause: Cause) -> Self {
        Self { sequence: None, cause }
    }
}

/// Sends a finished batch; waits for this many acknowledgements among `sequences`, or for the first refusal.
pub fn batch(
    channel: &mut impl Channel,
    bytes: &[u8],
    sequences: RangeInclusive<u32>,
    acknowledgements: usize,
) -> Result<(), BatchError> {
    channel.send(bytes)?;
    let mut missing = acknowledgements;
    while missing > 0 {
        let datagram = next(channel)?;
        for message in Messages::new(&datagram).filter(|m| sequences.contains(&m.sequence)) {
            match verdict(&message) {
                Verdict::Acknowledged => missing = missing.saturating_sub(1),
                Verdict::Refused(cause) => {
                    // The kernel has queued every answer by now; leave none to fill the buffer.
                    while let Ok(Some(_)) = channel.receive(false) {}
                    return Err(BatchError { sequence: Some(message.sequence), cause });
                }
                Verdict::Content | Verdict::Done | Verdict::Other => {}
            }
        }
    }
    Ok(())
}

enum Verdict {
    Content,
    Acknowledged,
    Done,
    Refused(Cause),
    Other,
}

fn verdict(message: &Received<'_>) -> Verdict {
    match message.kind {
        NLMSG_ERROR => outcome(message, Verdict::Acknowledged),
        NLMSG_DONE => outcome(message, Verdict::Done),
        NLMSG_OVERRUN => Verdict::Refused(Cause::Overrun),
        kind if kind >= NLMSG_MIN_TYPE => Verdict::Content,
        _ => Verdict::Other,
    }
}

/// Reads the error number and the extended acknowledgement of `NLMSG_ERROR` and `NLMSG_DONE`.
fn outcome(message: &Received<'_>, success: Verdict) -> Verdict {
    let Some(code) = read_u32(message.payload, 0).map(u32::cast_signed) else {
        // Old kernels end a dump with an empty NLMSG_DONE.
        return if message.kind == NLMSG_DONE {
            success
        } else {
            Verdict::Refused(Cause::Malformed("an acknowledgement without its error number"))
        };
    };
    if code == 0 || (message.kind == NLMSG_DONE && code > 0) {
        return success;
    }
    let errno = code.checked_neg().filter(|e| (1..4096).contains(e));
    let Some(errno) = errno else {
        return Verdict::Refused(Cause::Malformed("an error number out of range"));
    };
    Verdict::Refused(Cause::Refused { errno: Errno::from_raw_os_error(errno), text: explanation(message) })
}

/// The kernel's text, which follows the error number and, in `NLMSG_ERROR`, the header of the refused request.
fn explanation(message: &Received<'_>) -> String {
    if message.flags & NLM_F_ACK_TLVS == 0 {
        return String::new();
    }
    let repeated = match message.kind {
        NLMSG_DONE => 0,
        _ if message.flags & NLM_F_CAPPED != 0 => crate::message::HEADER_LEN,
        _ => read_u32(message.payload, 4).and_then(|l| usize::try_from(l).ok()).unwrap_or(usize::MAX - 8),
    };
    let attributes = message.payload.get(repeated.saturating_add(4).next_multiple_of(4)..).unwrap_or_default();
    Attributes::find(attributes, NLMSGERR_ATTR_MSG).map(read_text).unwrap_or_default()
}

fn encode(message: Message, sequence: u32) -> Result<Vec<u8>, Cause> {
    message.finish_with(sequence).ok_or_else(|| Cause::Invalid("request too long for netlink".to_owned()))
}

fn next(channel: &mut impl Channel) -> Result<Vec<u8>, Cause> {
    channel.receive(true)?.ok_or(Cause::Malformed("no datagram"))
}

#[cfg(test)]
mod tests;
