//! A connection, and one request with its response on it.

use bytes::Bytes;
use futures_lite::AsyncReadExt as _;
use futures_lite::future::{or, poll_once};
use futures_lite::io::{ReadHalf, WriteHalf, split};
use nuncio_link::http::{Request, Response};
use nuncio_link::http1::Http1Link;

use super::error::HttpError;
use super::origin::Origin;
use crate::io::Stream;
use crate::io::conn::write;

const READ_BYTES: usize = 8 * 1024;

pub(super) struct Connection {
    input: ReadHalf<Stream>,
    output: WriteHalf<Stream>,
    link: Http1Link,
}

impl Connection {
    pub(super) fn new(stream: Stream, link: Http1Link) -> Connection {
        let (input, output) = split(stream);
        Connection { input, output, link }
    }

    pub(super) async fn exchange(
        &mut self,
        origin: &Origin,
        request: &Request<Bytes>,
    ) -> Result<Response<Bytes>, HttpError> {
        let Connection { input, output, link } = self;
        link.request(request).map_err(HttpError::Request)?;
        let mut bytes = Vec::new();
        link.take_output(&mut bytes);
        let reading = async {
            let mut buffer = vec![0; READ_BYTES];
            loop {
                match link.poll_response() {
                    Ok(Some(response)) => return Ok(response),
                    Ok(None) => {}
                    Err(fault) => return Err(HttpError::Response { origin: origin.to_string(), fault }),
                }
                match input.read(&mut buffer).await {
                    Ok(0) => link.receive_end(),
                    Ok(count) => link.receive(&buffer[..count]),
                    Err(error) => {
                        return Err(HttpError::Lost { origin: origin.to_string(), reason: error.to_string() });
                    }
                }
            }
        };
        let mut is_written = false;
        let writing = async {
            // A server may answer and close the connection without reading everything. The reader sees both.
            is_written = write(output, &bytes).await.is_ok();
            std::future::pending().await
        };
        let response = or(reading, writing).await?;
        if !is_written {
            // Another request cannot follow one that is incomplete.
            self.link.receive_end();
        }
        Ok(response)
    }

    /// Returns whether another request can be sent: the connection is open, and the server has sent nothing of itself.
    pub(super) async fn is_usable(&mut self) -> bool {
        let mut byte = [0; 1];
        self.link.is_reusable() && poll_once(self.input.read(&mut byte)).await.is_none()
    }

    pub(super) fn is_reusable(&self) -> bool {
        self.link.is_reusable()
    }
}
