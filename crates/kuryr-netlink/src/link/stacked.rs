//! Links on top of another link, and virtual functions of network cards. Numbers are those of `linux/if_link.h`.

use super::{
    FunctionChange, IFLA_ADDRESS, IFLA_IFNAME, IFLA_INFO_DATA, IFLA_INFO_KIND, IFLA_LINK, IFLA_LINKINFO, IFLA_MTU,
    Links, RTM_NEWLINK, RTM_SETLINK, Stacked, StackedSpec,
    request::{NLM_F_CREATE, NLM_F_EXCL, check_name, ifinfomsg},
};
use crate::{
    error::{Cause, During, Error},
    message::{Attributes, Message},
};

const IFLA_VFINFO_LIST: u16 = 22;
const IFLA_VF_INFO: u16 = 1;
const IFLA_VF_MAC: u16 = 1;
const IFLA_VF_VLAN: u16 = 2;
const IFLA_MACVLAN_MODE: u16 = 1;
const MACVLAN_MODE_BRIDGE: u32 = 4;
const IFLA_IPVLAN_MODE: u16 = 1;
const IPVLAN_MODE_L2: u16 = 0;
const IFLA_VLAN_ID: u16 = 1;
/// 0 is for frames with a priority alone, 4095 is reserved.
const VLANS: std::ops::RangeInclusive<u16> = 1..=4094;
/// Length of the address in `struct ifla_vf_mac`.
const VF_ADDRESS: usize = 32;

impl Links {
    /// Makes a link on top of another one. It is down.
    pub fn create_stacked(&mut self, spec: &StackedSpec<'_>) -> Result<(), Error> {
        let operation = match spec.kind {
            Stacked::Macvlan => "create macvlan",
            Stacked::Ipvlan => "create ipvlan",
            Stacked::Vlan(_) => "create vlan",
        };
        stacked(spec).and_then(|message| self.socket.request(message)).during(operation, spec.name)
    }

    /// Changes a virtual function of a network card, whose physical function has this index.
    pub fn set_function(&mut self, index: u32, change: &FunctionChange) -> Result<(), Error> {
        let object = format!("{} of link {index}", change.function);
        function(index, change).and_then(|message| self.socket.request(message)).during("set virtual function", &object)
    }
}

fn stacked(spec: &StackedSpec<'_>) -> Result<Message, Cause> {
    check_name(spec.name)?;
    let mut message = Message::new(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL)
        .fixed(&ifinfomsg(0, 0, 0))
        .text(IFLA_IFNAME, spec.name)
        .u32(IFLA_LINK, spec.parent)
        .maybe_bytes(IFLA_ADDRESS, spec.mac.as_ref().map(<[u8; 6]>::as_slice));
    if let Some(mtu) = spec.mtu {
        message = message.u32(IFLA_MTU, mtu);
    }
    let kind = match spec.kind {
        Stacked::Macvlan => "macvlan",
        Stacked::Ipvlan => "ipvlan",
        Stacked::Vlan(_) => "vlan",
    };
    if let Stacked::Vlan(id) = spec.kind {
        check_vlan(id)?;
    }
    Ok(message.nest(IFLA_LINKINFO, |info| {
        info.text(IFLA_INFO_KIND, kind).nest(IFLA_INFO_DATA, |data| match spec.kind {
            Stacked::Macvlan => data.u32(IFLA_MACVLAN_MODE, MACVLAN_MODE_BRIDGE),
            Stacked::Ipvlan => data.bytes(IFLA_IPVLAN_MODE, &IPVLAN_MODE_L2.to_ne_bytes()),
            Stacked::Vlan(id) => data.bytes(IFLA_VLAN_ID, &id.to_ne_bytes()),
        })
    }))
}

/// The id in what the kernel tells of a `vlan`.
pub(super) fn vlan_id(data: &[u8]) -> Option<u16> {
    let id = Attributes::find(data, IFLA_VLAN_ID)?;
    id.try_into().ok().map(u16::from_ne_bytes)
}

fn check_vlan(id: u16) -> Result<(), Cause> {
    if VLANS.contains(&id) { Ok(()) } else { Err(Cause::Invalid(format!("the VLAN id {id} is not in 1 to 4094"))) }
}

fn function(index: u32, change: &FunctionChange) -> Result<Message, Cause> {
    if let Some(vlan) = change.vlan.filter(|vlan| *vlan != 0) {
        check_vlan(vlan)?;
    }
    let number = change.function.to_ne_bytes();
    Ok(Message::new(RTM_SETLINK, 0).fixed(&ifinfomsg(index, 0, 0)).nest(IFLA_VFINFO_LIST, |list| {
        list.nest(IFLA_VF_INFO, |mut info| {
            if let Some(mac) = change.mac {
                let mut address = [0; VF_ADDRESS];
                address[..mac.len()].copy_from_slice(&mac);
                info = info.bytes(IFLA_VF_MAC, &[number.as_slice(), &address].concat());
            }
            if let Some(vlan) = change.vlan {
                let (vlan, priority) = (u32::from(vlan).to_ne_bytes(), 0_u32.to_ne_bytes());
                info = info.bytes(IFLA_VF_VLAN, &[number, vlan, priority].concat());
            }
            info
        })
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LinkChange, Namespace, PeerSpec, VethSpec, message::Messages};

    const MAC: [u8; 6] = [0xfa, 0x16, 0x3e, 1, 2, 3];

    fn with_parent() -> (Namespace, Links, u32) {
        let namespace = Namespace::anonymous().unwrap();
        let mut links = Links::open_in(&namespace).unwrap();
        let peer = PeerSpec { name: "other", mtu: 1500, ..PeerSpec::default() };
        links.create_veth(&VethSpec { name: "parent", mtu: 1500, up: true, peer, ..VethSpec::default() }).unwrap();
        let parent = links.get("parent").unwrap().unwrap().index;
        (namespace, links, parent)
    }

    #[test]
    fn a_macvlan_has_its_own_address_and_its_parents_wire() {
        let (_namespace, mut links, parent) = with_parent();
        let spec = StackedSpec { name: "t_c1", parent, kind: Stacked::Macvlan, mtu: Some(1400), mac: Some(MAC) };
        links.create_stacked(&spec).unwrap();
        let link = links.get("t_c1").unwrap().unwrap();
        assert!(link.is("macvlan") && !link.up, "{link:?}");
        assert_eq!((link.mtu, link.mac, link.peer_index), (1400, Some(MAC), Some(parent)));
        assert!(links.create_stacked(&spec).unwrap_err().is_exists());
        links.set(link.index, &LinkChange { up: Some(true), ..LinkChange::default() }).unwrap();
        let error = links.create_stacked(&StackedSpec { name: "t_c2", parent: 9999, ..spec }).unwrap_err();
        assert!(error.to_string().starts_with("create macvlan t_c2: "), "{error}");
    }

    #[test]
    fn vlan_ids_out_of_range_are_refused_before_the_kernel_sees_them() {
        let (_namespace, mut links, parent) = with_parent();
        for id in [0, 4095, u16::MAX] {
            let spec = StackedSpec { name: "v", parent, kind: Stacked::Vlan(id), mtu: None, mac: None };
            let error = links.create_stacked(&spec).unwrap_err();
            assert!(error.to_string().contains("not in 1 to 4094"), "{error}");
        }
        let error = links.set_function(parent, &FunctionChange { vlan: Some(4095), ..FunctionChange::default() });
        assert!(error.unwrap_err().to_string().contains("not in 1 to 4094"));
    }

    #[test]
    fn a_link_without_virtual_functions_says_so() {
        let (_namespace, mut links, parent) = with_parent();
        let change = FunctionChange { function: 3, mac: Some(MAC), vlan: Some(7) };
        let error = links.set_function(parent, &change).unwrap_err();
        assert!(error.to_string().starts_with(&format!("set virtual function 3 of link {parent}: ")), "{error}");
        assert_eq!(error.cause.errno(), Some(rustix::io::Errno::OPNOTSUPP), "{error}");
    }

    /// No kernel here has virtual functions: the bytes are compared with what `ip link set dev X vf 3 mac … vlan 7` of
    /// iproute2 6.1 sends, seen by strace; only that one leaves out the flag of nested attributes.
    #[test]
    fn a_virtual_function_is_set_as_iproute2_sets_it() {
        let change = FunctionChange { function: 3, mac: Some(MAC), vlan: Some(7) };
        let bytes = function(5, &change).unwrap().finish_with(1).unwrap();
        let message = Messages::new(&bytes).next().unwrap();
        let mut expected = ifinfomsg(5, 0, 0).to_vec();
        expected.extend([64, 0, 22, 0x80, 60, 0, 1, 0x80, 40, 0, 1, 0, 3, 0, 0, 0]);
        expected.extend(MAC);
        expected.extend([0; 26]);
        expected.extend([16, 0, 2, 0, 3, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!((message.kind, message.payload), (19, &expected[..]));
    }
}
