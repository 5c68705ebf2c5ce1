//! The HTTP API, as small as it can be: `/health`. It runs under the same wrapper as a task and so
//! writes the same log lines, under the name `api`.

use std::convert::Infallible;
use std::env;
use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tracing::{info, warn};

use crate::background_task::{Context, Exit};

/// How long open requests may take after the stop; ECS kills after 30 s unless told otherwise.
const GRACE: Duration = Duration::from_secs(10);

/// Serves until the stop. Then this is a success: a service has no other end.
pub async fn serve(context: Context) -> Result<Exit> {
    let port = env::var("PORT").unwrap_or_else(|_| "8080".to_owned());
    let port: u16 = port
        .parse()
        .with_context(|| format!("PORT must be a number, not `{port}`"))?;
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await;
    let listener = listener.with_context(|| format!("listening on port {port}"))?;
    info!(port = listener.local_addr()?.port(), "listening");

    let mut http = http1::Builder::new();
    // A client that never sends its request may not hold a connection for ever.
    http.timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(30));
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = context.cancelled() => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let connection = http.serve_connection(TokioIo::new(stream), service_fn(answer));
                // What a client does to its own connection is not our failure.
                tokio::spawn(graceful.watch(connection));
            }
            Err(error) => {
                warn!(error = %error, "a connection could not be accepted");
                // Out of file descriptors, say: asking again at once would only spin.
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    if tokio::time::timeout(GRACE, graceful.shutdown())
        .await
        .is_err()
    {
        warn!("requests were still open at the end");
    }
    Ok(Exit::Code(0))
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(route(request.method(), request.uri().path()))
}

fn route(method: &Method, path: &str) -> Response<Full<Bytes>> {
    let (status, body) = match (method, path) {
        (&Method::GET | &Method::HEAD, "/health") => (StatusCode::OK, r#"{"status":"ok"}"#),
        (_, "/health") => (
            StatusCode::METHOD_NOT_ALLOWED,
            r#"{"error":"method not allowed"}"#,
        ),
        _ => (StatusCode::NOT_FOUND, r#"{"error":"not found"}"#),
    };
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
