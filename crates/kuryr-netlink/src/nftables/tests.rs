//! Against the kernel, with the `nft` program as a second opinion where it is installed.

use super::{Expression as E, *};
use crate::Namespace;
use std::process::Command;

fn mark_rule(comment: &str, verdict: Verdict) -> Rule {
    let rule = vec![
        E::Meta(Meta::InputName, Register::One),
        E::Compare(Register::One, Comparison::Equal, interface_name("tap1")),
        E::Verdict(verdict),
    ];
    Rule::new(rule, comment)
}

fn base(hook: Hook, priority: i32) -> Option<Base> {
    Some(Base { kind: ChainKind::Filter, hook, priority })
}

/// A bridge table with one of each.
fn table() -> Table {
    let mut table = Table::default();
    let one = Register::One;
    table.chains.insert(
        "first".to_owned(),
        Chain {
            base: base(Hook::Prerouting, -300),
            rules: vec![
                mark_rule("by name", Verdict::Jump("port".to_owned())),
                Rule::new(vec![E::Meta(Meta::InputName, one), E::VerdictMap(one, "ports".to_owned())], ""),
                Rule::new(vec![E::Counter, E::Verdict(Verdict::Drop)], "rest"),
            ],
        },
    );
    let payload = |header, offset, length| E::Payload { header, offset, length, register: one };
    table.chains.insert(
        "port".to_owned(),
        Chain {
            base: None,
            rules: vec![
                Rule::new(vec![E::Constant(one, 7_u32.to_ne_bytes().to_vec()), E::SetMark(one)], ""),
                Rule::new(
                    vec![
                        payload(Header::Link, 12, 2),
                        E::Compare(one, Comparison::Equal, vec![8, 0]),
                        payload(Header::Network, 12, 4),
                        E::Bitwise { register: one, mask: vec![255, 255, 255, 0], xor: vec![0; 4] },
                        E::Compare(one, Comparison::NotEqual, vec![10, 0, 0, 0]),
                        E::Verdict(Verdict::Return),
                    ],
                    "",
                ),
                Rule::new(
                    vec![
                        E::Meta(Meta::Protocol, one),
                        E::Compare(one, Comparison::Equal, vec![8, 0]),
                        E::Meta(Meta::Transport, one),
                        E::Compare(one, Comparison::Equal, vec![6]),
                        payload(Header::Transport, 2, 2),
                        E::Range(one, vec![0, 80], vec![0, 90]),
                        E::Verdict(Verdict::Accept),
                    ],
                    "web",
                ),
                Rule::new(
                    vec![
                        E::Meta(Meta::Protocol, one),
                        E::Compare(one, Comparison::Equal, vec![8, 0]),
                        payload(Header::Network, 12, 4),
                        E::InSet(one, "hosts".to_owned()),
                        payload(Header::Network, 16, 4),
                        E::NotInSet(one, "nets".to_owned()),
                        E::Verdict(Verdict::Goto("end".to_owned())),
                    ],
                    "",
                ),
            ],
        },
    );
    table.chains.insert("end".to_owned(), Chain::default());
    let plain = |key, interval| SetKind { key, interval, verdicts: false };
    let elements = |keys: Vec<Key>| keys.into_iter().map(|k| (k, None)).collect();
    table.sets.insert(
        "hosts".to_owned(),
        Set { kind: plain(KeyType::Ipv4, false), elements: elements(vec![Key::new([10, 0, 0, 5])]), shared: false },
    );
    table.sets.insert(
        "nets".to_owned(),
        Set {
            kind: plain(KeyType::Ipv4, true),
            elements: elements(range(&[10, 1, 0, 0], &[10, 1, 255, 255])),
            shared: false,
        },
    );
    let all = elements(range(&[0; 4], &[255; 4]));
    table.sets.insert("all".to_owned(), Set { kind: plain(KeyType::Ipv4, true), elements: all, shared: false });
    table.sets.insert(
        "ports".to_owned(),
        Set {
            kind: SetKind { key: KeyType::InterfaceName, interval: false, verdicts: true },
            elements: [(Key::new(interface_name("tap2")), Some(Verdict::Jump("port".to_owned())))].into(),
            shared: false,
        },
    );
    table
}

fn install(session: &mut Session, family: Family, old: &Shape, new: &Table) {
    let mut delta = Delta::new(family, "kuryr");
    delta.create_table();
    delta.replace(old, new);
    session.commit(&[delta], None).unwrap();
}

fn nft(namespace: &Namespace, arguments: &[&str]) -> Option<String> {
    let output = namespace.run(|| Command::new("nft").args(arguments).output()).unwrap();
    let Ok(output) = output else {
        eprintln!("SKIPPED: the nft program is not installed, its opinion was not asked (apt install nftables)");
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn what_is_installed_is_read_back_and_nft_reads_the_same() {
    let namespace = Namespace::anonymous().unwrap();
    let mut session = Session::open_in(&namespace).unwrap();
    assert_eq!(session.shape_of(Family::Bridge, "kuryr").unwrap(), None);
    install(&mut session, Family::Bridge, &Shape::default(), &table());
    assert_eq!(session.shape_of(Family::Bridge, "kuryr").unwrap(), Some(table().shape()));

    if let Some(text) = nft(&namespace, &["list", "table", "bridge", "kuryr"]) {
        for line in [
            "type filter hook prerouting priority dstnat; policy accept;",
            "iifname \"tap1\" jump port comment \"by name\"",
            "iifname vmap @ports",
            "counter packets 0 bytes 0 drop comment \"rest\"",
            "elements = { \"tap2\" : jump port }",
            "meta mark set 0x00000007",
            "ip saddr != 10.0.0.0/24 return",
            "tcp dport 80-90 accept comment \"web\"",
            "ip saddr @hosts ip daddr != @nets goto end",
            "elements = { 10.0.0.5 }",
            "elements = { 10.1.0.0/16 }",
            "elements = { 0.0.0.0/0 }",
        ] {
            assert!(text.contains(line), "{line}\nis missing in\n{text}");
        }
    }
}

#[test]
fn connection_tracking_and_address_translation_are_as_nft_reads_them() {
    let namespace = Namespace::anonymous().unwrap();
    let mut session = Session::open_in(&namespace).unwrap();
    let one = Register::One;
    let mut table = Table::default();
    let zone = vec![
        E::Meta(Meta::Mark, one),
        E::Bitwise { register: one, mask: 0xffff_u32.to_ne_bytes().to_vec(), xor: vec![0; 4] },
        E::SetZone(one),
    ];
    table
        .chains
        .insert("raw".to_owned(), Chain { base: base(Hook::Prerouting, -300), rules: vec![Rule::new(zone, "zone")] });
    let established = vec![
        E::ConnectionState(one),
        E::Bitwise {
            register: one,
            mask: (connection_state::ESTABLISHED | connection_state::RELATED).to_ne_bytes().to_vec(),
            xor: vec![0; 4],
        },
        E::Compare(one, Comparison::NotEqual, vec![0; 4]),
        E::Meta(Meta::Mark, one),
        E::Bitwise {
            register: one,
            mask: (!0x2_0000_u32).to_ne_bytes().to_vec(),
            xor: 0x2_0000_u32.to_ne_bytes().to_vec(),
        },
        E::SetMark(one),
    ];
    table.chains.insert(
        "state".to_owned(),
        Chain { base: base(Hook::Prerouting, -150), rules: vec![Rule::new(established, "")] },
    );
    let nat = Base { kind: ChainKind::Nat, hook: Hook::Postrouting, priority: 100 };
    let translate = vec![
        E::Meta(Meta::Family, one),
        E::Compare(one, Comparison::Equal, vec![2]),
        E::Constant(one, vec![203, 0, 113, 1]),
        E::SourceNat4(one),
    ];
    let rules = vec![Rule::new(translate, ""), Rule::new(vec![E::Masquerade], "")];
    table.chains.insert("out".to_owned(), Chain { base: Some(nat), rules });
    let inwards = Base { kind: ChainKind::Nat, hook: Hook::Prerouting, priority: -100 };
    let forward = vec![
        E::Meta(Meta::Family, one),
        E::Compare(one, Comparison::Equal, vec![2]),
        E::ConnectionStatus(one),
        E::Bitwise {
            register: one,
            mask: connection_status::DESTINATION_TRANSLATED.to_ne_bytes().to_vec(),
            xor: vec![0; 4],
        },
        E::Compare(one, Comparison::Equal, vec![0; 4]),
        E::Meta(Meta::Transport, one),
        E::Compare(one, Comparison::Equal, vec![6]),
        E::Constant(one, vec![10, 0, 0, 2]),
        E::Constant(Register::Two, 8080_u16.to_be_bytes().to_vec()),
        E::DestinationNat4(one, Some(Register::Two)),
    ];
    table.chains.insert("in".to_owned(), Chain { base: Some(inwards), rules: vec![Rule::new(forward, "")] });
    install(&mut session, Family::Inet, &Shape::default(), &table);
    if let Some(text) = nft(&namespace, &["list", "table", "inet", "kuryr"]) {
        for line in [
            "ct zone set meta mark & 0x0000ffff",
            "ct state established,related",
            "meta mark set",
            "snat ip to 203.0.113.1",
            "dnat ip to 10.0.0.2:8080",
            "masquerade",
        ] {
            assert!(text.contains(line), "{line}\nis missing in\n{text}");
        }
    }
}

#[test]
fn a_difference_is_small_and_turns_one_table_into_the_other() {
    let namespace = Namespace::anonymous().unwrap();
    let mut session = Session::open_in(&namespace).unwrap();
    install(&mut session, Family::Bridge, &Shape::default(), &table());

    let mut other = table();
    other.chains.get_mut("port").unwrap().rules.remove(2);
    other.chains.insert("more".to_owned(), Chain { base: None, rules: vec![mark_rule("", Verdict::Drop)] });
    other.sets.get_mut("hosts").unwrap().elements = [(Key::new([10, 0, 0, 6]), None)].into();
    other.sets.get_mut("nets").unwrap().elements =
        range(&[10, 1, 0, 0], &[10, 2, 255, 255]).into_iter().map(|k| (k, None)).collect();
    other.sets.get_mut("ports").unwrap().elements =
        [(Key::new(interface_name("tap2")), Some(Verdict::Goto("more".to_owned())))].into();
    for (from, to) in [(table(), other.clone()), (other.clone(), table())] {
        let mut delta = Delta::new(Family::Bridge, "kuryr");
        delta.replace(&from.shape(), &to);
        assert!(delta.takes_away());
        session.commit(&[delta], None).unwrap();
        assert_eq!(session.shape_of(Family::Bridge, "kuryr").unwrap(), Some(to.shape()));
    }
    let mut nothing = Delta::new(Family::Bridge, "kuryr");
    nothing.replace(&table().shape(), &table());
    assert!(nothing.is_empty());
    // All of it at once, in an order the kernel takes.
    let mut all = Delta::new(Family::Bridge, "kuryr");
    all.replace(&table().shape(), &Table::default());
    session.commit(&[all], None).unwrap();
    assert_eq!(session.shape_of(Family::Bridge, "kuryr").unwrap(), None);
}

#[test]
fn a_commit_that_expected_another_ruleset_changes_nothing() {
    let namespace = Namespace::anonymous().unwrap();
    let mut session = Session::open_in(&namespace).unwrap();
    let before = session.generation().unwrap();
    install(&mut session, Family::Bridge, &Shape::default(), &table());
    assert_eq!(session.generation().unwrap(), before + 1, "each transaction makes one generation");
    let mut delta = Delta::new(Family::Bridge, "kuryr");
    delta.replace(&table().shape(), &Table::default());
    assert!(matches!(session.commit(std::slice::from_ref(&delta), Some(before)), Err(CommitError::Outdated)));
    assert_eq!(session.shape_of(Family::Bridge, "kuryr").unwrap(), Some(table().shape()));
    session.commit(&[delta], Some(before + 1)).unwrap();
}

#[test]
fn a_refusal_names_what_was_refused_and_leaves_all_as_it_was() {
    let namespace = Namespace::anonymous().unwrap();
    let mut session = Session::open_in(&namespace).unwrap();
    let mut wrong = table();
    wrong.chains.get_mut("port").unwrap().rules.push(mark_rule("lost", Verdict::Jump("nowhere".to_owned())));
    let mut delta = Delta::new(Family::Bridge, "kuryr");
    delta.create_table();
    delta.replace(&Shape::default(), &wrong);
    let error = session.commit(&[delta], None).unwrap_err().to_string();
    assert!(error.contains("rule 'lost' of chain port") && error.contains("No such file"), "{error}");
    assert_eq!(session.shape_of(Family::Bridge, "kuryr").unwrap(), None);
    install(&mut session, Family::Bridge, &Shape::default(), &table());
}

#[test]
fn twenty_thousand_rules_are_one_transaction() {
    let namespace = Namespace::anonymous().unwrap();
    let mut session = Session::open_in(&namespace).unwrap();
    let mut large = Table::default();
    let set = SetKind { key: KeyType::Ipv6, interval: false, verdicts: false };
    let keys = (0..5000_u128).map(|n| (Key::new(n.to_be_bytes()), None)).collect();
    large.sets.insert("many".to_owned(), Set { kind: set, elements: keys, shared: false });
    for chain in 0..1000 {
        let rules = (0..20).map(|n| mark_rule(&format!("{chain}-{n}"), Verdict::Accept)).collect();
        large.chains.insert(format!("chain{chain}"), Chain { base: None, rules });
    }
    install(&mut session, Family::Bridge, &Shape::default(), &large);
    assert_eq!(session.shape_of(Family::Bridge, "kuryr").unwrap(), Some(large.shape()));
}

#[test]
fn a_rule_in_someone_elses_chain_is_found_again_and_removed_alone() {
    let namespace = Namespace::anonymous().unwrap();
    let mut session = Session::open_in(&namespace).unwrap();
    let mut theirs = Table::default();
    theirs.chains.insert("USER".to_owned(), Chain { base: None, rules: vec![mark_rule("theirs", Verdict::Return)] });
    install(&mut session, Family::Ipv4, &Shape::default(), &theirs);
    assert_eq!(session.foreign_rules(Family::Ipv4, "kuryr", "NONE").unwrap(), None);
    assert_eq!(session.foreign_rules(Family::Ipv4, "none", "USER").unwrap(), None);
    let ours = mark_rule("ours", Verdict::Accept);
    session.change_foreign_chain(Family::Ipv4, "kuryr", "USER", std::slice::from_ref(&ours), &[]).unwrap();
    let rules = session.foreign_rules(Family::Ipv4, "kuryr", "USER").unwrap().unwrap();
    assert_eq!(rules.len(), 2);
    assert_eq!(rules[0].digest, Some(ours.digest()), "it is the first");
    session.change_foreign_chain(Family::Ipv4, "kuryr", "USER", &[], &[rules[0].handle]).unwrap();
    assert_eq!(session.foreign_rules(Family::Ipv4, "kuryr", "USER").unwrap().unwrap().len(), 1);
    assert!(session.delete_table(Family::Ipv4, "kuryr").unwrap());
    assert!(!session.delete_table(Family::Ipv4, "kuryr").unwrap());
}

#[tokio::test]
async fn the_monitor_hears_each_transaction() {
    let namespace = Namespace::anonymous().unwrap();
    let mut monitor = Monitor::open_in(&namespace).unwrap();
    let mut session = Session::open_in(&namespace).unwrap();
    let within = std::time::Duration::from_secs(5);
    for (old, new) in [(Table::default(), table()), (table(), Table::default()), (Table::default(), table())] {
        install(&mut session, Family::Bridge, &old.shape(), &new);
        let heard = tokio::time::timeout(within, monitor.next()).await.unwrap().unwrap();
        assert_eq!(heard, Some(session.generation().unwrap()));
    }
    if nft(&namespace, &["flush", "ruleset"]).is_some() {
        let heard = tokio::time::timeout(within, monitor.next()).await.unwrap().unwrap();
        assert_eq!(heard, Some(session.generation().unwrap()));
    }
}

#[test]
fn a_chain_is_read_with_comments_and_counters() {
    let namespace = Namespace::anonymous().unwrap();
    let mut session = Session::open_in(&namespace).unwrap();
    assert_eq!(session.rules(Family::Bridge, "kuryr", "first").unwrap(), None);
    install(&mut session, Family::Bridge, &Shape::default(), &table());
    let rules = session.rules(Family::Bridge, "kuryr", "first").unwrap().unwrap();
    let seen: Vec<_> = rules.iter().map(|rule| (rule.comment.as_str(), rule.count)).collect();
    assert_eq!(seen, [("by name", None), ("", None), ("rest", Some(Count::default()))]);
    let wanted = &table().chains["first"].rules;
    assert!(rules.iter().zip(wanted).all(|(seen, wanted)| seen.digest == Some(wanted.digest())));
    assert_eq!(session.rules(Family::Bridge, "kuryr", "end").unwrap(), Some(Vec::new()));
    assert_eq!(session.rules(Family::Bridge, "kuryr", "nowhere").unwrap(), None);
}

#[test]
fn base_chains_of_others_are_seen_with_their_policy() {
    let namespace = Namespace::anonymous().unwrap();
    let mut session = Session::open_in(&namespace).unwrap();
    install(&mut session, Family::Bridge, &Shape::default(), &table());
    assert_eq!(session.base_chains(Hook::Forward).unwrap(), []);
    let wall = "add table inet wall; add chain inet wall way { type filter hook forward priority 0; policy drop; }";
    if nft(&namespace, &[wall]).is_none() {
        return eprintln!("skipped: base_chains_of_others_are_seen_with_their_policy: no nft program");
    }
    let way = BaseChain { family: Family::Inet as u8, table: "wall".to_owned(), name: "way".to_owned(), drops: true };
    assert_eq!(session.base_chains(Hook::Forward).unwrap(), [way]);
    let own = session.base_chains(Hook::Prerouting).unwrap();
    assert!(own.iter().any(|chain| chain.table == "kuryr" && !chain.drops), "{own:?}");
}

#[test]
fn limits_and_changed_bytes_are_as_nft_reads_them() {
    let namespace = Namespace::anonymous().unwrap();
    let mut session = Session::open_in(&namespace).unwrap();
    let register = Register::One;
    let header = Header::Network;
    let over = [E::Faster { rate: 1_000_000, burst: 1000 }, E::Verdict(Verdict::Drop)];
    let mark = [
        E::Payload { header, offset: 0, length: 2, register },
        E::Bitwise { register, mask: vec![0xff, 0x03], xor: vec![0, 46 << 2] },
        E::Store { header, offset: 0, length: 2, register, checksum: Some(10) },
    ];
    let chain = Chain { base: base(Hook::Prerouting, 0), rules: vec![Rule::new(over, ""), Rule::new(mark, "")] };
    let table = Table { chains: [("qos".to_owned(), chain)].into(), ..Table::default() };
    install(&mut session, Family::Ipv4, &Shape::default(), &table);
    if let Some(text) = nft(&namespace, &["list", "table", "ip", "kuryr"]) {
        for line in ["limit rate over 1000000 bytes/second burst 1000 bytes drop", "ip dscp set ef"] {
            assert!(text.contains(line), "{line}\nis missing in\n{text}");
        }
    }
}
