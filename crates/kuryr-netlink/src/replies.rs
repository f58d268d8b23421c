//! Whatever the kernel may answer, read by everything that reads answers: an entry for fuzzers, and for a test.

use crate::{
    conntrack,
    error::Cause,
    exchange::{Channel, batch, dump, request},
    link::{Link, address, traffic},
    message::{Attributes, Message, Messages},
    monitor, nftables, route,
};

/// A kernel that answers every request with the same datagram. It speaks to nobody in particular, by the number 0.
struct Kernel<'a> {
    reply: &'a [u8],
    waiting: bool,
}

impl Channel for Kernel<'_> {
    fn next_sequence(&mut self) -> u32 {
        0
    }

    fn send(&mut self, _: &[u8]) -> Result<(), Cause> {
        self.waiting = true;
        Ok(())
    }

    fn receive(&mut self, _: bool) -> Result<Option<Vec<u8>>, Cause> {
        if std::mem::take(&mut self.waiting) { Ok(Some(self.reply.to_vec())) } else { Err(Cause::Silent(0)) }
    }
}

/// There is an end, what was read is no more than was there, and a refusal has words.
pub fn netlink_replies(data: &[u8]) {
    let mut kernel = Kernel { reply: data, waiting: false };
    let any = || Message::new(0, 0);
    let heard = |outcome: Result<usize, Cause>| match outcome {
        Ok(read) => assert!(read <= data.len(), "{read} of {} bytes", data.len()),
        Err(cause) => {
            let text = cause.during("fuzz", "").to_string();
            assert!(text.len() <= 4 * data.len() + 1000, "{} bytes of error", text.len());
        }
    };
    heard(dump(&mut kernel, &any(), |m| Link::parse(m.payload)).map(|links| links.len()));
    heard(dump(&mut kernel, &any(), |m| address::read_address(m, 1)).map(|addresses| addresses.len()));
    heard(dump(&mut kernel, &any(), route::read_route).map(|routes| routes.len()));
    heard(dump(&mut kernel, &any(), conntrack::read_message).map(|flows| flows.len()));
    heard(dump(&mut kernel, &any(), conntrack::read_translated).map(|flows| flows.len()));
    heard(dump(&mut kernel, &any(), |m| Some(nftables::read_any(&m))).map(|read| read.into_iter().max().unwrap_or(0)));
    heard(
        request(&mut kernel, any(), |m| Link::parse(m.payload)).map(|link| link.map_or(0, |link| link.name.len() / 3)),
    );
    heard(batch(&mut kernel, &[], 0..=0, 1).map(|()| 0).map_err(|error| error.cause));
    heard(Ok(monitor::events(data).count()));
    // What no message was made of is read as if it were the inside of one.
    traffic::read(data);
    let inside = Attributes::new(data).map(|(_, value)| Attributes::new(value).count()).max();
    heard(Ok(inside.unwrap_or(0)));
    heard(Ok(Messages::new(data).count()));
    nftables::generation(data);
}

#[cfg(test)]
#[path = "../../../fuzz/entry/bounded.rs"]
mod bounded;

#[cfg(test)]
mod tests {
    #[test]
    fn netlink_replies() {
        super::bounded::run("netlink_replies", 20_000, super::netlink_replies);
    }
}
