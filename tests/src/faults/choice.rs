//! Which faults and deaths are tried: all that could be, or so many that nothing is left out.

use std::collections::{BTreeMap, BTreeSet};

use super::call::Call;
use super::case::Wrong;
use super::fault::Fault;
use super::operation::{Operation, Way};
use super::site::Kind;

/// How much of what could go wrong is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Each call goes wrong in one way, and all ways take turns; and Kuryr dies before or after each that changes something,
    /// in the first operation that makes it.
    Few,
    /// The same, and Kuryr dies wherever something outside has changed.
    Each,
    /// Each call goes wrong in each way, and Kuryr dies before and after each.
    Full,
}

/// An operation with the calls that it makes, in their order.
pub type Known = (Operation, Vec<Call>);

impl Extent {
    /// As the run was asked for, else what there is time for on this cloud.
    pub fn asked(kind: &Kind) -> Self {
        match kind {
            _ if std::env::var_os("KURYR_FAULTS_IN_FULL").is_some() => Self::Full,
            Kind::Embedded => Self::Each,
            Kind::OpenStack(_) => Self::Few,
        }
    }

    /// What is tried with each operation.
    pub fn cases(self, known: &[Known]) -> Vec<(Operation, Vec<Wrong>)> {
        let mut turns = Turns::default();
        let mut changes = BTreeSet::new();
        let of = |(operation, calls): &Known| {
            let calls = own_calls(*operation, calls, known);
            let mut tried = Vec::new();
            for call in calls {
                let befitting = Fault::OF_THE_CLOUD.into_iter().filter(|fault| fault.befits(&call.name));
                // A call that only asks leaves all as it was: what is outside is the same before and after.
                let kills = match self {
                    Self::Few if call.only_asks() || !changes.insert(call.clone()) => Vec::new(),
                    Self::Each if !call.only_asks() => Fault::KILLS.to_vec(),
                    Self::Few | Self::Each => turns.next(Fault::KILLS),
                    Self::Full => Fault::KILLS.to_vec(),
                };
                let faults = if self == Self::Full { befitting.collect() } else { turns.next(befitting) };
                tried.extend(kills.into_iter().chain(faults).map(|fault| Wrong::Call(call.clone(), fault)));
            }
            // Those that take longest come first.
            tried.sort_by_key(|wrong| !wrong.is_kill());
            (*operation, std::iter::once(Wrong::KillAfterAnswer).chain(tried).collect())
        };
        known.iter().map(of).collect()
    }
}

/// Of an operation by a Kuryr that was just started, only the calls that it makes on top.
fn own_calls(operation: Operation, calls: &[Call], known: &[Known]) -> Vec<Call> {
    let warm = Operation { way: Way::Warm, ..operation };
    let same = known.iter().filter(|(other, _)| operation.way == Way::Cold && *other == warm);
    let same: BTreeSet<&Call> = same.flat_map(|(_, calls)| calls).collect();
    calls.iter().filter(|call| !same.contains(call)).cloned().collect()
}

/// How often each fault has had its turn.
#[derive(Default)]
struct Turns(BTreeMap<Fault, usize>);

impl Turns {
    /// The one of these that has had the fewest.
    fn next(&mut self, faults: impl IntoIterator<Item = Fault>) -> Vec<Fault> {
        let next = faults.into_iter().min_by_key(|fault| self.0.get(fault).copied().unwrap_or_default());
        next.into_iter().inspect(|fault| *self.0.entry(*fault).or_default() += 1).collect()
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
    fn where_time_is_short_each_call_and_each_fault_has_its_turn() {
        let tried = tried(Extent::Few);
        let (kills, faults): (Vec<_>, Vec<_>) = tried.iter().partition(|(.., fault)| fault.is_kill());
        // Of 14 calls eight change something: four, which two operations make, one behind the answer.
        assert_eq!((kills.len(), faults.len()), (8, 14));
        assert_eq!(faults.iter().map(|(_, _, fault)| fault).collect::<BTreeSet<_>>().len(), Fault::OF_THE_CLOUD.len());
        assert_eq!(kills.iter().map(|(_, _, fault)| fault).collect::<BTreeSet<_>>().len(), Fault::KILLS.len());
    }
}
