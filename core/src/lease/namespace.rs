//! The namespaces of a lease (§9.2).

use alloc::boxed::Box;
use core::fmt;

/// A namespace of a lease: one of the seven that §9.2 reserves, or a vendor's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Namespace {
    /// `fs.read`: reading files. Targets are absolute paths.
    FsRead,
    /// `fs.write`: writing files. Targets are absolute paths.
    FsWrite,
    /// `net.fetch`: outbound requests. Targets are absolute URLs.
    NetFetch,
    /// `tool.call`: calling registered tools. Targets are their names.
    ToolCall,
    /// `agent.delegate`: delegating to other agents. Targets are their bare names.
    AgentDelegate,
    /// `cost.budget`: cost ceilings. Its entries are amounts, not patterns (§9.6).
    CostBudget,
    /// `model.use`: choosing models. Targets are their names (§9.7).
    ModelUse,
    /// `x-vendor.<vendor>.<name>`: a namespace that a vendor defines.
    Vendor(VendorNamespace),
}

/// The checked text of a vendor's namespace, `x-vendor.` included.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VendorNamespace(Box<str>);

impl Namespace {
    /// The length of the longest namespace, in bytes (ours).
    pub const MAX_BYTES: usize = 256;

    /// Parses a namespace, or returns `None` for a text that is not one.
    ///
    /// A vendor's is `x-vendor.` and at least two labels between dots, each of ASCII letters, digits, `_` and `-`
    /// (ours).
    pub fn parse(text: &str) -> Option<Namespace> {
        match text {
            "fs.read" => Some(Namespace::FsRead),
            "fs.write" => Some(Namespace::FsWrite),
            "net.fetch" => Some(Namespace::NetFetch),
            "tool.call" => Some(Namespace::ToolCall),
            "agent.delegate" => Some(Namespace::AgentDelegate),
            "cost.budget" => Some(Namespace::CostBudget),
            "model.use" => Some(Namespace::ModelUse),
            vendor => {
                let labels = vendor.strip_prefix("x-vendor.")?;
                let well_formed =
                    vendor.len() <= Self::MAX_BYTES && labels.contains('.') && labels.split('.').all(is_label);
                well_formed.then(|| Namespace::Vendor(VendorNamespace(vendor.into())))
            }
        }
    }

    /// Returns the namespace as it is written in a lease.
    pub fn as_str(&self) -> &str {
        match self {
            Namespace::FsRead => "fs.read",
            Namespace::FsWrite => "fs.write",
            Namespace::NetFetch => "net.fetch",
            Namespace::ToolCall => "tool.call",
            Namespace::AgentDelegate => "agent.delegate",
            Namespace::CostBudget => "cost.budget",
            Namespace::ModelUse => "model.use",
            Namespace::Vendor(VendorNamespace(text)) => text,
        }
    }
}

fn is_label(label: &str) -> bool {
    !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
