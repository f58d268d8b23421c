//! Which faults and deaths are tried: all that could be, or so many that nothing is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

use super::call::Call;
use super::case::Wrong;
use super::fault::Fault;
use super::operation::{Operation, Way};
use super::site::Kind;
use crate::dice::Dice;

/// Rounds of a run with a few.
const ROUNDS: usize = 2;
/// Cases of each operation in one of them: Kuryr dies once, and these faults.
const FAULTS_IN_A_ROUND: usize = 2;
/// One round of one operation.
pub const ROUND: usize = 1 + FAULTS_IN_A_ROUND;

/// How much of what could go wrong is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// A few of each operation by chance, which follows from this number: one round has each operation, each fault and
    /// each kind of death, and so has the next.
    Few(u64),
    /// Each call goes wrong in one way, and all ways take turns; and Kuryr dies wherever something outside has changed.
    Each,
    /// Each call goes wrong in each way, and Kuryr dies before and after each.
    Full,
}

/// An operation with the calls that it makes, in their order.
pub type Known = (Operation, Vec<Call>);

impl Extent {
    /// As the run was asked for, else what there is time for on this cloud.
    ///
    /// # Errors
    /// The seed is not a number.
    pub fn asked(kind: &Kind) -> Result<Self> {
        Ok(match kind {
            _ if std::env::var_os("KURYR_FAULTS_IN_FULL").is_some() => Self::Full,
            Kind::Embedded => Self::Each,
            Kind::OpenStack(_) => Self::Few(seed()?),
        })
    }

    /// What is tried with each operation.
    pub fn cases(self, known: &[Known]) -> Vec<(Operation, Vec<Wrong>)> {
        if let Self::Few(seed) = self {
            return few(seed, known);
        }
        let mut turns = Turns::default();
        let of = |(operation, calls): &Known| {
            let calls = own_calls(*operation, calls, known);
            let mut tried = Vec::new();
            for call in calls {
                let befitting = Fault::OF_THE_CLOUD.into_iter().filter(|fault| fault.befits(&call.name));
                // A call that only asks leaves all as it was: what is outside is the same before and after.
                let kills = match self {
                    Self::Each if call.only_asks() => turns.next(Fault::KILLS).into_iter().collect(),
                    _ => Fault::KILLS.to_vec(),
                };
                let faults =
                    if self == Self::Full { befitting.collect() } else { Vec::from_iter(turns.next(befitting)) };
                tried.extend(kills.into_iter().chain(faults).map(|fault| Wrong::Call(call.clone(), fault)));
            }
            // Those that take longest come first.
            tried.sort_by_key(|wrong| !wrong.is_kill());
            (*operation, std::iter::once(Wrong::KillAfterAnswer).chain(tried).collect())
        };
        known.iter().map(of).collect()
    }
}

/// The one that was asked for, else today's, so that each day has another choice.
fn seed() -> Result<u64> {
    if let Ok(text) = std::env::var("KURYR_FAULTS_SEED") {
        return text.parse().with_context(|| format!("KURYR_FAULTS_SEED={text} is not a number"));
    }
    let days = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs() / (24 * 60 * 60));
    Ok(days)
}

/// Round by round, in each of them each operation.
fn few(seed: u64, known: &[Known]) -> Vec<(Operation, Vec<Wrong>)> {
    let mut dice = Dice::new(seed, "faults");
    let (mut faults, mut deaths) = (Turns::default(), Turns::default());
    // Kuryr has died there.
    let mut fatal = BTreeSet::new();
    let with_calls = |(operation, calls): &Known| {
        let own = own_calls(*operation, calls, known);
        (*operation, if own.is_empty() { calls.clone() } else { own }, Vec::new())
    };
    let mut chosen = dice.shuffled(known.iter().map(with_calls));
    for _ in 0..ROUNDS {
        for (_, calls, cases) in &mut chosen {
            let death = deaths.next(dice.shuffled(Fault::KILLS.map(Some).into_iter().chain([None])));
            let call = fatal_call(&mut dice, calls, &fatal);
            cases.push(match (death.flatten(), call) {
                (Some(fault), Some(call)) => {
                    fatal.insert(call.name.clone());
                    Wrong::Call(call, fault)
                }
                _ => Wrong::KillAfterAnswer,
            });
            for _ in 0..FAULTS_IN_A_ROUND {
                // The one that befits the fewest calls goes first, or it would never have its turn.
                let mut all = dice.shuffled(Fault::OF_THE_CLOUD);
                all.sort_by_key(|fault| calls.iter().filter(|call| fault.befits(&call.name)).count());
                let befits = |fault: &Fault| calls.iter().any(|call| fault.befits(&call.name));
                let Some(fault) = faults.next(all.into_iter().filter(befits)) else { continue };
                let befitting: Vec<&Call> = calls.iter().filter(|call| fault.befits(&call.name)).collect();
                cases.extend(dice.pick(&befitting).map(|call| Wrong::Call((*call).clone(), fault)));
            }
        }
    }
    chosen.into_iter().map(|(operation, _, cases)| (operation, cases)).collect()
}

/// Of an operation by a Kuryr that was just started, only the calls that it makes on top.
fn own_calls(operation: Operation, calls: &[Call], known: &[Known]) -> Vec<Call> {
    let warm = Operation { way: Way::Warm, ..operation };
    let same = known.iter().filter(|(other, _)| operation.way == Way::Cold && *other == warm);
    let same: BTreeSet<&Call> = same.flat_map(|(_, calls)| calls).collect();
    calls.iter().filter(|call| !same.contains(call)).cloned().collect()
}

/// A call at which Kuryr dies: if there is one, of a kind that changes something and at which it has not died yet.
fn fatal_call(dice: &mut Dice, calls: &[Call], fatal: &BTreeSet<String>) -> Option<Call> {
    let changes = |call: &&Call| !call.only_asks();
    let is_new = |call: &&Call| changes(call) && !fatal.contains(&call.name);
    let some = |wanted: &dyn Fn(&&Call) -> bool| calls.iter().filter(wanted).collect::<Vec<_>>();
    let sets = [some(&is_new), some(&changes), some(&|_| true)];
    let set = sets.iter().find(|set| !set.is_empty())?;
    dice.pick(set).map(|call| (*call).clone())
}

/// How often each of several things has had its turn.
struct Turns<T>(BTreeMap<T, usize>);

impl<T> Default for Turns<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Copy + Ord> Turns<T> {
    /// The one of these that has had the fewest.
    fn next(&mut self, all: impl IntoIterator<Item = T>) -> Option<T> {
        let next = all.into_iter().min_by_key(|one| self.0.get(one).copied().unwrap_or_default());
        next.inspect(|one| *self.0.entry(*one).or_default() += 1)
    }
}

#[cfg(test)]
mod tests {
    use super::super::operation::Deed;
    use super::*;

    fn call(name: &str) -> Call {
        Call { name: name.to_owned(), occurrence: 0, behind: false }
    }

    fn known() -> Vec<Known> {
        let names = ["GET subnets", "POST ports", "PUT ports/*", "DELETE ports/*", "GET ports", "POST networks"];
        let of = |way| Operation { deed: Deed::Start, way };
        let warm: Vec<Call> = names.into_iter().map(call).collect();
        let cold = warm.iter().cloned().chain([call("POST auth/tokens"), call("GET extensions")]).collect();
        let ready = names.map(|name| Call { behind: true, ..call(name) }).to_vec();
        vec![(of(Way::Warm), warm), (of(Way::Cold), cold), (of(Way::Ready), ready)]
    }

    fn tried(extent: Extent) -> Vec<(Operation, Call, Fault)> {
        let cases = extent.cases(&known());
        assert!(cases.iter().all(|(_, cases)| matches!(cases[0], Wrong::KillAfterAnswer)));
        let each =
            cases.into_iter().flat_map(|(operation, cases)| cases.into_iter().map(move |case| (operation, case)));
        let call = |(operation, case)| match case {
            Wrong::Call(call, fault) => Some((operation, call, fault)),
            Wrong::KillAfterAnswer => None,
        };
        each.filter_map(call).collect()
    }

    #[test]
    fn in_full_each_call_goes_wrong_in_each_way() {
        let tried = tried(Extent::Full);
        // 6 and 2 and 6 calls; of 13 faults one befits only the two kinds of creation in two of the operations.
        assert_eq!(tried.len(), 14 * (12 + 2) + 4);
        assert!(tried.iter().all(|(_, call, fault)| fault.befits(&call.name)));
    }

    #[test]
    fn otherwise_each_call_each_fault_and_each_death_has_its_turn() {
        let tried = tried(Extent::Each);
        // Six of the calls only ask, for which one death is enough.
        assert_eq!(tried.len(), 14 * 3 - 6);
        let kills = tried.iter().filter(|(.., fault)| fault.is_kill());
        assert_eq!(kills.map(|(operation, call, _)| (operation, call)).collect::<BTreeSet<_>>().len(), 14);
        let faults: BTreeSet<Fault> = tried.iter().map(|(.., fault)| *fault).collect();
        assert_eq!(faults.len(), Fault::OF_THE_CLOUD.len() + Fault::KILLS.len());
        assert!(tried.iter().all(|(_, call, fault)| fault.befits(&call.name)));
    }

    #[test]
    fn one_round_has_each_operation_each_fault_and_each_death() {
        let asks = ["GET subnets", "GET ports"].map(call);
        let of = |operation: Operation| {
            let makes = operation.deed == Deed::NetworkCreate && operation.way == Way::Warm;
            let change = call(if makes { "POST networks" } else { "PUT ports/*" });
            (operation, asks.iter().cloned().chain([change]).collect())
        };
        let known: Vec<Known> = Operation::all().map(of).collect();
        let titles = |seed| -> Vec<String> {
            let all = Extent::Few(seed).cases(&known).into_iter();
            all.flat_map(|(operation, cases)| cases.into_iter().map(move |case| format!("{operation}: {case}")))
                .collect()
        };
        for seed in 0..100 {
            let cases = Extent::Few(seed).cases(&known);
            assert_eq!(cases.len(), known.len());
            for round in 0..ROUNDS {
                let (mut faults, mut deaths) = (BTreeSet::new(), BTreeSet::new());
                for (_, cases) in &cases {
                    let cases = &cases[round * ROUND..(round + 1) * ROUND];
                    assert_eq!(cases.iter().filter(|case| case.is_kill()).count(), 1);
                    for case in cases {
                        match case {
                            Wrong::Call(call, fault) if fault.is_kill() => {
                                assert!(!call.only_asks());
                                deaths.insert(Some(*fault));
                            }
                            Wrong::Call(call, fault) => {
                                assert!(fault.befits(&call.name));
                                faults.insert(*fault);
                            }
                            Wrong::KillAfterAnswer => drop(deaths.insert(None)),
                        }
                    }
                }
                assert_eq!((faults.len(), deaths.len()), (Fault::OF_THE_CLOUD.len(), 3), "seed {seed}, round {round}");
            }
            assert_eq!(titles(seed), titles(seed));
            assert_ne!(titles(seed), titles(seed + 1));
        }
    }
}
