//! The destination of a call, and whether the call may carry the token of the context: [`Routes`] (§1.5).

mod url;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use crate::caracal::wire::header::{Header, HeaderValue, InvalidHeader};

pub use url::InvalidUrl;
use url::Url;

/// The header that names a resource to the gateway.
pub const RESOURCE_HEADER: &str = "x-caracal-resource";

/// A resource that calls are bound to: an id, and the prefix of the URLs that belong to it.
#[derive(Clone, Debug)]
pub struct ResourceBinding {
    /// The id of the resource, such as `resource://inventory`.
    pub resource: Box<str>,
    /// The prefix of its URLs, such as `http://inventory:8080/v2`.
    pub prefix: Box<str>,
}

/// Why routes are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRoutes {
    /// The URL of the gateway is malformed.
    #[error("the URL of the gateway is malformed: {0}")]
    Gateway(InvalidUrl),
    /// The prefix of a resource is malformed.
    #[error("the prefix of the resource {resource:?} is malformed: {why}")]
    Prefix {
        /// The resource.
        resource: Box<str>,
        /// What is wrong with its prefix.
        why: InvalidUrl,
    },
    /// The id of a resource cannot be sent in a header.
    #[error("the id of the resource {resource:?} cannot be sent: {why}")]
    Resource {
        /// The resource.
        resource: Box<str>,
        /// What is wrong with its id.
        why: InvalidHeader,
    },
    /// A gateway and a prefix have a query, which could not be compared.
    #[error("the URL of a gateway or a resource must not have a query")]
    Query,
}

/// Where a call goes. Only [`Route::Direct`] must not carry the context's headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// Through the gateway. The context's token replaces the caller's.
    Gateway {
        /// The URL to call instead.
        url: String,
        /// `host` and `x-caracal-resource`, which replace the caller's.
        headers: [Header; 2],
    },
    /// To the gateway, as the caller addressed it.
    AtGateway,
    /// To a bound resource without a gateway.
    Bound,
    /// To a server that is no resource. It must not learn the context.
    Direct,
}

#[derive(Clone, Debug)]
struct Binding {
    resource: HeaderValue,
    origin: String,
    /// The path without a `/` at its end.
    path: String,
}

impl Binding {
    /// Returns the rest of a URL's path after the prefix, which ends at the end of a segment.
    fn rest<'a>(&self, url: &'a Url) -> Option<&'a str> {
        let rest = url.path().strip_prefix(&*self.path).filter(|_| url.origin() == self.origin)?;
        (rest.is_empty() || rest.starts_with('/')).then_some(rest)
    }
}

/// The gateway of an application and the resources that it calls.
///
/// ```
/// use nuncio_core::caracal::{ResourceBinding, Route, Routes};
///
/// let inventory = ResourceBinding {
///     resource: "resource://inventory".into(),
///     prefix: "http://inventory:8080".into(),
/// };
/// let routes = Routes::new(Some("http://gateway:8081/base"), &[inventory])?;
/// let Route::Gateway { url, headers } = routes.route("http://inventory:8080/items?q=1", None)? else { panic!() };
/// assert_eq!(url, "http://gateway:8081/base/items?q=1");
/// assert_eq!(headers[0].value().expose(), "gateway:8081");
/// assert_eq!(routes.route("http://elsewhere/", None)?, Route::Direct);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Routes {
    gateway: Option<Url>,
    /// The longest paths first.
    bindings: Vec<Binding>,
}

impl Routes {
    /// Checks the URLs of a gateway and of resources.
    pub fn new(gateway: Option<&str>, bindings: &[ResourceBinding]) -> Result<Routes, InvalidRoutes> {
        let parse = |text: &str| Url::parse(text).and_then(|url| url.check_path().map(|()| url));
        let without_query = |url: Url| if url.query().is_none() { Ok(url) } else { Err(InvalidRoutes::Query) };
        let gateway =
            gateway.map(|url| parse(url).map_err(InvalidRoutes::Gateway).and_then(without_query)).transpose()?;
        let checked = bindings.iter().map(|ResourceBinding { resource, prefix }| {
            let prefix = parse(prefix)
                .map_err(|why| InvalidRoutes::Prefix { resource: resource.clone(), why })
                .and_then(without_query)?;
            let value = HeaderValue::new(resource.clone());
            Ok(Binding {
                resource: value.map_err(|why| InvalidRoutes::Resource { resource: resource.clone(), why })?,
                origin: prefix.origin().into(),
                path: prefix.path().trim_end_matches('/').into(),
            })
        });
        let mut bindings = checked.collect::<Result<Vec<_>, InvalidRoutes>>()?;
        bindings.sort_by_key(|binding| core::cmp::Reverse(binding.path.len()));
        Ok(Routes { gateway, bindings })
    }

    /// Returns where a call to a URL goes. `resource` is the value of the caller's own `x-caracal-resource` header.
    ///
    /// The longest prefix that ends at the end of a segment decides. A named resource is used even if it is not bound;
    /// the path is shortened by its prefix if the URL has it, and kept whole otherwise. The host has its port, and the
    /// query is kept. A call to the gateway or to a resource whose path has dot segments is an error.
    pub fn route(&self, url: &str, resource: Option<&HeaderValue>) -> Result<Route, InvalidUrl> {
        let url = Url::parse(url)?;
        let at_gateway = self.gateway.as_ref().is_some_and(|gateway| gateway.origin() == url.origin());
        let is_bound_origin = self.bindings.iter().any(|binding| binding.origin == url.origin());
        let is_named = resource.is_some() && self.gateway.is_some();
        if !at_gateway && !is_bound_origin && !is_named {
            return Ok(Route::Direct);
        }
        url.check_path()?;
        if at_gateway {
            return Ok(Route::AtGateway);
        }
        let is_wanted = |binding: &&Binding| resource.is_none_or(|resource| binding.resource == *resource);
        let rest = |binding: &Binding| binding.rest(&url).map(|rest| (binding.resource.clone(), rest.into()));
        let matched: Option<(HeaderValue, String)> = self.bindings.iter().filter(is_wanted).find_map(rest);
        let named = || resource.map(|resource| (resource.clone(), String::from(url.path())));
        Ok(match (&self.gateway, matched) {
            (Some(gateway), matched) => match matched.or_else(named) {
                Some((resource, path)) => through(gateway, resource, &path, url.query()),
                None => Route::Direct,
            },
            (None, Some(_)) => Route::Bound,
            (None, None) => Route::Direct,
        })
    }

    /// Returns whether a redirect from one URL to another stays at the same origin. A call that carries the context's
    /// headers must not follow any other.
    pub fn allows_redirect(from: &str, to: &str) -> bool {
        match (Url::parse(from), Url::parse(to)) {
            (Ok(from), Ok(to)) => from.origin() == to.origin(),
            (_, _) => false,
        }
    }
}

/// Returns the route through a gateway to a path of a resource.
fn through(gateway: &Url, resource: HeaderValue, path: &str, query: Option<&str>) -> Route {
    let mut url = [gateway.origin(), gateway.path().trim_end_matches('/')].concat();
    if !path.starts_with('/') {
        url.push('/');
    }
    url.push_str(path);
    if let Some(query) = query {
        url.push('?');
        url.push_str(query);
    }
    let host = HeaderValue::trusted(gateway.host());
    Route::Gateway { url, headers: [Header::new("host", host), Header::new(RESOURCE_HEADER, resource)] }
}
