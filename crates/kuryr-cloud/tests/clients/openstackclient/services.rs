//! QoS policies and trunks by the command `openstack`.

use super::OpenStack;
use serde_json::json;

pub(super) fn qos(openstack: &mut OpenStack) {
    openstack.json("network qos policy create --description d slow");
    let rule = openstack.json("network qos rule create --type bandwidth-limit --max-kbps 1000 --egress slow");
    let id = rule["id"].as_str().unwrap().to_owned();
    openstack.quiet(&format!("network qos rule set --max-kbps 2000 slow {id}"));
    assert_eq!(openstack.json(&format!("network qos rule show slow {id}"))["max_kbps"], 2000);
    assert_eq!(openstack.json("network qos rule list slow").as_array().unwrap().len(), 1);
    assert_eq!(openstack.json("network qos rule type list").as_array().unwrap().len(), 2);
    openstack.quiet("port set --qos-policy slow port");
    assert!(openstack.fails("network qos policy delete slow").contains("slow"));
    openstack.quiet("port unset --qos-policy port");
    openstack.quiet(&format!("network qos rule delete slow {id}"));
    openstack.quiet("network qos policy delete slow");
    assert_eq!(openstack.json("network qos policy list"), json!([]));
}

pub(super) fn trunks(openstack: &mut OpenStack) {
    for name in ["child", "cousin"] {
        openstack.json(&format!("port create --network net {name}"));
    }
    let id = |openstack: &mut OpenStack, name: &str| openstack.json(&format!("port show {name}"))["id"].clone();
    let (child, cousin) = (id(openstack, "child"), id(openstack, "cousin"));
    let subport =
        |port: &str, vlan: u16| format!("--subport port={port},segmentation-type=vlan,segmentation-id={vlan}");
    let create = format!("network trunk create --parent-port port {} trunk", subport("child", 5));
    let made = openstack.json(&create);
    let one = json!({"port_id": child, "segmentation_id": 5, "segmentation_type": "vlan"});
    assert_eq!(made["sub_ports"], json!([one]), "{made}");
    openstack.quiet(&format!("network trunk set --description d {} trunk", subport("cousin", 6)));
    let shown = openstack.json("network trunk show trunk");
    let two = json!({"port_id": cousin, "segmentation_id": 6, "segmentation_type": "vlan"});
    assert_eq!((&shown["sub_ports"], &shown["description"]), (&json!([one, two]), &json!("d")), "{shown}");
    assert_eq!(openstack.json("network subport list --trunk trunk").as_array().unwrap().len(), 2);
    assert_eq!(openstack.json("network trunk list")[0]["Parent Port"], made["port_id"]);
    assert!(openstack.json("port show port")["trunk_details"]["sub_ports"].is_array());
    assert!(openstack.fails("port delete child").contains("subport"), "in use");
    openstack.quiet("network trunk unset --subport cousin trunk");
    openstack.quiet("network trunk delete trunk");
    assert_eq!(openstack.json("network trunk list"), json!([]));
    openstack.quiet("port delete child cousin");
}
