//! The blob store on a real redis-server.

use std::time::Duration;

use nuncio_shared::cap::{BlobError, BlobStore as _, RedisOptions, Secret};
use nuncio_tests::peers::{Redis, wanted};

use super::on::{self, RedisStore};

fn options(redis: &Redis) -> RedisOptions {
    RedisOptions::new(&redis.url()).expect("the URL of the server")
}

fn store(options: RedisOptions) -> RedisStore {
    RedisStore::new(options).expect("the system gives a thread")
}

#[test]
fn blobs_are_stored_read_and_removed() {
    if !wanted("blobs_are_stored_read_and_removed") {
        return;
    }
    let redis = Redis::start(&[]);
    on::within(|| {
        on::block_on(async {
            let store = store(options(&redis));
            store.ping().await.expect("the server runs");
            assert_eq!(store.get("none", 10).await, Ok(None));
            store.set("key", "\r\nblob\0".into(), None).await.expect("the server runs");
            assert_eq!(store.get("key", 7).await, Ok(Some("\r\nblob\0".into())));
            store.set("key", "".into(), Some(Duration::from_mins(10))).await.expect("the server runs");
            assert_eq!(store.get("key", 0).await, Ok(Some("".into())));
            store.delete("key").await.expect("the server runs");
            store.delete("key").await.expect("it may be gone");
            assert_eq!(store.get("key", 10).await, Ok(None));
            // Another database of the same server.
            let mut other = options(&redis);
            other.database = 3;
            let other = RedisStore::new(other).expect("the system gives a thread");
            store.set("key", "0".into(), None).await.expect("the server runs");
            assert_eq!(other.get("key", 10).await, Ok(None));
        });
    });
}

#[test]
fn a_blob_lives_as_long_as_it_is_told() {
    if !wanted("a_blob_lives_as_long_as_it_is_told") {
        return;
    }
    let redis = Redis::start(&[]);
    on::within(|| {
        on::block_on(async {
            let store = store(options(&redis));
            store.set("key", "x".into(), Some(Duration::from_millis(1))).await.expect("the server runs");
            while store.get("key", 10).await.expect("the server runs").is_some() {}
        });
    });
}

#[test]
fn a_blob_that_is_too_large_is_not_read_and_the_connection_goes_on() {
    if !wanted("a_blob_that_is_too_large_is_not_read_and_the_connection_goes_on") {
        return;
    }
    let redis = Redis::start(&[]);
    on::within(|| {
        on::block_on(async {
            let store = store(options(&redis));
            let bytes = 3 << 20;
            store.set("large", vec![b'x'; bytes].into(), None).await.expect("the server runs");
            let (large, small) = smol::future::zip(store.get("large", bytes - 1), store.get("none", 10)).await;
            assert_eq!(large, Err(BlobError::TooLarge { bytes, max: bytes - 1 }));
            assert_eq!(small, Ok(None));
            assert_eq!(store.get("large", bytes).await.expect("it fits").map(|blob| blob.len()), Some(bytes));
        });
    });
}

#[test]
fn an_empty_blob_is_there_and_no_blob_is_not() {
    if !wanted("an_empty_blob_is_there_and_no_blob_is_not") {
        return;
    }
    let redis = Redis::start(&[]);
    on::within(|| {
        on::block_on(async {
            let store = store(options(&redis));
            store.set("empty", "".into(), None).await.expect("the server runs");
            store.set("one", "x".into(), None).await.expect("the server runs");
            for max in [0, 1, usize::MAX] {
                assert_eq!(store.get("empty", max).await, Ok(Some("".into())), "{max}");
                assert_eq!(store.get("none", max).await, Ok(None), "{max}");
            }
            assert_eq!(store.get("one", 0).await, Err(BlobError::TooLarge { bytes: 1, max: 0 }));
            assert_eq!(store.get("one", usize::MAX).await, Ok(Some("x".into())));
        });
    });
}

#[test]
fn a_wrong_password_is_reported_and_not_repeated() {
    if !wanted("a_wrong_password_is_reported_and_not_repeated") {
        return;
    }
    let redis = Redis::start(&["--requirepass", "s3cret"]);
    on::within(|| {
        on::block_on(async {
            let with = |password: &str| {
                let mut options = options(&redis);
                options.password = Some(Secret::new(password));
                store(options)
            };
            with("s3cret").ping().await.expect("the password is right");
            let error = with("mistaken").ping().await.expect_err("the password is wrong");
            let reason = error.to_string();
            // The crate `redis` has words of its own.
            assert!(["WRONGPASS", "AuthenticationFailed"].iter().any(|said| reason.contains(said)), "{reason}");
            assert!(!reason.contains("mistaken"), "{reason}");
            let error = store(options(&redis)).ping().await.expect_err("a password is needed");
            assert!(error.to_string().contains("NOAUTH"), "{error}");
        });
    });
}

#[test]
fn a_server_that_comes_back_is_used_again() {
    if !wanted("a_server_that_comes_back_is_used_again") {
        return;
    }
    let mut redis = Redis::start(&[]);
    on::within(|| {
        on::block_on(async {
            let store = store(options(&redis));
            store.set("key", "x".into(), None).await.expect("the server runs");
            redis.kill();
            while store.ping().await.is_ok() {}
            assert!(matches!(store.ping().await, Err(BlobError::Unreachable(_))));
            redis.restart();
            while store.ping().await.is_err() {}
            store.set("key", "y".into(), None).await.expect("the server runs");
            assert_eq!(store.get("key", 10).await, Ok(Some("y".into())));
        });
    });
}
