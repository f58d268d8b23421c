//! What an operator can set about plugging (`[binding]` of kuryr.conf, and `bindir`).

use kuryr_ovsdb::Address;
use std::{path::PathBuf, time::Duration};

/// What an operator can set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Directory of binding scripts.
    pub bindir: PathBuf,
    /// Where Open vSwitch's database is.
    pub ovsdb: Address,
    /// What container interfaces are.
    pub driver: Driver,
    /// The virtual machine's interface that containers share; drivers other than veth need it.
    pub link_interface: Option<String>,
    /// Ports of virtual functions (SR-IOV) may be plugged.
    pub sriov: bool,
    /// How long a binding script may run.
    pub script_deadline: Duration,
    /// Where the kernel shows its devices.
    pub sysfs: PathBuf,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            bindir: PathBuf::from("/usr/libexec/kuryr"),
            ovsdb: Address::default(),
            driver: Driver::Veth,
            link_interface: None,
            sriov: false,
            script_deadline: Duration::from_secs(60),
            sysfs: PathBuf::from("/sys"),
        }
    }
}

/// What container interfaces are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Driver {
    /// One end of a pair; the other is connected as the port's `binding:vif_type` says.
    #[default]
    Veth,
    /// On top of the machine's interface, with addresses of their own.
    Macvlan,
    /// On top of the machine's interface, with its Ethernet address.
    Ipvlan,
    /// A VLAN of the machine's interface: a subport of its trunk.
    Vlan,
}
