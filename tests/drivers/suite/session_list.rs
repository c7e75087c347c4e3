//! Lists of sessions.

use nuncio_shared::arcp::{Config, SessionQuery, SessionRow, Submit};
use serde_json::Value;

use super::client::Client;
use super::support::{builder, connect, within};

/// Reads all pages, with up to `limit` sessions each.
async fn pages(client: &Client, limit: u32) -> Vec<SessionRow> {
    let mut query = SessionQuery { limit: Some(limit), ..SessionQuery::default() };
    let mut sessions = Vec::new();
    loop {
        let page = client.list_sessions(&query).await.unwrap();
        assert!(page.sessions.len() <= limit as usize);
        sessions.extend(page.sessions);
        let Some(cursor) = page.next_cursor else { return sessions };
        query.cursor = Some(cursor.into());
    }
}

fn id(client: &Client) -> String {
    client.welcome().unwrap().session_id.to_string()
}

#[test]
fn an_operator_lists_all_sessions_and_others_their_own() {
    within(async {
        let config = Config::default().with(|config| _ = config.operators.insert("bob".to_owned()));
        let server = builder().config(config).build().unwrap();
        let alice = connect(&server, "tok-alice").await;
        let mut job = alice.submit(&Submit::new("echo").input(&1)).await.unwrap();
        job.result::<Value>().await.unwrap();
        let (other, operator) = (connect(&server, "tok-alice2").await, connect(&server, "tok-bob").await);

        let ids = |rows: &[SessionRow]| rows.iter().map(|row| row.session_id.to_string()).collect::<Vec<_>>();
        let sorted = |clients: &[&Client]| {
            let mut ids: Vec<String> = clients.iter().map(|client| id(client)).collect();
            ids.sort();
            ids
        };
        for limit in [1, 2, 100] {
            let listed = pages(&operator, limit).await;
            assert_eq!(ids(&listed), sorted(&[&alice, &other, &operator]), "each once, in the order of their ids");
            assert_eq!(ids(&pages(&alice, limit).await), sorted(&[&alice, &other]));
        }
        let listed = pages(&operator, 100).await;
        let row = listed.iter().find(|row| row.session_id.as_str() == id(&alice)).unwrap();
        assert_eq!((row.principal.as_str(), row.state.as_str(), row.jobs), ("alice", "live", 0));
        assert!(row.last_event_seq > 0, "its job had events");
        assert_eq!(row.resumable_until, None);

        let closed = id(&other);
        other.close().await;
        let listed = pages(&operator, 100).await;
        let row = listed.iter().find(|row| row.session_id.as_str() == closed).unwrap();
        assert_eq!(
            (row.state.as_str(), row.resumable_until.is_some()),
            ("closed", true),
            "it can be resumed for a while"
        );
    });
}
