//! What an operator can set about plugging (`[binding]` of kuryr.conf, and `bindir`).

use kuryr_ovsdb::Address;
use std::{path::PathBuf, str::FromStr, time::Duration};

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

impl FromStr for Driver {
    type Err = UnknownDriver;

    fn from_str(name: &str) -> Result<Self, UnknownDriver> {
        match name {
            "veth" => Ok(Self::Veth),
            "macvlan" => Ok(Self::Macvlan),
            "ipvlan" => Ok(Self::Ipvlan),
            "vlan" => Ok(Self::Vlan),
            _ => Err(UnknownDriver { name: name.to_owned() }),
        }
    }
}

/// A name that no driver has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is no binding driver; expected veth, macvlan, ipvlan or vlan (default_driver in [binding])")]
pub struct UnknownDriver {
    /// The name.
    pub name: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drivers_have_their_names() {
        for (name, driver) in
            [("veth", Driver::Veth), ("macvlan", Driver::Macvlan), ("ipvlan", Driver::Ipvlan), ("vlan", Driver::Vlan)]
        {
            assert_eq!(name.parse(), Ok(driver));
        }
        let error = "Veth".parse::<Driver>().unwrap_err().to_string();
        assert!(error.contains("\"Veth\"") && error.contains("veth, macvlan, ipvlan or vlan"), "{error}");
    }
}
