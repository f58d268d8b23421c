//! Guessing gets slow, and only for who guesses.

use super::*;

fn from(address: &str) -> Origin {
    let mut extensions = Extensions::new();
    extensions.insert(Peer::Tcp(std::net::SocketAddr::new(address.parse().unwrap(), 4711)));
    Origin::of(&extensions)
}

fn wrong(throttle: &Throttle, user: &str, origin: Origin, now: Instant) -> Result<Duration, Duration> {
    let attempt = throttle.turn(user, origin, now)?;
    let wait = attempt.wait;
    attempt.failed(now + wait);
    Ok(wait)
}

/// Guesses as fast as is let; how many were looked at within this time.
fn guesses(throttle: &Throttle, user: impl Fn(u32) -> String, origin: Origin, within: Duration) -> u32 {
    let begun = Instant::now();
    let (mut now, mut looked) = (begun, 0);
    while now < begun + within {
        match wrong(throttle, &user(looked), origin, now) {
            Ok(wait) => {
                now += wait;
                looked += 1;
            }
            Err(later) => now += later,
        }
    }
    looked
}

const HOUR: Duration = Duration::from_secs(3600);
const FAR: &str = "192.0.2.1";

#[test]
fn guessing_one_user_or_many_gets_slow() {
    let admin = |_| "admin".to_owned();
    for origin in [from(FAR), from("127.0.0.1"), from("::1"), from("2001:db8::1")] {
        let looked = guesses(&Throttle::default(), admin, origin, HOUR);
        assert!((880..=920).contains(&looked), "{origin:?}: {looked} in an hour");
    }
    let looked = guesses(&Throttle::default(), |number| format!("user{number}"), from(FAR), HOUR);
    assert!((880..=920).contains(&looked), "one address, many users: {looked} in an hour");
    let throttle = Throttle::default();
    let spread: u32 = (1..=20).map(|host| guesses(&throttle, admin, from(&format!("192.0.2.{host}")), HOUR / 20)).sum();
    assert!(spread < 1000, "one user, many addresses: {spread} in an hour");
}

#[test]
fn many_connections_are_no_faster_than_one() {
    let (throttle, now) = (Throttle::default(), Instant::now());
    let origin = from(FAR);
    let together: Vec<_> = (0..1000).map(|_| throttle.turn("admin", origin, now)).collect();
    let (turns, refused): (Vec<_>, Vec<_>) = together.into_iter().partition(Result::is_ok);
    assert_eq!((turns.len(), refused.len()), (64, 936));
    for attempt in turns {
        attempt.unwrap().failed(now);
    }
    // From now on turn by turn, and only as many wait as can be served soon.
    let waits: Vec<_> =
        (0..1000).map(|_| throttle.turn("admin", origin, now)).map(|turn| turn.map(|it| it.wait)).collect();
    let given: Vec<_> = waits.iter().flatten().map(Duration::as_secs).collect();
    assert_eq!(given, [4, 8, 12, 16, 20]);
    assert_eq!(waits[5], Err(Duration::from_secs(24)), "how long to wait");
}

#[test]
fn whoever_was_right_or_is_on_this_machine_does_not_pay_for_others() {
    let (throttle, now) = (Throttle::default(), Instant::now());
    throttle.turn("admin", from("198.51.100.1"), now).unwrap().succeeded(now);
    for host in 1..=100 {
        let _ = wrong(&throttle, "admin", from(&format!("192.0.2.{host}")), now);
    }
    assert!(throttle.turn("admin", from("203.0.113.1"), now).is_err(), "others wait");
    for origin in [from("198.51.100.1"), from("127.0.0.1"), Origin::Trusted] {
        assert_eq!(throttle.turn("admin", origin, now).unwrap().wait, Duration::ZERO, "{origin:?}");
    }
    // On this machine somebody guesses: it is slow for all there, but a turn comes.
    for _ in 0..100 {
        let _ = wrong(&throttle, "admin", from("127.0.0.1"), now);
    }
    let later = throttle.turn("admin", from("127.0.0.1"), now).unwrap_err();
    let attempt = throttle.turn("admin", from("127.0.0.1"), now + later).unwrap();
    assert!(later <= PATIENCE + LONGEST && attempt.wait <= PATIENCE, "{later:?} {:?}", attempt.wait);
    attempt.succeeded(now + later);
    assert_eq!(throttle.turn("admin", from("127.0.0.1"), now + later).unwrap().wait, Duration::ZERO, "forgiven");
    assert_eq!(throttle.turn("bob", from("127.0.0.1"), now).unwrap().wait, Duration::ZERO, "another user");
    assert_eq!(throttle.turn("admin", Origin::Trusted, now).unwrap().wait, Duration::ZERO, "root");
}

#[test]
fn who_hangs_up_leaves_nothing_and_names_cost_no_memory() {
    let (throttle, now) = (Throttle::default(), Instant::now());
    for _ in 0..1000 {
        drop(throttle.turn("admin", from("127.0.0.1"), now).unwrap());
    }
    for number in 0..REMEMBERED + 100 {
        let _ = wrong(&throttle, &format!("{number}{}", "x".repeat(10_000)), from("127.0.0.1"), now);
    }
    assert_eq!(throttle.known().records.len(), REMEMBERED);
    assert!(throttle.known().records.keys().all(|key| matches!(key, Key::User(name, _) if name.len() <= NAME)));
    for number in 0..3_u32 * 1024 {
        let address = Origin::Address(std::net::Ipv4Addr::from(0x0a00_0000 + number).into());
        throttle.turn("admin", address, now).unwrap().succeeded(now);
    }
    assert_eq!(throttle.known().familiar.len(), FAMILIAR);
}

#[test]
fn after_ten_quiet_minutes_all_is_forgotten() {
    let (throttle, now) = (Throttle::default(), Instant::now());
    for _ in 0..20 {
        let _ = wrong(&throttle, "admin", from("127.0.0.1"), now);
    }
    assert!(throttle.turn("admin", from("127.0.0.1"), now).is_err());
    assert_eq!(throttle.turn("admin", from("127.0.0.1"), now + FORGET * 2).unwrap().wait, Duration::ZERO);
}

#[test]
fn an_address_of_ipv6_is_its_network() {
    assert_eq!(from("2001:db8::1"), from("2001:db8::ffff:1"));
    assert_ne!(from("2001:db8::1"), from("2001:db8:0:1::1"));
    assert_eq!(from("::ffff:192.0.2.1"), from("192.0.2.1"));
}
