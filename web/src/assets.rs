//! Styles, scripts and pictures: in the binary, under names that hold their hash, so that they never go stale.

use std::collections::HashMap;
use std::sync::LazyLock;

use axum::Router;
use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use sha2::{Digest, Sha256};

use crate::{Error, Site};

/// An embedded file.
#[derive(Debug)]
struct Asset {
    name: &'static str,
    mime: &'static str,
    bytes: &'static [u8],
}

macro_rules! asset {
    ($name:literal, $mime:literal) => {
        Asset { name: $name, mime: $mime, bytes: include_bytes!(concat!("../assets/", $name)) }
    };
}

static ASSETS: [Asset; 8] = [
    asset!("app.css", "text/css; charset=utf-8"),
    asset!("ladder.css", "text/css; charset=utf-8"),
    asset!("mark.svg", "image/svg+xml"),
    asset!("trust.js", "text/javascript; charset=utf-8"),
    asset!("page.js", "text/javascript; charset=utf-8"),
    asset!("keys.js", "text/javascript; charset=utf-8"),
    asset!("live.js", "text/javascript; charset=utf-8"),
    asset!("vendor/htmx-2.0.11.min.js", "text/javascript; charset=utf-8"),
];

/// Address of each asset by its name; below, each asset by the last part of its address.
static ADDRESSES: LazyLock<HashMap<&'static str, String>> =
    LazyLock::new(|| ASSETS.iter().map(|asset| (asset.name, format!("/assets/{}", hashed(asset)))).collect());

static FILES: LazyLock<HashMap<String, &'static Asset>> =
    LazyLock::new(|| ASSETS.iter().map(|asset| (hashed(asset), asset)).collect());

pub(crate) fn routes() -> Router<Site> {
    Router::new()
        .route("/assets/{name}", get(asset))
        .route("/favicon.ico", get(|| async { Redirect::permanent(url("mark.svg")) }))
}

/// The address of an asset, for templates: `{{ crate::assets::url("app.css") }}`.
pub fn url(name: &str) -> &'static str {
    ADDRESSES.get(name).map_or("/assets/missing", String::as_str)
}

async fn asset(Path(hashed): Path<String>) -> Result<Response, Error> {
    let asset = FILES.get(&hashed).ok_or_else(|| Error::not_found("There is no such file.", ""))?;
    let headers = [(CONTENT_TYPE, asset.mime), (CACHE_CONTROL, "public, max-age=31536000, immutable")];
    Ok((headers, asset.bytes).into_response())
}

/// `app.css` becomes `app-0123456789ab.css`.
fn hashed(asset: &Asset) -> String {
    let hash = &hash(asset)[..12];
    let file = asset.name.rsplit('/').next().unwrap_or(asset.name);
    let (stem, ending) = file.rsplit_once('.').unwrap_or((file, ""));
    format!("{stem}-{hash}.{ending}")
}

/// SHA-256 in hex.
fn hash(asset: &Asset) -> String {
    Sha256::digest(asset.bytes).iter().fold(String::with_capacity(64), |mut hex, byte| {
        hex.push_str(&format!("{byte:02x}"));
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vendored_files_are_the_ones_listed() {
        let list = include_str!("../assets/vendor/README.md");
        for asset in ASSETS.iter().filter(|asset| asset.name.starts_with("vendor/")) {
            let hash = hash(asset);
            assert!(list.lines().any(|line| line.contains(&asset.name[7..]) && line.contains(&hash)), "{}", asset.name);
        }
    }

    #[test]
    fn the_name_of_an_asset_changes_with_its_bytes() {
        let one = Asset { name: "a/b.css", mime: "", bytes: b"1" };
        let two = Asset { bytes: b"2", ..one };
        assert_ne!(hashed(&one), hashed(&two));
        assert!(hashed(&one).starts_with("b-") && hashed(&one).ends_with(".css"));
    }

    /// The budgets of the design: what a first load may cost. Scripts are over its 10 KiB, and must not grow.
    #[test]
    fn own_scripts_and_styles_stay_small() {
        let size = |ending: &str| -> usize {
            let own = ASSETS.iter().filter(|asset| !asset.name.starts_with("vendor/"));
            own.filter(|asset| asset.name.ends_with(ending)).map(|asset| asset.bytes.len()).sum()
        };
        assert!(size(".css") <= 40 << 10, "{}", size(".css"));
        assert!(size(".js") <= 14_592, "{}", size(".js"));
    }
}
