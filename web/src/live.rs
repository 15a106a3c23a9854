//! Rows as they come.

use axum::Router;
use store::Store;
use tokio_util::sync::CancellationToken;

use crate::Site;

#[derive(Clone, Debug)]
pub struct Watch {}

/// A row of a ladder as it is now, for the live view.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// The id of its element, such as `m05e1c2a97f3b4d10-70120`.
    pub id: String,
    /// The whole `<li id=…>…</li>`.
    pub html: String,
}

impl Watch {
    pub(crate) fn start(_store: Store, _stop: CancellationToken) -> Self {
        Self {}
    }
}

pub(crate) fn routes() -> Router<Site> {
    Router::new()
}
