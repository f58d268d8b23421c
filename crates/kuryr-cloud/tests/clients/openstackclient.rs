//! The real command `openstack`, from PyPI, against the embedded cloud on a TCP port, with the `clouds.yaml` it wrote.

mod services;

use crate::{python, site::Site};
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

/// Runs commands of the client one after another in one Python, which saves a second each.
const DRIVER: &str = r#"
import contextlib, io, json, sys
from openstackclient import shell
answers = sys.stdout
for line in sys.stdin:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = shell.main(json.loads(line))
        except SystemExit as stop:
            code = stop.code
    print(json.dumps({"code": code or 0, "out": out.getvalue(), "err": err.getvalue()}), file=answers, flush=True)
"#;

struct OpenStack {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl OpenStack {
    fn start(python: &Path, clouds_yaml: &Path) -> Self {
        let mut child = Command::new(python)
            .args(["-c", DRIVER])
            .env("OS_CLOUD", "kuryr")
            .env("OS_CLIENT_CONFIG_FILE", clouds_yaml)
            .env("no_proxy", "127.0.0.1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let commands = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self { child, commands, answers }
    }

    /// Runs a command; answers what it printed, or what it complained of.
    fn attempt(&mut self, words: &[&str]) -> Result<String, String> {
        writeln!(self.commands, "{}", json!(words)).unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{words:?}: {error}: {line}"));
        let text = |key: &str| answer[key].as_str().unwrap().to_owned();
        if answer["code"] == 0 { Ok(text("out")) } else { Err(format!("{}{}", text("out"), text("err"))) }
    }

    /// Runs a command that prints JSON.
    fn json(&mut self, command: &str) -> Value {
        let words: Vec<&str> = command.split(' ').chain(["-f", "json"]).collect();
        let out = self.attempt(&words).unwrap_or_else(|error| panic!("openstack {command}: {error}"));
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("openstack {command}: {error}: {out}"))
    }

    /// Runs a command that prints nothing.
    fn quiet(&mut self, command: &str) {
        let words: Vec<&str> = command.split(' ').collect();
        let out = self.attempt(&words).unwrap_or_else(|error| panic!("openstack {command}: {error}"));
        assert_eq!(out.trim(), "", "openstack {command}");
    }

    /// Runs a command that has to fail, and says why.
    fn fails(&mut self, command: &str) -> String {
        let words: Vec<&str> = command.split(' ').collect();
        self.attempt(&words).expect_err(command)
    }
}

impl Drop for OpenStack {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_openstack_works() {
    let Some(python) = python::with("the_command_openstack_works", "python-openstackclient").await else { return };
    let site = Site::serve().await;
    let clouds_yaml = site.clouds_yaml();
    let driven = tokio::task::spawn_blocking(move || {
        let mut openstack = OpenStack::start(&python, &clouds_yaml);
        identity(&mut openstack);
        people(&mut openstack);
        application_credentials(&mut openstack);
        quotas(&mut openstack);
        networks(&mut openstack);
        ports(&mut openstack);
        groups(&mut openstack);
        address_groups(&mut openstack);
        default_rules(&mut openstack);
        sharing(&mut openstack);
        services::qos(&mut openstack);
        services::trunks(&mut openstack);
        routers(&mut openstack);
        cleared(&mut openstack);
    });
    let outcome = driven.await;
    site.stop().await;
    outcome.unwrap();
}

fn identity(openstack: &mut OpenStack) {
    let token = openstack.json("token issue");
    assert!(token["id"].as_str().unwrap().len() > 40, "{token}");
    assert_eq!(openstack.json("project list")[0]["Name"], "admin");
    assert_eq!(openstack.json("project show admin")["name"], "admin");
    assert_eq!(openstack.json("user list")[0]["Name"], "admin");
    assert_eq!(openstack.json("role assignment list --names")[0]["Role"], "admin");
    assert_eq!(openstack.json("endpoint list").as_array().unwrap().len(), 6);
    assert_eq!(openstack.json("catalog list").as_array().unwrap().len(), 2);
    assert_eq!(openstack.json("service list").as_array().unwrap().len(), 2);
    assert_eq!(openstack.json("region list").as_array().unwrap().len(), 1);
    let aliases = openstack.json("extension list --network");
    let has = |alias: &str| aliases.as_array().unwrap().iter().any(|extension| extension["Alias"] == alias);
    assert!(has("standard-attr-tag") && has("security-group"), "{aliases}");
    assert_eq!(openstack.json("extension show router")["alias"], "router");
}

fn people(openstack: &mut OpenStack) {
    assert_eq!(openstack.json("domain create --description d branch")["enabled"], true);
    assert_eq!(openstack.json("domain list").as_array().unwrap().len(), 2);
    let project = openstack.json("project create --domain branch --description d --enable shop");
    let user = openstack.json("user create --domain branch --password geheim --email e@x clerk");
    assert_eq!((&user["name"], &user["email"]), (&json!("clerk"), &json!("e@x")));
    let id = |thing: &Value| thing["id"].as_str().unwrap().to_owned();
    openstack.quiet("role add --user clerk --user-domain branch --project shop --project-domain branch member");
    openstack.quiet("role add --user clerk --user-domain branch --domain branch reader");
    let given =
        openstack.json(&format!("role assignment list --user {} --project {} --names", id(&user), id(&project)));
    assert_eq!((&given[0]["Role"], &given[0]["Project"]), (&json!("member"), &json!("shop@branch")), "{given}");
    let names = |list: &Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|one| one["Name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&openstack.json("project list --domain branch")), ["shop"]);
    assert_eq!(names(&openstack.json("user list --domain branch")), ["clerk"]);
    assert_eq!(names(&openstack.json(&format!("project list --user {}", id(&user)))), ["shop"]);
    openstack.quiet(&format!("user set --password other --disable {}", id(&user)));
    assert_eq!(openstack.json(&format!("user show {}", id(&user)))["enabled"], false);
    openstack.quiet(&format!("project set --name store {}", id(&project)));
    openstack.quiet("role remove --user clerk --user-domain branch --project store --project-domain branch member");
    openstack.json("role create guest");
    openstack.quiet("role set --name visitor guest");
    openstack.quiet("role delete visitor");
    assert!(openstack.fails("role delete member").contains("immutable"));
    assert!(openstack.fails("domain delete branch").contains("disable it first"));
    openstack.quiet("domain set --disable branch");
    openstack.quiet("domain delete branch");
    assert!(openstack.fails("user delete admin").contains("own administrator"));
    assert_eq!(names(&openstack.json("user list")), ["admin"]);
}

fn application_credentials(openstack: &mut OpenStack) {
    let made = openstack.json("application credential create --role member --expiration 2100-01-01T00:00:00 program");
    // Its versions differ in how they write the columns' names.
    let told = |shown: &Value, key: &str| -> String {
        let of_key = |(name, value): (&String, &Value)| name.eq_ignore_ascii_case(key).then(|| value.clone());
        let value = shown.as_object().unwrap().iter().find_map(of_key).unwrap_or_else(|| panic!("no {key}: {shown}"));
        value.as_str().unwrap_or_default().to_owned()
    };
    let secret = told(&made, "secret");
    assert!(secret.len() > 20, "{made}");
    assert_eq!(openstack.json("application credential list")[0]["Name"], "program");
    let shown = openstack.json("application credential show program");
    assert_eq!(told(&shown, "id"), told(&made, "id"));
    assert!(!shown.to_string().contains(&secret), "the secret is told once");
    openstack.quiet("application credential delete program");
    assert_eq!(openstack.json("application credential list"), json!([]));
}

fn quotas(openstack: &mut OpenStack) {
    let limit = |openstack: &mut OpenStack, kind: &str| -> i64 {
        let shown = openstack.json("quota show --network admin");
        let rows = shown.as_array().unwrap();
        let row = rows.iter().find(|row| row["Resource"] == kind).unwrap_or_else(|| panic!("no {kind}: {shown}"));
        row["Limit"].as_i64().unwrap()
    };
    assert_eq!(limit(openstack, "networks"), -1);
    openstack.quiet("quota set --networks 1 admin");
    assert_eq!(limit(openstack, "networks"), 1);
    openstack.json("network create first");
    assert!(openstack.fails("network create second").contains("Quota exceeded for resources: ['network']"));
    assert!(openstack.fails("quota set --networks 0 admin").contains("already used 1"));
    openstack.quiet("quota delete --network admin");
    assert_eq!(limit(openstack, "networks"), -1);
    openstack.quiet("network delete first");
}

fn networks(openstack: &mut OpenStack) {
    let network = openstack.json("network create --tag blue --tag red --description d net");
    assert_eq!(
        (&network["name"], &network["status"], &network["mtu"]),
        (&json!("net"), &json!("ACTIVE"), &json!(1500))
    );
    assert_eq!(openstack.json("network show net")["tags"], json!(["blue", "red"]));
    openstack.quiet("network set --name other --tag green --disable net");
    openstack.quiet("network unset --tag blue other");
    let shown = openstack.json("network show other");
    assert_eq!((&shown["tags"], &shown["admin_state_up"]), (&json!(["green", "red"]), &json!(false)));
    openstack.quiet("network set --name net --enable other");
    assert_eq!(openstack.json("network list --tags green,red")[0]["Name"], "net");
    assert_eq!(openstack.json("network list --any-tags pink"), json!([]));
    assert_eq!(openstack.json("network list --name net --long")[0]["State"], true);
    assert_eq!(openstack.json("network list --external"), json!([]));

    let pool = openstack.json("subnet pool create --pool-prefix 10.8.0.0/16 --default-prefix-length 24 --tag p pool");
    assert_eq!((&pool["prefixes"], &pool["default_prefixlen"]), (&json!(["10.8.0.0/16"]), &json!(24)));
    openstack.quiet("subnet pool set --description d pool");
    assert_eq!(openstack.json("subnet pool show pool")["description"], "d");
    assert_eq!(openstack.json("subnet pool list")[0]["Prefixes"], json!(["10.8.0.0/16"]));
    let subnet = openstack.json("subnet create --network net --subnet-pool pool pooled");
    assert_eq!(subnet["cidr"], "10.8.0.0/24");
    assert!(openstack.fails("subnet pool delete pool").contains("pool"));
    openstack.quiet("subnet delete pooled");

    let subnet = "subnet create --network net --subnet-range 10.0.0.0/24 --gateway 10.0.0.254 --dns-nameserver 9.9.9.9 \
                  --allocation-pool start=10.0.0.10,end=10.0.0.99 --host-route destination=10.5.0.0/16,gateway=10.0.0.3 --tag s sub";
    let subnet = openstack.json(subnet);
    assert_eq!((&subnet["gateway_ip"], &subnet["enable_dhcp"]), (&json!("10.0.0.254"), &json!(true)));
    assert_eq!(subnet["allocation_pools"], json!([{"start": "10.0.0.10", "end": "10.0.0.99"}]));
    openstack.quiet("subnet set --no-dhcp --dns-nameserver 8.8.8.8 --tag t sub");
    openstack.quiet("subnet unset --dns-nameserver 9.9.9.9 --tag s sub");
    let subnet = openstack.json("subnet show sub");
    assert_eq!((&subnet["dns_nameservers"], &subnet["tags"]), (&json!(["8.8.8.8"]), &json!(["t"])));
    assert_eq!(openstack.json("subnet list --network net --ip-version 4 --no-dhcp")[0]["Subnet"], "10.0.0.0/24");
    assert!(openstack.fails("network show nothing").contains("No Network found for nothing"));
    assert!(openstack.fails("subnet create --network net --subnet-range 10.0.0.0/25 twice").contains("overlap"));
}

fn ports(openstack: &mut OpenStack) {
    let port = openstack.json(
        "port create --network net --fixed-ip subnet=sub,ip-address=10.0.0.20 --host here --device d --tag p port",
    );
    assert_eq!(port["fixed_ips"][0]["ip_address"], "10.0.0.20");
    assert_eq!((&port["binding_vif_type"], &port["binding_host_id"]), (&json!("bridge"), &json!("here")));
    let mac = port["mac_address"].as_str().unwrap().to_owned();
    openstack.quiet("port set --name other --description d --fixed-ip subnet=sub,ip-address=10.0.0.21 --tag q port");
    openstack.quiet("port unset --fixed-ip subnet=sub,ip-address=10.0.0.20 --tag p other");
    let shown = openstack.json("port show other");
    assert_eq!(shown["fixed_ips"].as_array().unwrap().len(), 1, "{shown}");
    assert_eq!((&shown["fixed_ips"][0]["ip_address"], &shown["tags"]), (&json!("10.0.0.21"), &json!(["q"])));
    openstack.quiet("port set --name port other");
    for filter in [
        "--network net",
        "--fixed-ip ip-address=10.0.0.21",
        "--tags q",
        "--host here",
        "--device-id d",
        "--fixed-ip ip-substring=0.21",
    ] {
        assert_eq!(openstack.json(&format!("port list {filter}"))[0]["Name"], "port", "{filter}");
    }
    assert_eq!(openstack.json(&format!("port list --mac-address {mac}")).as_array().unwrap().len(), 1);
    assert_eq!(openstack.json("port list --fixed-ip ip-address=10.0.0.20"), json!([]));
    assert!(openstack.fails("port create --network net --fixed-ip ip-address=10.0.0.21 twice").contains("10.0.0.21"));
    assert!(openstack.fails("subnet delete sub").contains("sub"));
}

fn groups(openstack: &mut OpenStack) {
    let group = openstack.json("security group create --description d --tag g web");
    assert_eq!(group["rules"].as_array().unwrap().len(), 2, "{group}");
    let rule = openstack
        .json("security group rule create --ingress --protocol tcp --dst-port 80:90 --remote-ip 10.0.0.0/24 web");
    assert_eq!(
        (&rule["port_range_min"], &rule["port_range_max"], &rule["ether_type"]),
        (&json!(80), &json!(90), &json!("IPv4"))
    );
    openstack.json("security group rule create --egress --ethertype IPv6 --protocol ipv6-icmp --remote-group web web");
    assert_eq!(openstack.json("security group rule list web --ingress").as_array().unwrap().len(), 1);
    assert_eq!(
        openstack.json(&format!("security group rule show {}", rule["id"].as_str().unwrap()))["protocol"],
        "tcp"
    );
    openstack.quiet("security group set --name www --tag h web");
    openstack.quiet("security group unset --tag g www");
    let group = openstack.json("security group show www");
    assert_eq!((&group["tags"], &group["rules"].as_array().unwrap().len()), (&json!(["h"]), &4));
    openstack.quiet("port set --security-group www port");
    assert!(openstack.fails("security group delete www").contains("www"));
    openstack.quiet("port unset --security-group www port");
    openstack.quiet(&format!("security group rule delete {}", rule["id"].as_str().unwrap()));
    openstack.quiet("security group delete www");
    assert_eq!(openstack.json("security group list")[0]["Name"], "default");
}

fn routers(openstack: &mut OpenStack) {
    openstack.json("network create --external --share outside");
    openstack.json("subnet create --network outside --subnet-range 172.30.0.0/24 --no-dhcp outer");
    assert_eq!(openstack.json("network list --external")[0]["Name"], "outside");
    let router = openstack.json("router create --tag r router");
    assert_eq!((&router["name"], &router["admin_state_up"]), (&json!("router"), &json!(true)));
    openstack.quiet("router add subnet router sub");
    openstack.quiet("router set --external-gateway outside --description d --tag s router");
    let router = openstack.json("router show router");
    assert_eq!(router["external_gateway_info"]["enable_snat"], true, "{router}");
    assert_eq!(router["interfaces_info"][0]["ip_address"], "10.0.0.254", "{router}");
    openstack.quiet("router set --route destination=10.99.0.0/16,gateway=10.0.0.77 router");
    openstack.quiet("router unset --route destination=10.99.0.0/16,gateway=10.0.0.77 --tag r router");
    assert_eq!(openstack.json("router list --tags s")[0]["Name"], "router");
    assert!(openstack.fails("router delete router").contains("router"));
    floating_ips(openstack);
    openstack.quiet("router unset --external-gateway router");
    openstack.quiet("router remove subnet router sub");
    openstack.quiet("router delete router");
}

fn floating_ips(openstack: &mut OpenStack) {
    let address = openstack.json("floating ip create --port port --description d --tag f outside");
    assert_eq!(address["fixed_ip_address"], "10.0.0.21", "{address}");
    let id = address["id"].as_str().unwrap().to_owned();
    let ip = address["floating_ip_address"].as_str().unwrap();
    assert_eq!(openstack.json("floating ip list --port port")[0]["Floating IP Address"], ip);
    openstack.quiet(&format!("floating ip unset --port --tag f {ip}"));
    openstack.quiet(&format!("floating ip set --description e {ip}"));
    assert_eq!(openstack.json(&format!("floating ip show {ip}"))["description"], "e");
    let forwarding = openstack.json(&format!(
        "floating ip port forwarding create --internal-ip-address 10.0.0.21 --port port --internal-protocol-port 80 \
         --external-protocol-port 8080 --protocol tcp {id}"
    ));
    let forwarding = forwarding["id"].as_str().unwrap().to_owned();
    openstack.quiet(&format!("floating ip port forwarding set --internal-protocol-port 81 {id} {forwarding}"));
    let shown = openstack.json(&format!("floating ip port forwarding show {id} {forwarding}"));
    assert_eq!((&shown["internal_port"], &shown["external_port"]), (&json!(81), &json!(8080)), "{shown}");
    assert_eq!(openstack.json(&format!("floating ip port forwarding list {id}")).as_array().unwrap().len(), 1);
    openstack.quiet(&format!("floating ip port forwarding delete {id} {forwarding}"));
    openstack.quiet(&format!("floating ip delete {ip}"));
    assert_eq!(openstack.json("floating ip list"), json!([]));
}

fn address_groups(openstack: &mut OpenStack) {
    openstack.json("address group create --description d --address 10.5.0.0/16 friends");
    openstack.quiet("address group set --name others --address 10.6.0.0/16 friends");
    openstack.quiet("address group unset --address 10.5.0.0/16 others");
    assert_eq!(openstack.json("address group show others")["addresses"], json!(["10.6.0.0/16"]));
    assert_eq!(openstack.json("address group list")[0]["Name"], "others");
    openstack.quiet("address group delete others");
}

fn default_rules(openstack: &mut OpenStack) {
    let before = openstack.json("default security group rule list").as_array().unwrap().len();
    let rule =
        openstack.json("default security group rule create --ingress --protocol udp --dst-port 53 --for-custom-sg");
    let id = rule["id"].as_str().unwrap().to_owned();
    assert_eq!(openstack.json(&format!("default security group rule show {id}"))["protocol"], "udp");
    assert_eq!(openstack.json("default security group rule list").as_array().unwrap().len(), before + 1);
    openstack.quiet(&format!("default security group rule delete {id}"));
}

fn sharing(openstack: &mut OpenStack) {
    openstack.json("project create friends");
    let policy =
        openstack.json("network rbac create --target-project friends --action access_as_shared --type network net");
    let id = policy["id"].as_str().unwrap().to_owned();
    assert_eq!(policy["action"], "access_as_shared", "{policy}");
    assert_eq!(openstack.json("network rbac list --type network --action access_as_shared")[0]["ID"], id);
    openstack.quiet(&format!("network rbac set --target-project admin {id}"));
    let admin = openstack.json("project show admin");
    assert_eq!(openstack.json(&format!("network rbac show {id}"))["target_project_id"], admin["id"]);
    openstack.quiet(&format!("network rbac delete {id}"));
    assert_eq!(openstack.json("network rbac list"), json!([]));
    openstack.quiet("project delete friends");
}

fn cleared(openstack: &mut OpenStack) {
    openstack.quiet("port delete port");
    openstack.quiet("subnet delete sub outer");
    openstack.quiet("subnet pool delete pool");
    openstack.quiet("network delete net outside");
    for list in ["network list", "subnet list", "subnet pool list", "port list", "router list"] {
        assert_eq!(openstack.json(list), json!([]), "{list}");
    }
}
