//! A cloud that is away: known, so that what can wait for it does not wait for it again and again.

use crate::Error;
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// So many calls in a row without an answer are no accident of one of them.
const ENOUGH: usize = 2;
/// For so long after them nothing is expected of the next one.
const LASTS: Duration = Duration::from_secs(10);

tokio::task_local! {
    static IF_THERE: ();
}

/// Runs something that can be done later as well: while the cloud is known to be away, its calls fail at once with the
/// error by which that became known, and are not made.
pub async fn if_there<F: Future>(work: F) -> F::Output {
    IF_THERE.scope((), work).await
}

/// The last call without an answer, and how many there were in a row.
#[derive(Debug, Default)]
pub(super) struct Absence {
    last: Mutex<Option<(Instant, usize, Error)>>,
}

impl Absence {
    /// A call has ended.
    pub(super) fn observe<T>(&self, result: &Result<T, Error>) {
        match result {
            Err(error) if error.tells_of_absence() => {
                let mut last = self.last();
                let before = last.as_ref().map_or(0, |(_, count, _)| *count);
                *last = Some((Instant::now(), before + 1, error.clone()));
            }
            // Those that end before anything is sent say nothing about the cloud.
            Err(Error::OutOfTime { .. } | Error::Invalid { .. } | Error::NoEndpoint { .. }) => {}
            _ => *self.last() = None,
        }
    }

    /// How it became known, if the cloud is away.
    pub(super) fn known(&self) -> Option<Error> {
        let last = self.last();
        let known = last.as_ref().filter(|(since, count, _)| since.elapsed() < LASTS && *count >= ENOUGH);
        known.map(|(_, _, error)| error.clone())
    }

    /// The same for a call that can wait.
    pub(super) fn spares(&self) -> Option<Error> {
        IF_THERE.try_with(|()| ()).ok()?;
        self.known()
    }

    fn last(&self) -> MutexGuard<'_, Option<(Instant, usize, Error)>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Call, TransportError};

    fn refused() -> Result<(), Error> {
        let call = Call {
            method: http::Method::GET,
            url: "http://cloud".to_owned(),
            request_id: "req-1".to_owned(),
            answered_as: None,
        };
        Err(Error::Transport { call: Box::new(call), source: TransportError::Connect { reason: "refused".to_owned() } })
    }

    #[tokio::test(start_paused = true)]
    async fn an_absence_is_known_until_an_answer_or_for_a_while() {
        let absence = Absence::default();
        assert!(absence.known().is_none());
        absence.observe(&refused());
        assert!(absence.known().is_none(), "it may be this call alone");
        absence.observe(&refused());
        assert!(absence.known().is_some() && absence.spares().is_none());
        assert!(if_there(async { absence.spares() }).await.is_some());
        absence.observe(&Ok(()));
        assert!(absence.known().is_none());
        absence.observe(&refused());
        absence.observe(&refused());
        tokio::time::advance(LASTS).await;
        assert!(absence.known().is_none());
    }
}
