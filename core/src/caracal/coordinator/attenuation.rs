//! Checks that an edge is no wider than the edge by which its source acts (§2.3).
//!
//! Scopes, resources and actions are compared as texts. The leases of ARCP follow another rule: their patterns have
//! wildcards. Here, `*` is a scope with this name, and includes no other scope.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::Coordinator;
use super::edges::Edge;
use super::ids::Uuid;
use super::zone::Zone;
use crate::caracal::wire::answer::write::fault::Refusal;
use crate::caracal::wire::limits::EdgeLimits;
use crate::time::Time;

/// An edge that is asked for.
pub(super) struct Asked<'a> {
    pub(super) source: Uuid,
    pub(super) scopes: &'a [Box<str>],
    pub(super) resource: Option<&'a str>,
    pub(super) limits: &'a EdgeLimits,
    pub(super) expires_at: Time,
}

/// What an edge gets from the one that it follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Narrowed {
    pub(super) parent: Option<Uuid>,
    /// The delegations that can begin at it, this one included.
    pub(super) hops: u32,
}

impl Coordinator {
    /// Returns the edge that a new one follows, if its source acts by one, and the hops that are left.
    ///
    /// With the generation 1.0 a source that acts by several edges names one of them. That of 0.1 cannot: the new edge
    /// follows the oldest that is wide enough.
    pub(super) fn narrow(&self, zone: &Zone, asked: &Asked<'_>, named: Option<&str>) -> Result<Narrowed, Refusal> {
        let is_head = self.config.is_head();
        let most = self.config.limits.hops;
        let hops = asked.limits.max_hops.unwrap_or(if is_head { 1 } else { most }).min(most);
        let root = Narrowed { parent: None, hops };
        if !is_head && !self.config.is_strict() {
            return Ok(root);
        }
        let parents = zone.authority_of(asked.source);
        let named = named.filter(|_| is_head);
        if parents.is_empty() {
            // An edge that is named and no longer active does not leave its source unlimited.
            let is_refused = named.is_some() && self.config.is_strict();
            return if is_refused { Err(Refusal::ParentEdgeInactive) } else { Ok(root) };
        }
        if !is_head {
            let narrowed = parents.iter().find_map(|parent| self.follow(parent, asked));
            return narrowed.ok_or(Refusal::ExceedsParent);
        }
        let parent = match (named, &parents[..]) {
            (Some(named), _) => {
                let id = Uuid::parse(named).ok_or(Refusal::ParentEdgeInactive)?;
                parents.iter().find(|parent| parent.facts().id == id).ok_or(Refusal::ParentEdgeInactive)?
            }
            (None, [parent]) => parent,
            (None, _) => return Err(Refusal::ParentEdgeAmbiguous),
        };
        self.follow(parent, asked).ok_or(Refusal::ExceedsParent)
    }

    /// Returns what a new edge gets from this one, or `None` if it would be wider.
    fn follow(&self, parent: &Edge, asked: &Asked<'_>) -> Option<Narrowed> {
        let is_head = self.config.is_head();
        let facts = parent.facts();
        let (limits, outer) = (asked.limits, &facts.limits);
        let left = facts.hops.saturating_sub(1);
        // Without a number, an edge of 0.1 has as many hops as are left.
        let hops = limits.max_hops.unwrap_or(if is_head { 1 } else { left });
        let resources = match asked.resource {
            Some(resource) => Vec::from([resource.into()]),
            None => limits.resources.clone(),
        };
        let is_within = within(asked.scopes, &facts.scopes)
            && asked.expires_at <= facts.expires_at
            && (1..=left).contains(&hops)
            && narrows(&resources, &parent.resources())
            && narrows(&limits.actions, &outer.actions)
            && self.keeps_ttl(limits.ttl, outer.ttl)
            && keeps_budget(asked, outer.budget)
            && (is_head || outer.other.iter().all(|member| limits.other.contains(member)));
        is_within.then_some(Narrowed { parent: Some(facts.id), hops })
    }

    /// A `ttl_seconds` is repeated by the edges that follow, and not larger. In 0.1 an expiry can take its place.
    fn keeps_ttl(&self, inner: Option<u32>, outer: Option<u32>) -> bool {
        match (inner, outer) {
            (_, None) => true,
            (Some(inner), Some(outer)) => inner <= outer,
            (None, Some(_)) => !self.config.is_head(),
        }
    }
}

/// The budget of an edge without one is the number of its scopes.
fn keeps_budget(asked: &Asked<'_>, outer: Option<u32>) -> bool {
    let inner = asked.limits.budget.map_or(asked.scopes.len(), |budget| budget as usize);
    outer.is_none_or(|outer| inner <= outer as usize)
}

fn within(inner: &[Box<str>], outer: &[Box<str>]) -> bool {
    inner.iter().all(|item| outer.contains(item))
}

/// An empty list does not limit. What limits the outer edge limits the inner one too.
fn narrows(inner: &[Box<str>], outer: &[Box<str>]) -> bool {
    outer.is_empty() || (!inner.is_empty() && within(inner, outer))
}
