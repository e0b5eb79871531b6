//! The way back: an APDU as mail, by a gateway of another name.

use bytes::Bytes;
use mixgate::mixer::body::{self, file};
use mixgate::mixer::context::Context;
use mixgate::mixer::outcome::Ledger;
use mixgate::mixer::to_x400::heading;
use mixgate::rfc822::Fields;

use crate::compare::Between;

/// The mail that an APDU becomes; of a report, the mail in its returned content.
pub fn mail(_context: &Context<'_>, _apdu: &Bytes, between: &Between) -> Result<Bytes, String> {
    let mut ledger = Ledger::default();
    let header = |_: &_, _: &_, _: &mut _| Fields::new();
    let converted = body::to_rfc822::body(&between.ipm, &header, &mut ledger);
    let mut fields = Fields::new();
    let carried = file::fields_of(between.ipm.heading.extensions.iter());
    for field in heading::agreeing(&between.ipm.heading, &carried) {
        fields.field(field).map_err(|fault| fault.to_string())?;
    }
    if fields.contains("Subject") {
        return Ok(converted.entity.write(&fields).to_bytes());
    }
    if let Some(subject) = &between.ipm.heading.subject {
        fields.text(
            "Subject",
            &mixgate::mixer::basic::teletex::to_human(subject.as_bytes()),
        );
    }
    Ok(converted.entity.write(&fields).to_bytes())
}
