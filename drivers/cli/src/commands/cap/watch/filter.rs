//! Which packets are printed.

use clap::Args;

use super::packet::Packet;

#[derive(Args, Debug)]
#[command(next_help_heading = "Filters")]
pub(super) struct Filter {
    /// Print the packets of this job only. Repeat it for more
    #[arg(long, value_name = "JOB")]
    job: Vec<String>,
    /// Print the packets of this sender only. Repeat it for more
    #[arg(long, value_name = "ID")]
    sender: Vec<String>,
    /// Print the packets of this trace only. Repeat it for more
    #[arg(long, value_name = "TRACE")]
    trace: Vec<String>,
    /// Print packets with this payload only, such as `JobResult` or `Heartbeat`. Repeat it for more
    #[arg(long, value_name = "PAYLOAD", ignore_case = true)]
    kind: Vec<String>,
    /// Leave out heartbeats
    #[arg(long)]
    no_heartbeats: bool,
}

impl Filter {
    /// Whether a packet is printed. A message that is not a packet is, unless a filter asks for something of packets.
    pub(super) fn admits(&self, packet: &Packet) -> bool {
        let named = |names: &[String], value: &str| names.is_empty() || names.iter().any(|name| name == value);
        let kind = packet.kind.unwrap_or_default();
        named(&self.job, &packet.job_id)
            && named(&self.sender, &packet.sender_id)
            && named(&self.trace, &packet.trace_id)
            && (self.kind.is_empty() || self.kind.iter().any(|name| name.eq_ignore_ascii_case(kind)))
            && !(self.no_heartbeats && kind == "Heartbeat")
    }
}
