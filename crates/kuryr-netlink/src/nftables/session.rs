//! A conversation with nftables in one namespace: commit batches, read back, watch the generation.

use super::{
    count::{self, RuleSeen},
    delta::{Delta, Step, message, rule_attributes},
    dump,
    filter::{self, BaseChain},
    model::{Family, Hook, Rule},
    shape::Shape,
};
use crate::{
    error::{Cause, During, Error},
    message::{Attributes as Walk, Message, read_u32_be},
    namespace::Namespace,
    socket::Socket,
};
use rustix::io::Errno;

const SUBSYSTEM: u16 = 10;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_CREATE: u16 = 0x400;
/// Kernel memory that a socket's buffer counts beside the message itself.
const OVERHEAD: usize = 4096;
const SMALL_BATCH: usize = 128 * 1024;

/// A batch was not applied; nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Someone else changed the ruleset since the generation that was expected: read back and try again.
    #[error("the ruleset was changed by someone else meanwhile")]
    Outdated,
    /// The kernel refused it, or could not be asked.
    #[error(transparent)]
    Failed(#[from] Error),
}

/// A rule of ours in a table of someone else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignRule {
    /// What we wrote; `None`: not ours.
    pub digest: Option<u64>,
    /// Number of the rule in its table.
    pub handle: u64,
}

/// A conversation with nftables in one namespace.
#[derive(Debug)]
pub struct Session {
    socket: Socket,
    send_buffer: usize,
}

impl Session {
    /// Opens one in a namespace.
    pub fn open_in(namespace: &Namespace) -> Result<Self, Error> {
        let socket = Socket::open_in(namespace, libc::NETLINK_NETFILTER)?;
        Ok(Self { socket, send_buffer: SMALL_BATCH })
    }

    /// The number of the present ruleset: each transaction, whoever makes it, makes the next.
    pub fn generation(&mut self) -> Result<u32, Error> {
        let message = Message::new(kind(message::GETGEN), 0).fixed(&header(0));
        self.socket
            .ask(message, |m| Walk::after(m.payload, 4).find(|(k, _)| *k == 1).and_then(|(_, v)| read_u32_be(v, 0)))
            .and_then(|generation| generation.ok_or(Cause::Malformed("a generation without its number")))
            .during("read generation of", "nftables")
    }

    /// Applies changes of any number of tables at once, all or none. With `expected`, only if the ruleset still has
    /// that generation.
    pub fn commit(&mut self, deltas: &[Delta], expected: Option<u32>) -> Result<(), CommitError> {
        let steps = deltas.iter().flat_map(|d| d.steps().into_iter().map(move |s| (d.family as u8, s)));
        self.commit_steps(steps.collect(), expected)
    }

    fn commit_steps(&mut self, mut steps: Vec<(u8, Step)>, expected: Option<u32>) -> Result<(), CommitError> {
        let Some((_, last)) = steps.last_mut() else { return Ok(()) };
        last.flags |= NLM_F_ACK;
        let first = self.socket.next_sequence();
        let mut bytes = Vec::with_capacity(steps.iter().map(|(_, s)| s.attributes.len() + 20).sum::<usize>() + 64);
        let generation: Vec<u8> = expected
            .map(|g| [&8_u16.to_ne_bytes()[..], &1_u16.to_ne_bytes()[..], &g.to_be_bytes()[..]].concat())
            .unwrap_or_default();
        let control = [0, 0, 0, SUBSYSTEM.to_be_bytes()[1]];
        push(&mut bytes, BATCH_BEGIN, NLM_F_REQUEST, first, control, &generation);
        let mut sequence = first;
        for (family, step) in &steps {
            sequence = self.socket.next_sequence();
            push(&mut bytes, kind(step.kind), NLM_F_REQUEST | step.flags, sequence, header(*family), &step.attributes);
        }
        push(&mut bytes, BATCH_END, NLM_F_REQUEST, self.socket.next_sequence(), control, &[]);
        self.grow_send_buffer(bytes.len())?;
        self.socket.batch(&bytes, first..=sequence, 1).map_err(|error| {
            if matches!(error.cause.errno(), Some(Errno::RESTART)) {
                return CommitError::Outdated;
            }
            let at = error.sequence.and_then(|s| s.checked_sub(first + 1)).and_then(|i| usize::try_from(i).ok());
            let subject = at.and_then(|i| steps.get(i)).map(|(_, step)| step.subject.clone());
            let subject = subject.unwrap_or_else(|| format!("{} changes", steps.len()));
            CommitError::Failed(error.cause.during("apply nftables", subject))
        })
    }

    fn grow_send_buffer(&mut self, needed: usize) -> Result<(), Error> {
        if needed + OVERHEAD > self.send_buffer {
            let size = needed.saturating_mul(2) + OVERHEAD;
            self.socket.set_send_buffer(size)?;
            self.send_buffer = size;
        }
        Ok(())
    }

    /// What is in a table; `None`: there is no such table.
    pub fn shape_of(&mut self, family: Family, table: &str) -> Result<Option<Shape>, Error> {
        dump::shape(&mut self.socket, family, table).during("read nftables table", table)
    }

    /// True if there is such a chain. Costs the same however large the table is.
    pub fn has_chain(&mut self, family: Family, table: &str, chain: &str) -> Result<bool, Error> {
        dump::has_chain(&mut self.socket, family, table, chain).during("read nftables chain", chain)
    }

    /// The rules of a chain in their order, with their counters; `None`: there is no such chain.
    pub fn rules(&mut self, family: Family, table: &str, chain: &str) -> Result<Option<Vec<RuleSeen>>, Error> {
        count::rules(&mut self.socket, family, table, chain).during("read nftables chain", chain)
    }

    /// The base chains of a hook in all tables of all families, whoever made them.
    pub fn base_chains(&mut self, hook: Hook) -> Result<Vec<BaseChain>, Error> {
        filter::base_chains(&mut self.socket, hook).during("list nftables chains of", "the namespace")
    }

    /// Removes a table and all that is in it; true if it was there.
    pub fn delete_table(&mut self, family: Family, table: &str) -> Result<bool, Error> {
        let mut attributes = super::attribute::Attributes::default();
        attributes.text(1, table);
        let subject = format!("table {table}");
        let step = Step { kind: message::DELTABLE, flags: 0, attributes: attributes.0, subject };
        match self.commit_steps(vec![(family as u8, step)], None) {
            Ok(()) => Ok(true),
            Err(CommitError::Failed(error)) if error.is_not_found() => Ok(false),
            Err(CommitError::Failed(error)) => Err(error),
            Err(CommitError::Outdated) => Ok(false),
        }
    }

    /// Rules of a chain of someone else, in order; `None`: there is no such chain.
    pub fn foreign_rules(
        &mut self,
        family: Family,
        table: &str,
        chain: &str,
    ) -> Result<Option<Vec<ForeignRule>>, Error> {
        dump::foreign_rules(&mut self.socket, family, table, chain).during("read nftables chain", chain)
    }

    /// Inserts rules at the start of a chain of someone else, and deletes those with these handles, at once.
    pub fn change_foreign_chain(
        &mut self,
        family: Family,
        table: &str,
        chain: &str,
        insert: &[Rule],
        delete: &[u64],
    ) -> Result<(), CommitError> {
        let mut steps = Vec::new();
        for handle in delete {
            let mut a = super::attribute::Attributes::default();
            a.text(1, table);
            a.text(2, chain);
            a.bytes(3, &handle.to_be_bytes());
            let subject = format!("rule {handle} of chain {chain}");
            steps.push((family as u8, Step { kind: message::DELRULE, flags: 0, attributes: a.0, subject }));
        }
        for rule in insert {
            let attributes = rule_attributes(table, chain, rule).0;
            let subject = format!("rule '{}' of chain {chain}", rule.comment);
            steps.push((family as u8, Step { kind: message::NEWRULE, flags: NLM_F_CREATE, attributes, subject }));
        }
        self.commit_steps(steps, None)
    }
}

/// Message type of the nftables subsystem.
pub(super) fn kind(message: u8) -> u16 {
    SUBSYSTEM << 8 | u16::from(message)
}

/// `struct nfgenmsg`.
pub(super) fn header(family: u8) -> [u8; 4] {
    [family, 0, 0, 0]
}

fn push(bytes: &mut Vec<u8>, kind: u16, flags: u16, sequence: u32, header: [u8; 4], attributes: &[u8]) {
    let length = u32::try_from(20 + attributes.len()).unwrap_or(u32::MAX);
    bytes.extend(length.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    bytes.extend([0; 4]);
    bytes.extend(header);
    bytes.extend(attributes);
}
