//! `state-machine-may.txt`: the transitions of the deployed coordinator of 0.1, line by line, over a connection.

use serde_json::{Value, json};

use crate::site::{Site, id, token, within};

#[tokio::test]
async fn lines_1_to_3_suspension_and_termination_take_the_subtree_along() {
    within(async {
        let mut site = Site::deployed().await;
        let a = site.session(None).await;
        let b = site.session(Some(&a)).await;
        let c = site.session(Some(&b)).await;
        assert_eq!(site.statuses(&[&a, &b, &c]).await, ["active"; 3]);
        assert_eq!(site.patch(&format!("/agents/{b}/suspend")).await, (200, json!({"suspended": 2})));
        assert_eq!(site.statuses(&[&a, &b, &c]).await, ["active", "suspended", "suspended"]);
        let again = site.patch(&format!("/agents/{b}/suspend")).await;
        assert_eq!(again, (409, json!({"error": "agent_not_found_or_not_active"})));
        let below = site.spawn(&json!({"parent_id": b})).await;
        assert_eq!((below.status, below.body), (404, json!({"error": "parent_not_found"})));
        assert_eq!(site.patch(&format!("/agents/{b}/resume")).await, (200, json!({"resumed": 2})));
        assert_eq!(site.statuses(&[&a, &b, &c]).await, ["active"; 3]);

        let other = token(&mut site.http, "app-b", "secret of b", "agent:lifecycle").await;
        let foreign = site.ask_as(&other, "DELETE", &format!("/agents/{a}"), &Value::Null).await;
        assert_eq!((foreign.status, foreign.body), (403, json!({"error": "application_ownership_required"})));
        let ended = site.ask("DELETE", &format!("/agents/{a}"), &Value::Null).await;
        assert_eq!((ended.status, ended.body), (204, Value::Null));
        assert_eq!(site.statuses(&[&a, &b, &c]).await, ["terminated"; 3]);
        let again = site.ask("DELETE", &format!("/agents/{a}"), &Value::Null).await;
        assert_eq!((again.status, again.body), (404, json!({"error": "agent_not_found"})));
        let resumed = site.patch(&format!("/agents/{a}/resume")).await;
        assert_eq!(resumed, (409, json!({"error": "agent_not_found_or_not_suspended"})));
    })
    .await;
}

#[tokio::test]
async fn line_4_the_end_of_a_lifetime_takes_the_subtree_along() {
    within(async {
        let mut site = Site::deployed().await;
        let parent = id(&site.spawn(&json!({"ttl_seconds": 1})).await);
        let child = site.session(Some(&parent)).await;
        site.ended(&parent).await;
        assert_eq!(site.statuses(&[&parent, &child]).await, ["terminated"; 2]);
    })
    .await;
}

#[tokio::test]
async fn lines_5_and_6_depth_and_children_are_limited() {
    within(async {
        let mut site = Site::deployed().await;
        let mut chain = vec![site.session(None).await];
        for _ in 0..10 {
            let below = site.session(chain.last().map(String::as_str)).await;
            chain.push(below);
        }
        let deeper = site.spawn(&json!({"parent_id": chain.last()})).await;
        assert_eq!((deeper.status, deeper.body), (429, json!({"error": "agent_depth_limit_exceeded"})));
        for _ in 0..9 {
            site.session(Some(&chain[0])).await;
        }
        let more = site.spawn(&json!({"parent_id": chain[0]})).await;
        assert_eq!((more.status, more.body), (429, json!({"error": "agent_children_limit_exceeded"})));
    })
    .await;
}

#[tokio::test]
async fn lines_7_and_8_edges_are_not_compared_and_a_revocation_takes_their_targets_along() {
    within(async {
        let mut site = Site::deployed().await;
        let [x, y, z] = [site.session(None).await, site.session(None).await, site.session(None).await];
        let constraints = json!({"resources": ["resource://payments"], "max_depth": 3});
        let created = site.edge(&x, &y, &json!({ "constraints": constraints })).await;
        let stated = json!({"max_hops": 3, "max_depth": 3, "resources": ["resource://payments"], "ttl_seconds": 60});
        assert_eq!((created.status, &created.body["constraints_json"]), (201, &stated));
        let first = id(&created);
        for more in [
            json!({"scopes": ["x", "broader"]}),
            json!({"ttl_seconds": 600}),
            json!({"constraints": {"max_depth": 3}}),
            json!({"constraints": {"resources": ["resource://payments"], "max_depth": 1}}),
            json!({}),
        ] {
            assert_eq!(site.edge(&y, &z, &more).await.status, 201, "{more}");
        }
        let cycle = site.edge(&z, &x, &json!({})).await;
        assert_eq!((cycle.status, cycle.body), (409, json!({"error": "delegation_cycle_denied"})));
        assert_eq!(site.edge(&x, &y, &json!({})).await.status, 201, "a duplicate edge");
        let steps = site.ask("GET", &format!("/delegations/{first}/traverse"), &Value::Null).await;
        assert_eq!((steps.status, steps.body.as_array().unwrap().len()), (200, 6));
        let inbound = site.ask("GET", &format!("/delegations/inbound/{y}"), &Value::Null).await;
        let all: Vec<&Value> = inbound.body["items"].as_array().unwrap().iter().map(|edge| &edge["status"]).collect();
        assert_eq!(all, ["active", "active"]);

        let revoked = site.patch(&format!("/delegations/{first}/revoke")).await;
        assert_eq!(revoked, (200, json!({"revoked_edges": 6, "affected_sessions": 1, "terminated_agents": 2})));
        assert_eq!(site.statuses(&[&x, &y, &z]).await, ["active", "terminated", "terminated"]);
        let again = site.patch(&format!("/delegations/{first}/revoke")).await;
        assert_eq!(again, (404, json!({"error": "delegation_not_found"})));
    })
    .await;
}

#[tokio::test]
async fn lines_9_and_11_the_ends_of_edges() {
    within(async {
        let mut site = Site::deployed().await;
        let [source, target] = [site.session(None).await, site.session(None).await];
        let edge = id(&site.edge(&source, &target, &json!({})).await);
        assert_eq!(site.ask("DELETE", &format!("/agents/{source}"), &Value::Null).await.status, 204);
        let inbound = site.ask("GET", &format!("/delegations/inbound/{target}"), &Value::Null).await;
        assert_eq!(
            (&inbound.body["items"][0]["id"], &inbound.body["items"][0]["status"]),
            (&json!(edge), &json!("active"))
        );
        assert_eq!(site.status(&target).await, "active");

        let other = site.session(None).await;
        let past = site.edge(&other, &target, &json!({"expires_at": "2020-01-01T00:00:00Z"})).await;
        assert_eq!((past.status, past.body), (400, json!({"error": "delegation_expired"})));
    })
    .await;
}

/// A session of two seconds says when an edge of one second has expired.
#[tokio::test]
async fn line_10_an_expired_edge_can_be_revoked() {
    within(async {
        let mut site = Site::deployed().await;
        let [source, target] = [site.session(None).await, site.session(None).await];
        let clock = id(&site.spawn(&json!({"ttl_seconds": 2})).await);
        let edge = id(&site.edge(&source, &target, &json!({"ttl_seconds": 1})).await);
        site.ended(&clock).await;
        let revoked = site.patch(&format!("/delegations/{edge}/revoke")).await;
        assert_eq!(revoked, (200, json!({"revoked_edges": 1, "affected_sessions": 1, "terminated_agents": 1})));
        assert_eq!(site.status(&target).await, "terminated");
    })
    .await;
}

#[tokio::test]
async fn line_12_any_key_finds_the_live_session_of_the_same_parent() {
    within(async {
        let mut site = Site::deployed().await;
        let first = site.session(None).await;
        let authorization = format!("Bearer {}", site.token);
        for body in [json!({"application_id": "app-a"}), json!({"application_id": "app-a", "metadata": {"n": 1}})] {
            let headers = [("authorization", &*authorization), ("idempotency-key", "k")];
            let found = site.http.ask("POST", "/zones/z1/agents", &headers, &body.to_string()).await;
            assert_eq!((found.status, id(&found)), (200, first.clone()));
        }
    })
    .await;
}
