//! Random messages of the policy services, which travel outside packets: what the package encodes is decoded here without
//! an unknown field, and encoded again to the same bytes.

use nuncio_core::cap::policy::{
    AuditMetadata, Bundle, BundleVersion, Decision, EdgeEvaluationContext, JobEvaluationContext, ListSnapshotsRequest,
    ListSnapshotsResponse, PolicyCheckRequest, PolicyCheckResponse, PolicyConstraints, PolicyEvaluateRequest,
    PolicyEvaluateResponse, PolicyRemediation, Rule, TraceStep,
};
use nuncio_core::cap::{DecodeLimits, MapOrder};
use nuncio_tests::peers::CapSdk;
use serde_json::json;

use super::{unhex, with_each};

/// Checks random messages of some types of a module of the package.
macro_rules! check {
    ($python:ident, $module:literal: $( $name:ident ),+) => { $(
        for seed in 0..40 {
            let question = json!({"do": "message", "module": $module, "name": stringify!($name), "seed": seed});
            let bytes = unhex(&$python.ask(&question));
            let known = DecodeLimits::default().with(|limits| limits.refuse_unknown = true);
            let message = $name::decode(&bytes, &known)
                .unwrap_or_else(|refused| panic!("seed {seed}, a {}: {refused}", stringify!($name)));
            assert_eq!(message.encode(MapOrder::Upb), bytes, "seed {seed}: {message:?}");
        }
    )+ };
}

#[test]
fn messages_of_the_policy_services_are_decoded_and_encoded_as_the_package_does() {
    with_each("messages_of_the_policy_services_are_decoded_and_encoded_as_the_package_does", |sdk, python| {
        check!(python, "safety": PolicyCheckRequest, PolicyCheckResponse, PolicyConstraints, PolicyRemediation,
            ListSnapshotsRequest, ListSnapshotsResponse);
        if sdk == CapSdk::V2_17 {
            check!(python, "policy": AuditMetadata, Bundle, BundleVersion, Decision, EdgeEvaluationContext,
                JobEvaluationContext, PolicyEvaluateRequest, PolicyEvaluateResponse, Rule, TraceStep);
        }
    });
}
