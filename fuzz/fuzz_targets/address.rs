//! Addresses from strangers: text is read without panic, and what is made of it holds no control
//! character and reads again.
#![no_main]

mod context;

use libfuzzer_sys::fuzz_target;
use mixgate::mixer::address::mcgam::{TableKind, Tables};
use mixgate::mixer::address::{Role, explain, imcea, or_address, to_rfc822, wire};

fuzz_target!(|text: &str| {
    let mut tables = Tables::default();
    let _ = tables.load(TableKind::Table1, "table1", "ac.uk#PRMD$UK\\.AC.ADMD$GOLD 400.C$GB#");
    let _ = tables.load(TableKind::Table2, "table2", "PRMD$UK\\.AC.ADMD$GOLD 400.C$GB#ac.uk#");
    let _ = Tables::default().load(TableKind::Gate2, "gate2", text);
    context::with(&tables, |context| {
        let _ = explain::explain(context, text);
        if let Ok(address) = or_address::parse_input(text) {
            let (again, _) = wire::attributes(&wire::or_address(&address));
            let _ = again.to_string();
            let _ = imcea::write(&address, "gw.example.org");
            if let Ok(mapped) = to_rfc822::map(context, &address, Role::Heading) {
                assert!(!mapped.value.to_string().chars().any(char::is_control));
            }
        }
    });
});
