//! A coordinator that is started again on its records.

use nuncio_tokio::caracal::{CoordinatorBuildError, MemoryRecords, RecordsError, Secret, SqliteRecords};
use serde_json::{Value, json};

use crate::site::{Site, builder, id, within};

#[tokio::test]
async fn sessions_edges_and_tokens_outlive_a_restart() {
    within(async {
        let path = std::env::temp_dir().join(format!("nuncio-coordinator-restart-{}", std::process::id()));
        let file = || builder().records(SqliteRecords::open(&path).unwrap());
        let mut site = Site::start(file()).await;
        let (one, two) = (site.session(None).await, site.session(None).await);
        let edge = id(&site.edge(&one, &two, &json!({})).await);
        let gone = site.session(Some(&one)).await;
        assert_eq!(site.ask("DELETE", &format!("/agents/{gone}"), &Value::Null).await.status, 204);
        let token = site.token.clone();
        let Site { coordinator, server, http, .. } = site;
        drop(http);
        server.stop().await;
        coordinator.close().await;

        let mut site = Site::start(file()).await;
        site.token = token;
        assert_eq!(site.statuses(&[&one, &two, &gone]).await, ["active", "active", "terminated"]);
        let inbound = site.ask("GET", &format!("/delegations/inbound/{two}"), &Value::Null).await;
        assert_eq!(inbound.body["items"][0]["id"], *edge);
        let revoked = site.patch(&format!("/delegations/{edge}/revoke")).await;
        assert_eq!((revoked.0, site.status(&two).await), (200, "terminated".to_owned()));
        site.coordinator.close().await;
        std::fs::remove_file(&path).unwrap();
    })
    .await;
}

#[tokio::test]
async fn without_records_a_restart_forgets() {
    within(async {
        let mut site = Site::start(builder()).await;
        let session = site.session(None).await;
        let token = site.token.clone();
        drop(site);
        let mut site = Site::start(builder()).await;
        assert_eq!(site.ask("GET", &format!("/agents/{session}"), &Value::Null).await.status, 404);
        // The key is another one.
        assert_eq!(site.ask_as(&token, "GET", "/agents", &Value::Null).await.status, 401);
    })
    .await;
}

#[tokio::test]
async fn a_coordinator_that_crashes_goes_on_with_what_was_answered() {
    within(async {
        let records = MemoryRecords::default();
        let mut site = Site::start(builder().records(records.clone())).await;
        let sessions = [site.session(None).await, site.session(None).await];
        drop(site);
        let mut site = Site::start(builder().records(records)).await;
        assert_eq!(site.statuses(&[&sessions[0], &sessions[1]]).await, ["active", "active"]);
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_started_says_why() {
    let empty = builder().application("app-c", Secret::new("")).start();
    assert!(matches!(empty, Err(CoordinatorBuildError::NoSecret(_))));
    let twice = builder().application("app-a", Secret::new("x")).start();
    assert!(matches!(twice, Err(CoordinatorBuildError::Twice(_))));
    let unknown = builder().grant("app-x", "coordinator.admin").start();
    assert!(matches!(unknown, Err(CoordinatorBuildError::Unknown(_))));
    let invalid = builder().zone("").start();
    assert!(matches!(invalid, Err(CoordinatorBuildError::Id { .. })));
    let path = std::env::temp_dir().join(format!("nuncio-coordinator-used-{}", std::process::id()));
    let used = SqliteRecords::open(&path).unwrap();
    let again = SqliteRecords::open(&path);
    assert!(matches!(again, Err(RecordsError::File { .. })), "a file has one coordinator at a time");
    drop(used);
    std::fs::remove_file(&path).unwrap();
}
