//! Tests that play the kernel: torn dumps, refusals with and without text, nonsense.

use super::*;
use proptest::prelude::*;
use std::collections::VecDeque;

const NLM_F_MULTI: u16 = 2;
const ITEM: u16 = 20;

/// Answers the n-th request with the n-th script, whose messages are given the request's sequence number.
#[derive(Default)]
struct Kernel {
    scripts: VecDeque<Vec<Vec<u8>>>,
    queue: VecDeque<Result<Vec<u8>, Cause>>,
    sequence: u32,
    sent: Vec<Vec<u8>>,
}

impl Kernel {
    fn answering(scripts: impl IntoIterator<Item = Vec<Vec<u8>>>) -> Self {
        Self { scripts: scripts.into_iter().collect(), ..Self::default() }
    }
}

impl Channel for Kernel {
    fn next_sequence(&mut self) -> u32 {
        self.sequence += 1;
        self.sequence
    }

    fn send(&mut self, datagram: &[u8]) -> Result<(), Cause> {
        let sequence = read_u32(datagram, 8).unwrap();
        self.sent.push(datagram.to_vec());
        for mut answer in self.scripts.pop_front().unwrap_or_default() {
            if answer.is_empty() {
                self.queue.push_back(Err(Cause::Overrun));
                continue;
            }
            if read_u32(&answer, 8) == Some(0) {
                answer[8..12].copy_from_slice(&sequence.to_ne_bytes());
            }
            self.queue.push_back(Ok(answer));
        }
        Ok(())
    }

    fn receive(&mut self, wait: bool) -> Result<Option<Vec<u8>>, Cause> {
        match self.queue.pop_front() {
            Some(answer) => answer.map(Some),
            None if wait => Err(Cause::Silent(0)),
            None => Ok(None),
        }
    }
}

fn message(kind: u16, flags: u16, payload: &[u8]) -> Vec<u8> {
    Message::new(kind, flags).fixed(payload).finish_with(0).unwrap()
}

fn item(value: u8, flags: u16) -> Vec<u8> {
    message(ITEM, NLM_F_MULTI | flags, &[value, 0, 0, 0])
}

fn done(flags: u16) -> Vec<u8> {
    message(NLMSG_DONE, NLM_F_MULTI | flags, &0i32.to_ne_bytes())
}

fn error(errno: i32, flags: u16, rest: &[u8]) -> Vec<u8> {
    let mut payload = (-errno).to_ne_bytes().to_vec();
    payload.extend_from_slice(rest);
    message(NLMSG_ERROR, flags, &payload)
}

/// The header of the refused request, and the kernel's words.
fn words(text: &str) -> Vec<u8> {
    let mut rest = message(ITEM, 0, &[]);
    let attributes = Message::new(0, 0).text(NLMSGERR_ATTR_MSG, text).finish_with(0).unwrap();
    rest.extend_from_slice(&attributes[16..]);
    rest
}

fn dump_items(kernel: &mut Kernel) -> Result<Vec<u8>, Cause> {
    dump(kernel, &Message::new(ITEM, 0), |message| message.payload.first().copied())
}

fn ask(kernel: &mut Kernel) -> Result<Option<u8>, Cause> {
    request(kernel, Message::new(ITEM, 0), |message| message.payload.first().copied())
}

#[test]
fn a_torn_dump_is_read_to_its_end_and_again_from_its_start() {
    let mut kernel = Kernel::answering([
        vec![item(1, 0), item(2, NLM_F_DUMP_INTR), item(3, 0), done(0)],
        vec![item(1, 0), done(NLM_F_DUMP_INTR)],
        vec![item(1, 0), item(3, 0), done(0)],
    ]);
    assert_eq!(dump_items(&mut kernel), Ok(vec![1, 3]));
    assert_eq!(kernel.sent.len(), 3);
    assert!(kernel.queue.is_empty(), "nothing of a torn reading is left for the next request");
    let sequences: Vec<_> = kernel.sent.iter().map(|sent| read_u32(sent, 8).unwrap()).collect();
    assert_eq!(sequences, [1, 2, 3], "each reading has a number of its own");
}

#[test]
fn a_dump_that_is_torn_every_time_is_given_up_with_a_reason() {
    let torn = || vec![item(1, NLM_F_DUMP_INTR), done(0)];
    let mut kernel = Kernel::answering((0..100).map(|_| torn()));
    assert_eq!(dump_items(&mut kernel), Err(Cause::Torn(DUMP_ATTEMPTS)));
    assert_eq!(kernel.sent.len(), DUMP_ATTEMPTS as usize);
    let text = Cause::Torn(DUMP_ATTEMPTS).during("list links", "").to_string();
    assert!(text.contains("changed during each of 30 readings"), "{text}");
}

#[test]
fn a_dump_whose_answers_were_dropped_is_read_again() {
    let mut kernel = Kernel::answering([vec![item(1, 0), vec![]], vec![item(1, 0), item(2, 0), done(0)]]);
    assert_eq!(dump_items(&mut kernel), Ok(vec![1, 2]));
}

#[test]
fn a_dump_in_one_datagram_and_answers_to_others_are_kept_apart() {
    let mut foreign = item(9, NLM_F_DUMP_INTR);
    foreign[8..12].copy_from_slice(&77u32.to_ne_bytes());
    let mut together = item(1, 0);
    together[8..12].copy_from_slice(&1u32.to_ne_bytes());
    let mut second = done(0);
    second[8..12].copy_from_slice(&1u32.to_ne_bytes());
    together.extend(second);
    let mut kernel = Kernel::answering([vec![foreign, together]]);
    assert_eq!(dump_items(&mut kernel), Ok(vec![1]));
}

#[test]
fn a_refused_dump_says_why() {
    let mut payload = (-95i32).to_ne_bytes().to_vec();
    payload.extend(&Message::new(0, 0).text(NLMSGERR_ATTR_MSG, "no such table").finish_with(0).unwrap()[16..]);
    let refusal = message(NLMSG_DONE, NLM_F_MULTI | NLM_F_ACK_TLVS, &payload);
    let refused = |text: &str| Err(Cause::Refused { errno: Errno::OPNOTSUPP, text: text.to_owned() });
    assert_eq!(dump_items(&mut Kernel::answering([vec![refusal]])), refused("no such table"));
    assert_eq!(dump_items(&mut Kernel::answering([vec![error(95, 0, &[])]])), refused(""));
    assert_eq!(dump_items(&mut Kernel::answering([vec![message(NLMSG_DONE, 0, &[])]])), Ok(vec![]));
}

#[test]
fn a_request_ends_with_its_own_acknowledgement() {
    let mut stale = error(17, 0, &[]);
    stale[8..12].copy_from_slice(&99u32.to_ne_bytes());
    let mut kernel = Kernel::answering([vec![stale, item(5, 0), error(0, 0, &[])]]);
    assert_eq!(ask(&mut kernel), Ok(Some(5)));
    assert_eq!(read_u32(&kernel.sent[0], 4).unwrap() >> 16, u32::from(NLM_F_REQUEST | NLM_F_ACK));
}

#[test]
fn a_refusal_carries_the_kernels_words_whether_the_request_is_repeated_or_not() {
    let refused = Err(Cause::Refused { errno: Errno::EXIST, text: "name taken".to_owned() });
    let capped = error(17, NLM_F_CAPPED | NLM_F_ACK_TLVS, &words("name taken"));
    assert_eq!(ask(&mut Kernel::answering([vec![capped]])), refused);
    let repeated = error(17, NLM_F_ACK_TLVS, &words("name taken"));
    assert_eq!(ask(&mut Kernel::answering([vec![repeated]])), refused);
}

#[test]
fn nonsense_is_called_nonsense_and_silence_silence() {
    let positive = message(NLMSG_ERROR, 0, &17i32.to_ne_bytes());
    assert!(matches!(ask(&mut Kernel::answering([vec![positive]])), Err(Cause::Malformed(_))));
    let lowest = message(NLMSG_ERROR, 0, &i32::MIN.to_ne_bytes());
    assert!(matches!(ask(&mut Kernel::answering([vec![lowest]])), Err(Cause::Malformed(_))));
    let empty = message(NLMSG_ERROR, 0, &[]);
    assert!(matches!(ask(&mut Kernel::answering([vec![empty]])), Err(Cause::Malformed(_))));
    assert_eq!(ask(&mut Kernel::default()), Err(Cause::Silent(0)));
    let long = Message::new(ITEM, 0).bytes(1, &[0; 70_000]);
    assert!(matches!(request(&mut Kernel::default(), long, |_| None::<()>), Err(Cause::Invalid(_))));
}

#[test]
fn a_batch_is_over_when_all_is_acknowledged_or_one_is_refused() {
    let bytes = message(ITEM, 0, &[]);
    let answer = |sequence: u32, errno| {
        let mut answer = error(errno, 0, &[]);
        answer[8..12].copy_from_slice(&sequence.to_ne_bytes());
        answer
    };
    let mut kernel = Kernel::answering([vec![answer(9, 17), answer(10, 0), answer(12, 0)]]);
    assert_eq!(batch(&mut kernel, &bytes, 10..=12, 2), Ok(()));

    let mut kernel = Kernel::answering([vec![answer(10, 0), answer(11, 2), answer(12, 2)]]);
    let refused = BatchError { sequence: Some(11), cause: Cause::Refused { errno: Errno::NOENT, text: String::new() } };
    assert_eq!(batch(&mut kernel, &bytes, 10..=12, 3), Err(refused));
    assert!(kernel.queue.is_empty(), "later answers do not fill the buffer");
}

proptest! {
    #[test]
    fn no_answer_panics_or_hangs(
        datagrams in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..120), 0..4),
        kinds in proptest::collection::vec((1u16..6, any::<u16>(), proptest::collection::vec(any::<u8>(), 0..60)), 0..4),
    ) {
        let mut script = datagrams;
        script.extend(kinds.into_iter().map(|(kind, flags, payload)| message(kind, flags, &payload)));
        let _ = ask(&mut Kernel::answering([script.clone()]));
        let _ = dump_items(&mut Kernel::answering([script.clone()]));
        let _ = batch(&mut Kernel::answering([script]), &message(ITEM, 0, &[]), 0..=u32::MAX, 3);
    }
}
