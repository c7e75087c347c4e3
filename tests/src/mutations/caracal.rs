//! Deliberate mistakes in the core of Caracal.

use super::{Mutation, at};

/// The mistakes in Caracal.
pub(super) const CARACAL: [Mutation; 13] = [
    at(
        "caracal: a lost answer counts as a request that was not sent",
        "caracal/client/retry.rs",
        "TransportFailure::Lost => lost(config, entry),",
        "TransportFailure::Lost => repeat(config, entry, false).unwrap_or(Verdict::Fail),",
    ),
    at(
        "caracal: a spawn is repeated at a coordinator that does not recognise it",
        "caracal/client/retry.rs",
        "config.generation == Generation::Head,",
        "true,",
    ),
    at(
        "caracal: a spawn is repeated when its key is forgotten",
        "caracal/client/calls/mod.rs",
        "is_keyed && self.uncertain",
        "is_keyed && limit.is_zero() && self.uncertain",
    ),
    at(
        "caracal: a session whose edge cannot be created goes on",
        "caracal/client/failure.rs",
        "                self.add(Call::Terminate { session, lease }, Purpose::Cleanup);",
        "                let _ = (session, lease);",
    ),
    at(
        "caracal: a repeated key opens another session",
        "caracal/coordinator/spawn.rs",
        "                    Some(reply) => return Ok(reply),\n                    None => Some(digest),",
        "                    Some(_) | None => Some(digest),",
    ),
    at(
        "caracal: an edge has scopes that its parent lacks",
        "caracal/coordinator/attenuation.rs",
        "let is_within = within(asked.scopes, &facts.scopes)\n            && ",
        "let is_within = ",
    ),
    at(
        "caracal: a revocation leaves the edges that begin where the edge ends",
        "caracal/coordinator/zone.rs",
        "        edges.extend(ending.edges);\n        ending.edges = self.with_followers(config, edges);",
        "        ending.edges = Vec::from([edge]);",
    ),
    at(
        "caracal: children outlive their parents",
        "caracal/coordinator/zone.rs",
        "let ids = self.sessions.subtree(roots, |session| session.phase().is_live());",
        "let ids = roots.to_vec();",
    ),
    at(
        "caracal: an answer does not wait for its record",
        "caracal/coordinator/outputs.rs",
        "CoordinatorOutput::Respond { id, reply, after: self.stored }",
        "CoordinatorOutput::Respond { id, reply, after: self.stored.saturating_sub(1) }",
    ),
    at(
        "caracal: a compaction deletes the ends of sessions that are still shown",
        "caracal/coordinator/record/compact.rs",
        "sessions.iter().any(|ended| self.sessions.contains(&ended.id))\n                    || edges",
        "edges",
    ),
    at(
        "caracal: an edge does not follow a wall clock that is set ahead",
        "caracal/coordinator/edges/edge.rs",
        "        self.expiry.follow(clock);\n",
        "        let _ = clock;\n",
    ),
    at(
        "caracal: a token does not follow a wall clock that is set ahead",
        "caracal/client/tokens.rs",
        "            expiry.follow(clock);\n",
        "            let _ = (expiry, clock);\n",
    ),
    at(
        "caracal: a token lasts longer once the wall clock is set back",
        "caracal/client/tokens.rs",
        "            expiry.follow(clock);\n",
        "            *expiry = Expiry::new(expiry.at(), clock);\n",
    ),
];
