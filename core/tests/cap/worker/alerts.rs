//! Alerts about packets that a worker refuses (spec/16).

use nuncio_core::cap::{BusPacket, DecodeLimits, ErrorCode, Payload, Subject, SystemAlert};

use super::support::Harness;

fn alerts(harness: &Harness) -> Vec<SystemAlert> {
    let decode = |bytes: &bytes::Bytes| BusPacket::decode(bytes, &DecodeLimits::default()).unwrap().payload.unwrap();
    let alert = |payload| if let Payload::Alert(alert) = payload { *alert } else { panic!("no alert") };
    harness.alerts.iter().map(decode).map(alert).collect()
}

#[test]
fn s16_a_worker_reports_a_packet_that_it_refuses() {
    let mut harness = Harness::new();
    harness.worker.handle_packet(harness.now, &Subject::JobCancel, b"\x0a");
    harness.drain();
    let alerts = alerts(&harness);
    let [alert] = alerts.as_slice() else { panic!("{alerts:?}") };
    assert_eq!(alert.error_code_enum, ErrorCode::PROTOCOL_MALFORMED_PACKET);
    assert_eq!((alert.source_component.as_str(), alert.details["subject"].as_str()), ("w", "sys.job.cancel"));
}

#[test]
fn s16_the_alerts_of_a_worker_are_few_and_none_waits_for_the_bus() {
    let mut harness = Harness::with(|config| config.limits.alerts = 2);
    let refused = |harness: &mut Harness, times: usize| {
        for _ in 0..times {
            harness.worker.handle_packet(harness.now, &Subject::JobCancel, b"\x0a");
        }
        harness.drain();
        harness.alerts.len()
    };
    assert_eq!(refused(&mut harness, 5), 2);
    harness.now = harness.now.plus_secs(10);
    assert_eq!(refused(&mut harness, 5), 4);
    harness.worker.handle_disconnected(harness.now);
    harness.now = harness.now.plus_secs(10);
    assert_eq!(refused(&mut harness, 5), 4);
}
