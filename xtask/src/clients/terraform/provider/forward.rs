//! One connection of Terraform's to the provider: every call goes through as bytes, both ways, but for
//! the schema, which is answered here.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use bytes::{BufMut as _, Bytes, BytesMut};
use h2::client::SendRequest;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, HeaderValue, Request, Response};
use tokio::net::UnixStream;
use tokio::task::JoinSet;

use super::schemas::Schemas;

const GET_SCHEMA: &str = "/tfplugin5.Provider/GetSchema";
const CONFIGURE: &str = "/tfplugin5.Provider/Configure";
/// Terraform may not end what the next run needs.
const SHUTDOWN: &str = "/plugin.GRPCController/Shutdown";
/// An answer of the provider may be long: one window for all of it, without waiting for each other.
const WINDOW: u32 = 16 << 20;
/// <https://grpc.io/docs/guides/status-codes/>
const FAILED_PRECONDITION: u16 = 9;

/// How each connection of now has configured the provider, which has one configuration for all.
#[derive(Debug, Default)]
pub struct Configurations(RefCell<Vec<Weak<Bytes>>>);

impl Configurations {
    /// None while another connection needs another configuration.
    fn add(&self, configuration: Bytes) -> Option<Rc<Bytes>> {
        let mut all = self.0.borrow_mut();
        all.retain(|other| other.strong_count() > 0);
        let same = |other: &Weak<Bytes>| other.upgrade().is_none_or(|it| *it == configuration);
        if !all.iter().all(same) {
            return None;
        }
        let added = Rc::new(configuration);
        all.push(Rc::downgrade(&added));
        Some(added)
    }
}

/// What the connections share.
#[derive(Debug)]
pub struct Shared {
    pub provider: std::path::PathBuf,
    pub schemas: Schemas,
    pub configurations: Configurations,
}

/// Serves until Terraform goes; then the provider sees its connection end as well.
pub async fn connection(terraform: UnixStream, shared: Rc<Shared>) -> anyhow::Result<()> {
    let mut terraform = h2::server::Builder::new()
        .initial_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .handshake::<_, Bytes>(terraform)
        .await?;
    let provider = connect(&shared.provider).await?;
    let own = Rc::new(RefCell::new(None));
    let mut calls = JoinSet::new();
    while let Some(call) = terraform.accept().await {
        let (request, respond) = call?;
        let (provider, shared, own) = (provider.clone(), shared.clone(), own.clone());
        calls.spawn_local(async move {
            // It fails when one of the two goes, which the other one sees.
            let _ = answer(request, respond, provider, &shared, &own).await;
        });
        while calls.try_join_next().is_some() {}
    }
    Ok(())
}

/// A connection to the provider, driven for as long as somebody has it.
pub async fn connect(provider: &std::path::Path) -> anyhow::Result<SendRequest<Bytes>> {
    let (send, connection) = h2::client::Builder::new()
        .initial_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .handshake::<_, Bytes>(UnixStream::connect(provider).await?)
        .await?;
    tokio::task::spawn_local(async move {
        let _ = connection.await;
    });
    Ok(send)
}

async fn answer(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    provider: SendRequest<Bytes>,
    shared: &Shared,
    own: &RefCell<Option<Rc<Bytes>>>,
) -> anyhow::Result<()> {
    let (head, mut body) = request.into_parts();
    match head.uri.path() {
        GET_SCHEMA => {
            collect(&mut body).await?;
            let message = shared.schemas.get(provider, &head).await?;
            send_message(respond, message)
        }
        SHUTDOWN => {
            collect(&mut body).await?;
            send_message(respond, Bytes::new())
        }
        CONFIGURE => {
            let message = collect(&mut body).await?;
            let Some(added) = shared.configurations.add(message.clone()) else {
                return refuse(&mut respond);
            };
            *own.borrow_mut() = Some(added);
            let (response, mut send) = provider
                .ready()
                .await?
                .send_request(Request::from_parts(head, ()), false)?;
            send.send_data(message, true)?;
            pass_back(response, respond).await
        }
        _ => {
            let ends = body.is_end_stream();
            let (response, send) = provider
                .ready()
                .await?
                .send_request(Request::from_parts(head, ()), ends)?;
            let there = async {
                if !ends {
                    copy(body, send).await?;
                }
                Ok(())
            };
            tokio::try_join!(there, pass_back(response, respond)).map(|_| ())
        }
    }
}

async fn pass_back(
    response: h2::client::ResponseFuture,
    mut respond: SendResponse<Bytes>,
) -> anyhow::Result<()> {
    let response = match response.await {
        Ok(response) => response,
        Err(error) => {
            respond.send_reset(error.reason().unwrap_or(Reason::INTERNAL_ERROR));
            return Err(error.into());
        }
    };
    let (head, body) = response.into_parts();
    let ends = body.is_end_stream();
    let send = respond.send_response(Response::from_parts(head, ()), ends)?;
    if !ends {
        copy(body, send).await?;
    }
    Ok(())
}

async fn copy(mut from: RecvStream, mut to: SendStream<Bytes>) -> anyhow::Result<()> {
    let copied = async {
        while let Some(chunk) = from.data().await {
            let chunk = chunk?;
            from.flow_control().release_capacity(chunk.len())?;
            to.send_data(chunk, false)?;
        }
        from.trailers().await
    };
    match copied.await {
        Ok(Some(trailers)) => to.send_trailers(trailers)?,
        Ok(None) => to.send_data(Bytes::new(), true)?,
        Err(error) => {
            to.send_reset(error.reason().unwrap_or(Reason::CANCEL));
            return Err(error.into());
        }
    }
    Ok(())
}

/// The whole body of a call or of an answer.
pub async fn collect(body: &mut RecvStream) -> anyhow::Result<Bytes> {
    let mut all = BytesMut::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk?;
        body.flow_control().release_capacity(chunk.len())?;
        all.extend_from_slice(&chunk);
    }
    Ok(all.freeze())
}

/// One message of gRPC: not compressed, its length, its bytes.
/// <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>
pub fn framed(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(message.len() + 5);
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    frame.extend_from_slice(message);
    frame.freeze()
}

/// An answer of one message, or of an empty one.
fn send_message(mut respond: SendResponse<Bytes>, message: Bytes) -> anyhow::Result<()> {
    let mut send = respond.send_response(response(), false)?;
    send.send_data(framed(&message), false)?;
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    send.send_trailers(trailers)?;
    Ok(())
}

fn refuse(respond: &mut SendResponse<Bytes>) -> anyhow::Result<()> {
    let mut refusal = response();
    let headers = refusal.headers_mut();
    headers.insert("grpc-status", FAILED_PRECONDITION.into());
    let message = "this provider was started once, and is asked for two configurations at a time";
    headers.insert("grpc-message", HeaderValue::from_static(message));
    respond.send_response(refusal, true)?;
    Ok(())
}

fn response() -> Response<()> {
    let mut response = Response::new(());
    let grpc = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert("content-type", grpc);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_configuration_at_a_time() {
        let configurations = Configurations::default();
        let (one, other) = (Bytes::from_static(b"one"), Bytes::from_static(b"other"));
        let first = configurations.add(one.clone());
        let second = configurations.add(one.clone());
        assert!(first.is_some() && second.is_some());
        assert!(configurations.add(other.clone()).is_none());
        drop(first);
        assert!(configurations.add(other.clone()).is_none());
        drop(second);
        let third = configurations.add(other);
        assert!(third.is_some() && configurations.add(one).is_none());
    }
}
