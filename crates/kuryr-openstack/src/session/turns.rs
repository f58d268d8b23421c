//! Turns: how many calls a cloud is given at a time, and which ones first.
//!
//! A Neutron does a few things at a time, however many it is asked for: of what it has begun all at once, all ends last. So
//! no more calls are under way than it does at a time, and of those that wait the one goes first whose operation began
//! first: most operations end long before the last one, which ends no later.

use super::pace::{Kind, Pace};
use http::Response;
use std::{
    collections::BTreeMap,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout},
};

/// A call that takes longer does not count any more: a few that hang must not hold up the rest.
const COUNTED: Duration = Duration::from_secs(1);

/// The turns at one cloud. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Turns(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    pace: Pace,
    under_way: usize,
    waiting: BTreeMap<Place, oneshot::Sender<()>>,
    asked: u64,
}

/// When the operation began of which a call is a part, and how many have asked before it.
type Place = (Instant, u64);

impl Turns {
    /// Waits for a turn, before all whose operation began later than `since`.
    pub(super) async fn take(&self, since: Instant) -> Turn {
        let (grant, granted) = oneshot::channel();
        let mut waiting = {
            let mut state = self.state();
            state.asked += 1;
            let place = (since, state.asked);
            state.waiting.insert(place, grant);
            state.hand_out();
            Waiting { turns: self, place: Some(place) }
        };
        // Nobody but ourselves drops the sender of our place.
        let _ = granted.await;
        waiting.place = None;
        let beside = self.state().under_way;
        Turn { slot: Slot(self.clone()), beside, began: Instant::now() }
    }

    /// How many calls may be under way at a time, as far as is known by now.
    pub(super) fn at_a_time(&self) -> usize {
        self.state().pace.limit()
    }

    /// How many calls wait for their turn.
    pub(super) fn waiting(&self) -> usize {
        self.state().waiting.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give_back(&self) {
        let mut state = self.state();
        state.under_way = state.under_way.saturating_sub(1);
        state.hand_out();
    }
}

impl State {
    fn hand_out(&mut self) {
        while self.under_way < self.pace.limit() {
            let Some((_, grant)) = self.waiting.pop_first() else { return };
            // Whoever has given up in this moment is passed over.
            if grant.send(()).is_ok() {
                self.under_way += 1;
            }
        }
    }
}

/// Somebody who waits and may give up.
struct Waiting<'a> {
    turns: &'a Turns,
    /// `None`: the turn was taken.
    place: Option<Place>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let Some(place) = self.place else { return };
        let was_granted = self.turns.state().waiting.remove(&place).is_none();
        if was_granted {
            self.turns.give_back();
        }
    }
}

/// A call may be under way.
#[derive(Debug)]
pub(super) struct Turn {
    slot: Slot,
    /// How many calls were under way when this one began, with itself.
    beside: usize,
    began: Instant,
}

/// What counts as one call under way until it is dropped.
#[derive(Debug)]
struct Slot(Turns);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.give_back();
    }
}

impl Turn {
    /// Makes the call. How long a success took tells how many of its kind the cloud does at a time.
    pub(super) async fn make<B, E>(
        self,
        kind: Option<Kind>,
        call: impl Future<Output = Result<Response<B>, E>>,
    ) -> Result<Response<B>, E> {
        let Self { slot, beside, began } = self;
        let turns = slot.0.clone();
        let mut call = pin!(call);
        let result = match timeout(COUNTED, &mut call).await {
            Ok(result) => result,
            Err(_) => {
                drop(slot);
                call.await
            }
        };
        if let (Some(kind), Ok(answer)) = (kind, &result)
            && answer.status().is_success()
        {
            turns.state().pace.learn(kind, began.elapsed(), beside);
        }
        result
    }
}
