use std::collections::VecDeque;
use std::fmt;

use super::config::RespConfig;
use super::decoder::Decoder;
use super::reply::{RespFault, RespRefused, RespReply};
use super::request::RespRequest;
use crate::buffer::Buffer;

/// One connection to a Redis server, without IO. See the [module](super).
pub struct RespLink {
    config: RespConfig,
    decoder: Decoder,
    output: Buffer,
    /// For each request without a reply, how many bytes the values of the reply may have.
    expected: VecDeque<usize>,
    fault: Option<RespFault>,
}

impl RespLink {
    /// Returns a link for a connection that was just made.
    pub fn new(config: RespConfig) -> RespLink {
        RespLink { config, decoder: Decoder::new(), output: Buffer::default(), expected: VecDeque::new(), fault: None }
    }

    /// Queues a request. Of its reply, values of up to `max` bytes are kept.
    pub fn request(&mut self, request: &RespRequest<'_>, max: usize) -> Result<(), RespRefused> {
        if self.expected.len() >= self.config.max_requests {
            return Err(RespRefused::TooManyRequests);
        }
        request.encode(self.output.tail());
        self.expected.push_back(max);
        Ok(())
    }

    /// Takes bytes that the server has sent.
    pub fn receive(&mut self, bytes: &[u8]) {
        if self.fault.is_none() {
            self.decoder.push(bytes);
        }
    }

    /// Returns the reply to the oldest request that has none, or `None` if it is not complete yet. A fault is returned again
    /// by every later call.
    pub fn poll_reply(&mut self) -> Result<Option<RespReply>, RespFault> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        let next = match self.expected.front() {
            Some(max) => self.decoder.next(&self.config, *max),
            None if self.decoder.is_empty() => Ok(None),
            None => Err(RespFault::Unasked),
        };
        match &next {
            Ok(Some(_)) => drop(self.expected.pop_front()),
            Ok(None) => {}
            Err(fault) => self.fault = Some(fault.clone()),
        }
        next
    }

    /// Moves the bytes that wait to be written to the end of `into`.
    pub fn take_output(&mut self, into: &mut Vec<u8>) {
        self.output.take(into);
    }

    /// Returns how many bytes wait to be written.
    pub fn output_len(&self) -> usize {
        self.output.len()
    }

    /// Returns how many requests wait for their replies.
    pub fn waiting(&self) -> usize {
        self.expected.len()
    }

    /// Returns the memory that the link holds, in bytes, without that of its constant size.
    pub fn bytes_held(&self) -> usize {
        self.decoder.bytes_held() + self.output.capacity() + self.expected.capacity() * size_of::<usize>()
    }
}

impl fmt::Debug for RespLink {
    /// Shows no keys and no values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RespLink").field("waiting", &self.expected.len()).finish_non_exhaustive()
    }
}
