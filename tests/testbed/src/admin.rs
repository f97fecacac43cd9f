//! A tiny HTTP interface to a server's faults and counters, for processes that are not Rust tests.
//!
//! `GET /counters`, `GET /requests`, `GET /keys?prefix=P`, `POST /reset`, `POST /faults` (a JSON array of rules, or a
//! plan `{"rules": [], "ignore_conditions": false, "read_only": false}`), `DELETE /faults`.

use std::convert::Infallible;
use std::io;

use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, StatusCode};
use hyper_util::rt::TokioIo;
use s3s::{Body, HttpResponse};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::controls::Controls;
use crate::faults::{Plan, Rule};
use crate::listening::Listening;
use crate::query::parameter;

/// Bytes of a posted plan.
const PLAN_BYTES_MAX: usize = 1024 * 1024;

/// A running administration port of any server; it ends when dropped.
#[derive(Debug)]
pub struct Admin {
    listening: Listening,
}

impl Admin {
    /// Opens a free port for this server.
    pub fn start(controls: &Controls) -> io::Result<Self> {
        let controls = controls.clone();
        let listening = Listening::open(0, move |stream| converse(stream, controls.clone()))?;
        Ok(Self { listening })
    }

    /// Returns the endpoint, like `http://127.0.0.1:4711`.
    pub fn endpoint(&self) -> String {
        self.listening.endpoint()
    }
}

async fn converse(stream: TcpStream, controls: Controls) {
    let service = service_fn(move |request| {
        let controls = controls.clone();
        async move { Ok::<_, Infallible>(answer(request, &controls).await) }
    });
    // It ends in an error when a client leaves early.
    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
}

/// Both forms a plan may be posted in.
#[derive(Deserialize)]
#[serde(untagged)]
enum Posted {
    Rules(Vec<Rule>),
    Plan(Plan),
}

async fn answer(request: hyper::Request<Incoming>, controls: &Controls) -> HttpResponse {
    let (parts, body) = request.into_parts();
    let (status, value) = match (&parts.method, parts.uri.path()) {
        (&Method::GET, "/counters") => (StatusCode::OK, counters(controls)),
        (&Method::GET, "/requests") => (StatusCode::OK, json!(controls.requests())),
        (&Method::GET, "/keys") => {
            let prefix = parameter(&parts.uri, "prefix").unwrap_or_default();
            (StatusCode::OK, json!(controls.keys(&prefix)))
        }
        (&Method::POST, "/reset") => {
            controls.reset_counters();
            (StatusCode::OK, json!({}))
        }
        (&Method::POST, "/faults") => post_plan(body, controls).await,
        (&Method::DELETE, "/faults") => {
            controls.clear_faults();
            (StatusCode::OK, json!({}))
        }
        (method, path) => (StatusCode::NOT_FOUND, json!({ "error": format!("there is no {method} {path}") })),
    };
    let mut response = HttpResponse::new(Body::from(format!("{value}\n")));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn counters(controls: &Controls) -> Value {
    let counters = controls.counters();
    let mut value = json!(counters);
    value["total"] = json!(counters.total());
    value
}

async fn post_plan(body: Incoming, controls: &Controls) -> (StatusCode, Value) {
    let plan = match Body::from(body).store_all_limited(PLAN_BYTES_MAX).await {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    match plan {
        Ok(Posted::Rules(rules)) => controls.faults(rules),
        Ok(Posted::Plan(plan)) => controls.faults(plan),
        Err(error) => return (StatusCode::BAD_REQUEST, json!({ "error": error })),
    }
    (StatusCode::OK, json!({}))
}
