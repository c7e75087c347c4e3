//! Packets of the production profile: those of the Python SDK are accepted, and every other way to write one is refused.

use core::time::Duration;

use nuncio_core::cap::{
    Admission, Authentication, BusPacket, DecodeError, DecodeLimits, Expected, Freshness, Keyring, MalformedPacket,
    MapOrder, NotAdmitted, Opened, P256Verifier, ProfileFault, Reading, Rejection, ReplayWindow, Secret, Timestamp,
    Unsignable, open, open_production, seal_production,
};
use nuncio_core::time::Time;

use crate::signatures::{keys, pem, signer, trust_keys};
use crate::support::{Fixture, production};

fn freshness() -> Freshness {
    Freshness::new(Duration::from_mins(5), Duration::from_secs(10)).unwrap()
}

fn expected<'a>(audience: &'a str, keys: &'a Keyring) -> Expected<'a> {
    Expected { audience, tenant: "tenant-1", sender: "scheduler-1", keys, freshness: freshness() }
}

fn signed_at(fixture: &Fixture) -> Time {
    Time(fixture.signed_at.unwrap() * 1_000_000)
}

fn open_fixture(name: &str, audience: &str) -> Result<Opened, Rejection> {
    let fixture = production(name);
    open_production(&fixture.packet(), &expected(audience, &trust_keys()), signed_at(&fixture), &P256Verifier)
}

#[test]
fn s19_packets_of_the_production_profile_verify_for_their_audience() {
    assert!(open_fixture("job_request", "job.echo").is_ok());
    assert!(open_fixture("job_result", "sys.job.result").is_ok());
    assert_eq!(open_fixture("job_request", "job.other"), Err(ProfileFault::Audience.into()));
    let foreign = open_fixture("job_request_foreign_principal", "job.echo");
    assert_eq!(foreign, Err(ProfileFault::Identity("principal_id").into()));

    let fixture = production("job_request");
    let keys = trust_keys();
    let open_as = |change: fn(&mut Expected<'_>)| {
        let mut expected = expected("job.echo", &keys);
        change(&mut expected);
        open_production(&fixture.packet(), &expected, signed_at(&fixture), &P256Verifier)
    };
    assert_eq!(open_as(|expected| expected.tenant = "other"), Err(ProfileFault::Tenant.into()));
    assert_eq!(open_as(|expected| expected.sender = "other"), Err(ProfileFault::Sender.into()));
    let none = Keyring::default();
    let refused = open_production(&fixture.packet(), &expected("job.echo", &none), signed_at(&fixture), &P256Verifier);
    assert_eq!(refused, Err(Rejection::UnknownKey("server-1".into())));
}

#[test]
fn s19_whoever_takes_generic_packets_alone_refuses_one_of_the_production_profile_as_such() {
    let mut keys = Keyring::default();
    keys.add("scheduler-1", pem("trust_scheduler")).unwrap();
    let reading = Reading::new(Authentication::Signed(keys));
    assert_eq!(open(&production("job_request").packet(), &reading, &P256Verifier), Err(Rejection::Sealed));
}

#[test]
fn s19_a_packet_expires_and_may_not_be_valid_for_long() {
    let fixture = production("job_request");
    let open_at = |seconds: i64| {
        let now = Time(signed_at(&fixture).0.checked_add_signed(seconds * 1_000_000).unwrap());
        open_production(&fixture.packet(), &expected("job.echo", &trust_keys()), now, &P256Verifier).map(|_| ())
    };
    // It expires after 120 s, a packet may be valid for 300 s, and clocks may differ by 10 s.
    assert_eq!(open_at(129), Ok(()));
    assert_eq!(open_at(130), Err(ProfileFault::Expired.into()));
    assert_eq!(open_at(-190), Ok(()));
    assert_eq!(open_at(-191), Err(ProfileFault::Lifetime.into()));
    let refused = |lifetime, skew| Freshness::new(Duration::from_secs(lifetime), Duration::from_secs(skew)).is_err();
    assert!(refused(0, 0) && refused(301, 0) && refused(300, 61) && refused(30, 31));
}

#[test]
fn s19_there_is_only_one_way_to_write_a_packet() {
    let fixture = production("job_request");
    let bytes = fixture.packet();
    let reason = |bytes: &[u8]| {
        open_production(bytes, &expected("job.echo", &trust_keys()), signed_at(&fixture), &P256Verifier).unwrap_err()
    };
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        reason(&changed);
    }
    // The trace_id with a length of two bytes.
    assert_eq!(bytes[..2], [0x0a, 7]);
    let long = [&[0x0a, 0x87, 0], &bytes[2..]].concat();
    assert_eq!(reason(&long), ProfileFault::NotMinimal(1).into());
    assert_eq!(reason(&[bytes.as_slice(), &[0xf0, 1, 5]].concat()), ProfileFault::Field(30).into());
    assert_eq!(reason(&[bytes.as_slice(), &[0x3a, 0]].concat()), ProfileFault::Field(7).into());
    let version = bytes.windows(2).position(|pair| pair == [0x20, 1]).unwrap();
    let without = [&bytes[..version], &bytes[version + 2..]].concat();
    assert_eq!(reason(&without), ProfileFault::Version.into());
    assert_eq!(
        reason(&bytes[..bytes.len() - 1]),
        Rejection::Malformed(MalformedPacket::Decode(DecodeError::Truncated))
    );
}

#[test]
fn s19_what_is_sealed_opens_and_has_its_metadata() {
    let fixture = production("job_request");
    let packet = BusPacket::decode(&fixture.packet(), &DecodeLimits::default()).unwrap();
    let sealed = seal_production(packet.clone(), MapOrder::Lexicographic, &signer()).unwrap();
    let keys = keys("server-1");
    let opened = open_production(&sealed, &expected("job.echo", &keys), signed_at(&fixture), &P256Verifier).unwrap();
    assert_eq!(opened.packet.payload, packet.payload);

    let refused = |packet| seal_production(packet, MapOrder::Lexicographic, &signer()).unwrap_err();
    let bare = BusPacket { signature_metadata: None, ..packet.clone() };
    assert_eq!(refused(bare), ProfileFault::Metadata.into());
    let mut short = packet.clone();
    short.signature_metadata.as_mut().unwrap().message_id.pop();
    assert_eq!(refused(short), ProfileFault::Incomplete.into());
    let mut endless = packet.clone();
    endless.signature_metadata.as_mut().unwrap().expires_at = None;
    assert_eq!(refused(endless), ProfileFault::Expired.into());
    let large = BusPacket { auth_token: Secret::new("x".repeat(1 << 20)), ..packet };
    assert!(matches!(refused(large), Unsignable::TooLarge { .. }));
}

#[test]
fn s19_a_packet_is_admitted_once_within_a_bounded_window() {
    let fixture = production("job_request");
    let now = signed_at(&fixture);
    let first = open_fixture("job_request", "job.echo").unwrap();
    let result = open_fixture("job_result", "sys.job.result").unwrap();
    let mut window = ReplayWindow::new(1);
    assert_eq!(window.admit(now, &first), Ok(Admission::First));
    assert_eq!(window.admit(now, &first), Ok(Admission::Duplicate));
    // The same message id for another audience is another packet, for which there is no room.
    assert_eq!(window.admit(now, &result), Err(NotAdmitted::Full(1)));

    // Another packet with the same message id.
    let mut other = BusPacket::decode(&fixture.packet(), &DecodeLimits::default()).unwrap();
    other.trace_id = "another".into();
    let sealed = seal_production(other, MapOrder::Lexicographic, &signer()).unwrap();
    let keys = keys("server-1");
    let other = open_production(&sealed, &expected("job.echo", &keys), now, &P256Verifier).unwrap();
    assert_eq!(window.admit(now, &other), Err(NotAdmitted::Conflict));

    // It is forgotten when it would be refused as expired.
    assert_eq!(window.admit(now.plus_secs(130), &result), Err(NotAdmitted::Expired));
    assert!(window.is_empty());
    assert_eq!(window.admit(now, &result), Ok(Admission::First));
    assert_eq!(window.len(), 1);
}

/// A packet with a message id and an expiry of its own.
fn expiring(message: u8, expires_at: Time) -> Opened {
    let fixture = production("job_request");
    let mut packet = BusPacket::decode(&fixture.packet(), &DecodeLimits::default()).unwrap();
    let metadata = packet.signature_metadata.as_mut().unwrap();
    metadata.message_id = vec![message; 16];
    metadata.expires_at = Some(Timestamp::from_time(expires_at));
    let sealed = seal_production(packet, MapOrder::Lexicographic, &signer()).unwrap();
    let made = Time(expires_at.0 - 120_000_000);
    open_production(&sealed, &expected("job.echo", &keys("server-1")), made, &P256Verifier).unwrap()
}

/// When packets of these tests are made.
const MADE: Time = Time(1_779_000_000_000_000);
const HOUR: u64 = 3_600;

#[test]
fn s19_a_packet_that_was_seen_is_refused_however_the_wall_clock_is_set() {
    let first = expiring(1, MADE.plus_secs(120));
    // The wall clock is set ahead and back, and packets come meanwhile.
    let mut window = ReplayWindow::new(100);
    assert_eq!(window.admit(MADE, &first), Ok(Admission::First));
    let ahead = MADE.plus_secs(HOUR);
    assert_eq!(window.admit(ahead, &first), Err(NotAdmitted::Expired));
    assert_eq!(window.admit(ahead, &expiring(2, ahead.plus_secs(120))), Ok(Admission::First));
    assert!(window.len() == 1, "the first packet has expired");
    for seconds in [1, 60, 129] {
        assert_eq!(window.admit(MADE.plus_secs(seconds), &first), Ok(Admission::Duplicate), "{seconds} s");
    }
    // It shows an hour too much from the beginning, is set right, and an hour passes.
    let mut window = ReplayWindow::new(100);
    let early = expiring(1, ahead.plus_secs(120));
    assert_eq!(window.admit(ahead, &early), Ok(Admission::First));
    assert_eq!(window.admit(ahead.plus_secs(600), &expiring(2, ahead.plus_secs(700))), Ok(Admission::First));
    for minutes in 0..70 {
        let wall = MADE.plus_secs(minutes * 60);
        let own = expiring(100 + u8::try_from(minutes).unwrap(), wall.plus_secs(120));
        assert_eq!(window.admit(wall, &own), Ok(Admission::First), "packets are admitted meanwhile: {minutes} min");
        let again = window.admit(wall, &early);
        assert!(again == Ok(Admission::Duplicate) || again == Err(NotAdmitted::Expired), "{minutes} min: {again:?}");
    }
}

#[test]
fn s19_a_packet_whose_place_was_needed_is_refused_when_the_wall_clock_is_set_back() {
    let mut window = ReplayWindow::new(2);
    let packets: Vec<Opened> = (0..5).map(|at| expiring(at, MADE.plus_secs(120 + 400 * u64::from(at)))).collect();
    for (at, packet) in (0..).zip(&packets) {
        assert_eq!(window.admit(MADE.plus_secs(400 * at), packet), Ok(Admission::First));
    }
    for (at, packet) in (0..).zip(&packets) {
        let again = window.admit(MADE.plus_secs(400 * at), packet);
        let expected = if at < 3 { Err(NotAdmitted::Expired) } else { Ok(Admission::Duplicate) };
        assert_eq!(again, expected, "packet {at} at its own time");
    }
    // What expires later than everything that was forgotten is admitted.
    let next = expiring(9, MADE.plus_secs(120 + 400 * 2 + 1));
    assert_eq!(window.admit(MADE.plus_secs(400 * 2), &next), Ok(Admission::First));
}
