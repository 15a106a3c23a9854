//! Connections of browsers, programs and agents: each has a limited time to say what it wants, and all end in order.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tower::{Service, ServiceExt};

/// From a connection's first byte, or the end of its last answer, to the end of a request's head.
const HEAD: Duration = Duration::from_secs(15);
/// Bytes of a request's head; a search with a pasted log line is some KiB.
const LARGEST_HEAD: usize = 64 << 10;
/// Who takes nothing of an answer for so long is let go of: what it is sent takes room that others wait for.
const TAKES: Duration = Duration::from_mins(1);
/// Time for requests that are under way when all ends; one that never comes to its end does not hold it up.
const LAST_ANSWERS: Duration = Duration::from_secs(5);
/// After the system refused a connection, which it does while too many files are open.
const REFUSED: Duration = Duration::from_secs(1);

/// Serves until `stop`; then lets go of the port, and of those connections on which nothing is under way.
pub async fn serve(listener: TcpListener, app: Router, stop: CancellationToken) {
    let open = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, client)) => {
                let connection = connection(stream, client, app.clone());
                let connection = open.watch(connection);
                tokio::spawn(async move {
                    if let Err(error) = connection.await {
                        tracing::debug!(%error, "a connection broke off");
                    }
                });
            }
            Err(error) if is_of_the_client(&error) => {}
            Err(error) => {
                tracing::error!(%error, "no connection can be taken; it is tried again");
                tokio::time::sleep(REFUSED).await;
            }
        }
    }
    drop(listener);
    if tokio::time::timeout(LAST_ANSWERS, open.shutdown()).await.is_err() {
        tracing::warn!("requests that did not come to their end were given up");
    }
}

type Patient = Pin<Box<TimeoutStream<TcpStream>>>;
type Connection<S> = http1::Connection<TokioIo<Patient>, TowerToHyperService<S>>;

fn connection(
    stream: TcpStream,
    client: SocketAddr,
    app: Router,
) -> Connection<impl Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send> + Clone + Send> {
    // Rows of live views are small, and each is worth to be sent at once.
    let _ = stream.set_nodelay(true);
    let app = app.map_request(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(client));
        request
    });
    let mut patient = Box::pin(TimeoutStream::new(stream));
    patient.as_mut().set_write_timeout_pinned(Some(TAKES));
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(LARGEST_HEAD)
        .serve_connection(TokioIo::new(patient), TowerToHyperService::new(app))
}

/// It went away before it was taken.
fn is_of_the_client(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
