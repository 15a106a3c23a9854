//! The pages over a store, served on loopback.

use std::net::SocketAddr;
use std::time::Duration;

use store::Store;
use tokio::net::TcpListener;
use web::Settings;

use super::{Fault, ask};

/// Served until the process ends.
pub struct Pages {
    address: String,
}

impl Pages {
    pub async fn serve(store: Store) -> Result<Self, Fault> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let router = web::router(store, Settings::loopback("bench"));
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await });
        Ok(Self { address })
    }

    /// The client has a thread of its own, as a browser would.
    pub async fn first_byte(&self, path: String) -> Result<Duration, Fault> {
        let address = self.address.clone();
        Ok(tokio::task::spawn_blocking(move || ask::first_byte(&address, &path).0).await?)
    }
}
