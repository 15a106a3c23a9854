//! Pages, API and live view over the store: one router that anyone can mount.
//!
//! Read in this order:
//! - [`state`]: what every page needs; [`params`], [`zone`], [`moment`]: the URL is the state, in the reader's zone, with times as people type them
//! - [`page`], [`choice`]: from template to answer; [`error`]: what went wrong, as page, fragment or JSON
//! - [`visible`]: what every template writes values with
//! - [`assets`], [`security`]: files with hashed names, and what holds for every answer
//! - `picture`, `answers`, `room`: scenarios as all their readers see them; what is on its way; the memory that both take
//! - [`subject`]: the address of a scenario, or of a call that has none yet
//! - [`home`], [`search`], [`scenario`], [`alerts`], [`rules`], [`outbox`]: the pages; [`live`]: rows as they come; [`api`]: the same for programs

pub mod alerts;
mod answers;
pub mod api;
pub mod assets;
pub mod choice;
mod clients;
pub mod error;
pub mod home;
pub mod ladder;
pub mod live;
pub mod moment;
mod names;
pub mod outbox;
pub mod page;
pub mod params;
pub mod picture;
mod problem;
mod reading;
mod room;
pub mod rules;
pub mod scenario;
pub mod search;
pub mod security;
mod sending;
mod settling;
pub mod state;
mod stranger;
pub mod subject;
pub mod visible;
mod watch;
pub mod words;
pub mod zone;

use axum::middleware::from_fn_with_state;
pub use error::Error;
pub use security::guard_others;
pub use state::{Settings, Site};

/// Everything Siptrail serves to people and programs that read. Must be called within a tokio runtime.
///
/// Mount it with `into_make_service_with_connect_info::<SocketAddr>()`, so that live streams are counted by client.
pub fn router(store: store::Store, settings: Settings) -> axum::Router {
    let site = Site::new(store, settings);
    let routes = axum::Router::new()
        .merge(home::routes())
        .merge(search::routes())
        .merge(scenario::routes())
        .merge(alerts::routes())
        .merge(rules::routes())
        .merge(outbox::routes())
        .merge(live::routes())
        .merge(api::routes(&site.settings))
        .merge(choice::routes())
        .fallback(error::no_such_page)
        .layer(from_fn_with_state(site.clone(), answers::counted))
        // They are in the program and take no memory of their own.
        .merge(assets::routes());
    security::guard(routes, &site).with_state(site)
}
