//! The way back: an APDU as mail, by a gateway of another name.

use bytes::Bytes;
use mixgate::mixer::body;
use mixgate::mixer::context::Context;
use mixgate::mixer::outcome::Ledger;
use mixgate::mixer::to_rfc822;
use mixgate::mixer::to_x400::heading;
use mixgate::rfc822::Fields;

use crate::compare::Between;

/// The mail that an APDU becomes; of a report, the mail in its returned content.
pub fn mail(context: &Context<'_>, apdu: &Bytes, between: &Between) -> Result<Bytes, String> {
    if !between.is_report {
        let converted = to_rfc822::message(context, apdu).map_err(|fault| fault.to_string())?;
        return Ok(converted.mail.to_bytes());
    }
    to_rfc822::message(context, apdu).map_err(|fault| fault.to_string())?;
    let header = |_: &_, _: &_, _: &mut _| Fields::new();
    let returned = body::to_rfc822::body(&between.ipm, &header, &mut Ledger::default());
    let mut fields = Fields::new();
    let carried = body::file::fields_of(between.ipm.heading.extensions.iter());
    for field in heading::agreeing(&between.ipm.heading, &carried) {
        fields.field(field).map_err(|fault| fault.to_string())?;
    }
    if let Some(subject) = between
        .ipm
        .heading
        .subject
        .as_ref()
        .filter(|_| !fields.contains("Subject"))
    {
        fields.text(
            "Subject",
            &mixgate::mixer::basic::teletex::to_human(subject.as_bytes()),
        );
    }
    Ok(returned.entity.write(&fields).to_bytes())
}
