//! Port drivers and binding drivers: by file, by environment, and what does not fit together.

mod fixture;

use fixture::Machine;
use kuryr_config::{BindingDriver, Settings};

fn driver(settings: &Settings) -> (BindingDriver, Option<&str>) {
    (settings.binding.driver, settings.binding.link_iface.as_deref())
}

#[test]
fn drivers_within_a_machine_are_taken_from_the_file() {
    let macvlan = Machine::with_conf(
        "[DEFAULT]\ndefault_port_driver = kuryr_libnetwork.port_driver.drivers.nested\n\
         enabled_port_drivers = kuryr_libnetwork.port_driver.drivers.nested\n[binding]\n\
         default_driver = kuryr.lib.binding.drivers.macvlan\nenabled_drivers = kuryr.lib.binding.drivers.macvlan\n\
         link_iface = ens3\n",
    )
    .settings();
    assert_eq!(driver(&macvlan), (BindingDriver::Macvlan, Some("ens3")));
    let ipvlan = Machine::with_conf(
        "[DEFAULT]\ndefault_port_driver = nested\nenabled_port_drivers = nested, veth\n[binding]\n\
         driver = ipvlan\nenabled_drivers = veth, macvlan, ipvlan\nlink_iface = eth0\n",
    )
    .settings();
    assert_eq!(driver(&ipvlan), (BindingDriver::Ipvlan, Some("eth0")));
}

#[test]
fn drivers_are_taken_from_the_environment() {
    let vlan = Machine::new().variables([
        ("OS_DEFAULT__DEFAULT_PORT_DRIVER", "vlan"),
        ("OS_DEFAULT__ENABLED_PORT_DRIVERS", "vlan"),
        ("OS_BINDING__DEFAULT_DRIVER", "kuryr.lib.binding.drivers.vlan"),
        ("OS_BINDING__ENABLED_DRIVERS", "vlan"),
        ("OS_BINDING__LINK_IFACE", "eth0"),
    ]);
    assert_eq!(driver(&vlan.settings()), (BindingDriver::Vlan, Some("eth0")));
}

#[test]
fn virtual_functions_are_used_beside_the_default_driver() {
    let sriov =
        |more: &str| Machine::with_conf(&format!("[DEFAULT]\nenabled_port_drivers = veth, sriov\n[binding]\n{more}\n"));
    let settings =
        sriov("enabled_drivers = kuryr.lib.binding.drivers.veth, kuryr.lib.binding.drivers.hw_veb").settings();
    assert_eq!((settings.binding.driver, settings.binding.sriov), (BindingDriver::Veth, true));
    let problems = sriov("").problems();
    assert!(problems.contains("needs 'hw_veb' in 'enabled_drivers'"), "{problems}");
}

#[test]
fn what_does_not_fit_is_said_by_the_option_to_change() {
    let nested = "[DEFAULT]\ndefault_port_driver = nested\nenabled_port_drivers = nested\n[binding]\n";
    let wrong = [
        ("[DEFAULT]\ndefault_port_driver = neste\n", "'neste' in 'default_port_driver' is no driver"),
        ("[DEFAULT]\nenabled_port_drivers = veth, x.y.vxlan\n", "'x.y.vxlan' in 'enabled_port_drivers' is no driver"),
        ("[DEFAULT]\ndefault_port_driver =\n", "'' in 'default_port_driver' is no driver"),
        ("[DEFAULT]\ndefault_port_driver = nested\n", "'nested', which 'enabled_port_drivers' does not have"),
        ("[binding]\ndefault_driver = bridge\n", "'bridge' in 'default_driver' is no driver"),
        ("[binding]\ndefault_driver = macvlan\n", "'macvlan', which 'enabled_drivers' does not have"),
        (
            "[binding]\ndefault_driver = macvlan\nenabled_drivers = macvlan\nlink_iface = eth0\n",
            "'macvlan', which does not go with 'default_port_driver', 'veth'",
        ),
        (nested, "'veth', which does not go with 'default_port_driver', 'nested'"),
        (
            &format!("{nested}default_driver = macvlan\nenabled_drivers = macvlan\n"),
            "'link_iface' is not set, and driver 'macvlan' needs it",
        ),
        (
            &format!("{nested}default_driver = macvlan\nenabled_drivers = macvlan\nlink_iface = a/b\n"),
            "wrong value for 'link_iface': 'a/b'",
        ),
        (
            "[DEFAULT]\ndefault_port_driver = sriov\nenabled_port_drivers = sriov\n",
            "'default_port_driver' is 'sriov', and ordinary ports have no virtual function",
        ),
    ];
    for (conf, expected) in wrong {
        let problems = Machine::with_conf(conf).problems();
        assert!(problems.contains(expected), "{conf}: {problems}");
        assert_eq!(problems.matches("error").count(), 1, "one problem, said once: {problems}");
    }
}
