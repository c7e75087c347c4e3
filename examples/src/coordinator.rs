//! A coordinator of Caracal within the process, for the examples.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode};
use nuncio_core::caracal::{
    ApplicationId, AuthorityId, Coordinator, CoordinatorConfig, CoordinatorOutput, CredentialFault, IncomingId,
    IncomingRequest, LIFECYCLE_SCOPE, Principal, ZoneConfig, ZoneId,
};
use nuncio_core::time::Time;

/// A coordinator of the zone `z1`. The token of an application is its name.
pub struct LocalCoordinator {
    url: String,
    shared: Arc<Shared>,
}

struct Shared {
    zone: ZoneId,
    coordinator: Mutex<Coordinator>,
}

impl LocalCoordinator {
    /// Starts it for some applications. It ends with the runtime.
    pub async fn start(applications: &[&str]) -> Result<LocalCoordinator, Box<dyn std::error::Error>> {
        let zone = ZoneId::new("z1")?;
        let ids = applications.iter().map(|id| ApplicationId::new(id)).collect::<Result<Vec<_>, _>>()?;
        let config = CoordinatorConfig::default().with(|config| {
            config.zones.push(ZoneConfig { id: zone.clone(), applications: ids, resources: None });
        });
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(io::Error::other)?;
        let coordinator = Mutex::new(Coordinator::new(config, seed, now()));
        let shared = Arc::new(Shared { zone, coordinator });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let routes = Router::new().fallback(handle).with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Ok(LocalCoordinator { url, shared })
    }

    /// Returns its base URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the number of sessions that are active or suspended.
    pub fn live_sessions(&self) -> usize {
        self.shared.coordinator.lock().unwrap_or_else(PoisonError::into_inner).live_sessions()
    }
}

fn now() -> Time {
    let micros = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
    Time(u64::try_from(micros).unwrap_or(u64::MAX))
}

async fn handle(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    shared.answer(request).await.unwrap_or_else(|status| {
        let mut refused = Response::new(Body::empty());
        *refused.status_mut() = status;
        refused
    })
}

impl Shared {
    async fn answer(&self, request: Request) -> Result<Response<Body>, StatusCode> {
        let (head, body) = request.into_parts();
        let body = axum::body::to_bytes(body, 64 << 10).await.map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)?;
        let text = |value: &axum::http::HeaderValue| value.to_str().map(str::to_owned);
        let headers: Vec<(&str, String)> = head
            .headers
            .iter()
            .map(|(name, value)| Ok((name.as_str(), text(value)?)))
            .collect::<Result<_, axum::http::header::ToStrError>>()
            .map_err(|_| StatusCode::BAD_REQUEST)?;
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, &**value)).collect();
        let token = headers
            .iter()
            .find_map(|(name, value)| (*name == "authorization").then(|| value.strip_prefix("Bearer ")).flatten());
        let caller = token.ok_or(CredentialFault::Missing).and_then(|application| self.principal(application));
        let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
        let mut coordinator = self.coordinator.lock().unwrap_or_else(PoisonError::into_inner);
        coordinator.handle_timeout(now());
        let incoming = IncomingRequest {
            method: head.method.as_str(),
            target,
            headers: &headers,
            body: &body,
            caller: caller.as_ref().map_err(|fault| *fault),
        };
        coordinator.handle_request(now(), IncomingId(1), &incoming);
        let mut outputs = std::iter::from_fn(|| coordinator.poll_output());
        let reply = outputs.find_map(|output| match output {
            CoordinatorOutput::Respond { id: IncomingId(1), reply, .. } => Some(reply),
            _ => None,
        });
        let reply = reply.ok_or(StatusCode::INTERNAL_SERVER_ERROR)?;
        let mut response = Response::builder().status(reply.status());
        for header in reply.headers() {
            response = response.header(header.name(), header.value().expose());
        }
        let body = reply.body().unwrap_or_default().to_owned();
        response.body(Body::from(body)).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn principal(&self, application: &str) -> Result<Principal, CredentialFault> {
        let invalid = |_| CredentialFault::Invalid;
        Ok(Principal {
            zone: self.zone.clone(),
            application: ApplicationId::new(application).map_err(invalid)?,
            subject: application.into(),
            scopes: [LIFECYCLE_SCOPE, "coordinator.delegate_to:payments"].map(Into::into).into(),
            authority: Some(AuthorityId::new(&format!("sid-{application}")).map_err(invalid)?),
        })
    }
}
