//! The context in which fuzz targets convert: always the same, with these tables.

use mixgate::mixer::address::mcgam::Tables;
use mixgate::mixer::context::{Context, Gateway, PeerProfile};

/// What `conversion` gives in that context.
pub fn with<T>(tables: &Tables, conversion: impl FnOnce(&Context<'_>) -> T) -> T {
    conversion(&Context {
        id: "01J00000000000000000000000".into(),
        now: jiff::Timestamp::UNIX_EPOCH.to_zoned(jiff::tz::TimeZone::UTC),
        gateway: &Gateway::default(),
        tables,
        peer: &PeerProfile::default(),
    })
}
