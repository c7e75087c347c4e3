//! NATS and Redis with TLS.

use nuncio_shared::auth::{Authorities, ClientTls};
use nuncio_shared::cap::{BlobError, BlobStore as _, Bus as _, NatsOptions, RedisOptions};
use nuncio_tests::peers::{Nats, wanted};

use super::on::{self, RedisStore};
use crate::cap::certificates::Certificates;

#[test]
fn a_nats_server_that_requires_tls_gets_it() {
    if !wanted("a_nats_server_that_requires_tls_gets_it") {
        return;
    }
    let files = Certificates::of("127.0.0.1");
    let nats = files.nats();
    let authorities = Authorities::from_file(&files.authority).expect("a certificate");
    let tls = ClientTls::new(authorities).expect("a configuration");
    let connect = |tls: Option<&ClientTls>, url: &str| {
        let mut options = NatsOptions::new(url).expect("a URL");
        options.tls = tls.cloned();
        options.connect_within = std::time::Duration::ZERO;
        on::connect(options)
    };
    on::within(|| {
        on::block_on(async {
            for url in [nats.url(), nats.url().replace("nats://", "tls://")] {
                let bus = connect(Some(&tls), &url).await.expect("the certificate is trusted");
                bus.flush().await.expect("the server runs");
            }
            let error = connect(None, &nats.url()).await.expect_err("the system does not trust the authority");
            assert!(error.contains("127.0.0.1") && error.contains("is not trusted"), "{error}");

            let plain = Nats::start(&[]);
            let error =
                connect(Some(&tls), &plain.url().replace("nats://", "tls://")).await.expect_err("it has no TLS");
            assert!(error.contains("does not speak TLS"), "{error}");
            connect(Some(&tls), &plain.url()).await.expect("nats:// does not demand TLS");
        });
    });
}

/// wire.md §4 row 16: the Python SDK reads these settings and does not use them.
#[test]
fn the_tls_settings_of_redis_take_effect() {
    if !wanted("the_tls_settings_of_redis_take_effect") {
        return;
    }
    let files = Certificates::of("redis.example");
    let redis = files.redis();
    let ping = |authority: bool, name: Option<&str>, insecure: bool| {
        let mut options = RedisOptions::new(&redis.url()).expect("a URL");
        let tls = options.tls.as_mut().expect("the URL is rediss://");
        tls.authorities = authority.then(|| files.authority.clone());
        tls.server_name = name.map(str::to_owned);
        tls.insecure = insecure;
        let store = RedisStore::new(options).expect("the system gives a thread");
        async move { store.ping().await }
    };
    on::within(|| {
        on::block_on(async {
            assert_eq!(ping(true, Some("redis.example"), false).await, Ok(()));
            assert_eq!(ping(false, None, true).await, Ok(()));
            let wrong = |result: Result<(), BlobError>, part: &str| {
                let Err(BlobError::Unreachable(reason)) = result else { panic!("{result:?}") };
                assert!(reason.contains(part), "{reason}");
            };
            wrong(ping(true, None, false).await, "is for another name");
            wrong(ping(false, Some("redis.example"), false).await, "is not trusted");
        });
    });
}
