//! Session protocol data units and their encoding (X.225 / ISO 8327-1 section 8).

mod field;

pub use field::{
    ConnectionIdentifier, ExceptionReason, FunctionalUnits, LinkingInformation, RefuseReason,
    Serial, TokenSetting, TokenSide, Tokens, TransportDisconnect, Versions,
};
