//! Connects to a server: TCP, TLS, AUTH, SELECT.

use std::marker::PhantomData;

use futures_lite::AsyncReadExt as _;
use nuncio_link::resp::{RespConfig, RespLink, RespReply, RespRequest};

use crate::cap::blob::RedisOptions;
use crate::io::clock::timeout;
use crate::io::conn::write;
use crate::io::{Driver, Io as _, Stream, connect};

/// Makes the connections of one store.
pub(super) struct Connector<D> {
    options: RedisOptions,
    driver: PhantomData<fn(D)>,
}

impl<D: Driver> Connector<D> {
    pub(super) fn new(options: RedisOptions) -> Connector<D> {
        Connector { options, driver: PhantomData }
    }

    pub(super) fn options(&self) -> &RedisOptions {
        &self.options
    }

    /// Makes one attempt. The error says what went wrong.
    pub(super) async fn connect(&self, thread: &D::Thread) -> Result<(Stream, RespLink), String> {
        let limit = self.options.connect_timeout;
        let attempt = timeout(thread, limit, self.attempt(thread)).await;
        attempt.unwrap_or_else(|| Err(format!("it did not answer within {limit:?}"))).map_err(|reason| {
            let RedisOptions { host, port, .. } = &self.options;
            format!("{host}:{port}: {reason}")
        })
    }

    async fn attempt(&self, thread: &D::Thread) -> Result<(Stream, RespLink), String> {
        let RedisOptions { host, port, user, password, database, .. } = &self.options;
        let stream =
            connect::<D>(host.clone(), *port, |at| thread.sleep_until(at)).await.map_err(|error| error.to_string())?;
        let mut stream = self.secured(stream).await?;
        let config = RespConfig { max_requests: self.options.pipeline.max(3), ..RespConfig::default() };
        let mut link = RespLink::new(config);
        if let Some(password) = password {
            let auth = RespRequest::Auth { user: user.as_deref(), password: password.expose() };
            exchange(&mut stream, &mut link, "AUTH", &auth).await?;
        }
        if *database != 0 {
            exchange(&mut stream, &mut link, "SELECT", &RespRequest::Select(*database)).await?;
        }
        exchange(&mut stream, &mut link, "PING", &RespRequest::Ping).await?;
        Ok((stream, link))
    }

    #[cfg(feature = "tls")]
    async fn secured(&self, stream: Stream) -> Result<Stream, String> {
        let Some(tls) = &self.options.tls else { return Ok(stream) };
        let tls = tls.client_tls().map_err(|error| error.to_string())?;
        tls.shake_hands(stream, &self.options.host).await.map_err(|error| error.to_string())
    }

    #[cfg(not(feature = "tls"))]
    #[expect(clippy::unused_async, reason = "it has the shape that it has with TLS")]
    async fn secured(&self, stream: Stream) -> Result<Stream, String> {
        match &self.options.tls {
            None => Ok(stream),
            Some(_) => Err("rediss:// needs the driver's feature `tls`".to_owned()),
        }
    }
}

/// Makes a request, and waits for its reply. A refusal is an error.
async fn exchange(
    stream: &mut Stream,
    link: &mut RespLink,
    name: &str,
    request: &RespRequest<'_>,
) -> Result<(), String> {
    link.request(request, 0).map_err(|refused| refused.to_string())?;
    let mut bytes = Vec::new();
    link.take_output(&mut bytes);
    write(stream, &bytes).await.map_err(|error| error.to_string())?;
    let mut buffer = [0; 1024];
    loop {
        match link.poll_reply().map_err(|fault| fault.to_string())? {
            Some(RespReply::Error(error)) => return Err(format!("it refuses {name}: {error:?}")),
            Some(_) => return Ok(()),
            None => {}
        }
        match stream.read(&mut buffer).await.map_err(|error| error.to_string())? {
            0 => return Err("it closed the connection".to_owned()),
            count => link.receive(&buffer[..count]),
        }
    }
}
