//! Port drivers and binding drivers: two options that say one thing, and what else must fit to it.

use crate::{
    diagnostic::{Diagnostic, visible},
    settings::BindingDriver,
    values::Values,
};

/// How an endpoint becomes an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PortDriver {
    Veth,
    Nested,
    Vlan,
    Sriov,
}

/// How interfaces are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Making {
    Stack(BindingDriver),
    /// The settings of a virtual function.
    Function,
}

trait Named: Copy + PartialEq + 'static {
    /// All there are, with their names.
    const NAMES: &'static [(&'static str, Self)];

    fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, driver)| *driver)
    }

    fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, driver)| *driver == self).map_or("", |(name, _)| *name)
    }

    fn expected() -> String {
        let names: Vec<String> = Self::NAMES.iter().map(|(name, _)| format!("'{name}'")).collect();
        format!("expected one of {}, or a module path that ends in it", names.join(", "))
    }
}

impl Named for PortDriver {
    const NAMES: &'static [(&'static str, Self)] =
        &[("veth", Self::Veth), ("nested", Self::Nested), ("vlan", Self::Vlan), ("sriov", Self::Sriov)];
}

impl Named for Making {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("veth", Self::Stack(BindingDriver::Veth)),
        ("macvlan", Self::Stack(BindingDriver::Macvlan)),
        ("ipvlan", Self::Stack(BindingDriver::Ipvlan)),
        ("vlan", Self::Stack(BindingDriver::Vlan)),
        ("hw_veb", Self::Function),
    ];
}

impl PortDriver {
    /// The ways of making an interface that go with it.
    fn makings(self) -> &'static [Making] {
        match self {
            Self::Veth => &[Making::Stack(BindingDriver::Veth)],
            Self::Nested => &[Making::Stack(BindingDriver::Macvlan), Making::Stack(BindingDriver::Ipvlan)],
            Self::Vlan => &[Making::Stack(BindingDriver::Vlan)],
            Self::Sriov => &[Making::Function],
        }
    }
}

/// What the drivers' options come to.
pub(crate) struct Drivers {
    pub(crate) driver: BindingDriver,
    pub(crate) sriov: bool,
    pub(crate) link_iface: Option<String>,
}

/// Reads the options. What is wrong is told, by the option to change.
pub(crate) fn read(values: &Values<'_>, problems: &mut Vec<Diagnostic>) -> Drivers {
    let before = problems.len();
    let (port, ports) =
        choice::<PortDriver>(values, ("DEFAULT", "default_port_driver", "enabled_port_drivers"), problems);
    let (making, makings) = choice::<Making>(values, ("binding", "default_driver", "enabled_drivers"), problems);
    let link_iface = values.text("binding", "link_iface").filter(|name| !name.is_empty()).map(str::to_owned);
    let driver = match making {
        Some(Making::Stack(driver)) => driver,
        _ => BindingDriver::Veth,
    };
    let drivers = Drivers { driver, sriov: ports.contains(&PortDriver::Sriov), link_iface };
    if problems.len() == before
        && let (Some(port), Some(making)) = (port, making)
    {
        problems.extend(contradiction(values, port, making, &drivers, &makings));
    }
    drivers
}

/// The default driver and the enabled ones, checked each for itself.
fn choice<D: Named>(
    values: &Values<'_>,
    (group, name, enabled_name): (&'static str, &'static str, &'static str),
    problems: &mut Vec<Diagnostic>,
) -> (Option<D>, Vec<D>) {
    let mut known = |name: &str, written: &str| {
        let driver = D::named(bare(written));
        if driver.is_none() {
            let message = format!("'{}' in '{name}' is no driver", visible(written));
            problems.push(values.problem_with(group, name, &message, &D::expected()));
        }
        driver
    };
    let written = values.list(group, enabled_name).iter().filter(|driver| !driver.trim().is_empty());
    let enabled: Vec<Option<D>> = written.map(|driver| known(enabled_name, driver)).collect();
    let default = known(name, values.text(group, name).unwrap_or_default());
    let is_whole = enabled.iter().all(Option::is_some);
    let enabled: Vec<D> = enabled.into_iter().flatten().collect();
    if let Some(driver) = default
        && is_whole
        && !enabled.contains(&driver)
    {
        let message = format!("'{name}' is '{}', which '{enabled_name}' does not have", driver.name());
        let label = format!("expected '{}' among them", driver.name());
        problems.push(values.problem_with(group, enabled_name, &message, &label));
    }
    (default, enabled)
}

/// What keeps drivers from working together that are each right.
fn contradiction(
    values: &Values<'_>,
    port: PortDriver,
    making: Making,
    drivers: &Drivers,
    enabled: &[Making],
) -> Option<Diagnostic> {
    let problem = |group, name, message: &str, label: &str| Some(values.problem_with(group, name, message, label));
    if port == PortDriver::Sriov {
        let message = "'default_port_driver' is 'sriov', and ordinary ports have no virtual function";
        let label = "expected 'veth', 'nested' or 'vlan'; ports of virtual functions need 'sriov' in 'enabled_port_drivers' alone";
        return problem("DEFAULT", "default_port_driver", message, label);
    }
    if !port.makings().contains(&making) {
        let wanted: Vec<String> = port.makings().iter().map(|making| format!("'{}'", making.name())).collect();
        let message = format!(
            "'default_driver' is '{}', which does not go with 'default_port_driver', '{}'",
            making.name(),
            port.name()
        );
        return problem("binding", "default_driver", &message, &format!("expected {}", wanted.join(" or ")));
    }
    if drivers.sriov && !enabled.contains(&Making::Function) {
        let message = "'enabled_port_drivers' has 'sriov', which needs 'hw_veb' in 'enabled_drivers'";
        return problem("binding", "enabled_drivers", message, "expected 'hw_veb' among them");
    }
    match &drivers.link_iface {
        None if drivers.driver != BindingDriver::Veth => {
            let message = format!("'link_iface' is not set, and driver '{}' needs it", making.name());
            problem("binding", "link_iface", &message, "expected the virtual machine's interface, as in 'eth0'")
        }
        Some(name) if !is_interface(name) => {
            let message = format!("wrong value for 'link_iface': '{}'", visible(name));
            let label = "expected an interface's name: 1 to 15 characters without blanks, '/' and ':'";
            problem("binding", "link_iface", &message, label)
        }
        _ => None,
    }
}

/// Whether the kernel would take that for an interface's name.
fn is_interface(name: &str) -> bool {
    name.len() <= 15
        && !matches!(name, "." | "..")
        && name.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '/' | ':'))
}

/// A driver's bare name: the last part of a Python module path.
fn bare(driver: &str) -> &str {
    driver.rsplit('.').next().unwrap_or(driver).trim()
}
