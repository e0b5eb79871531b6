//! RFC 2163: whatever an address may hold comes back from its domain name and from the octets of its record,
//! and whatever octets come are read without panic.

use mixgate::mixer::address::prefix::Prefix;
use mixgate::mixer::address::px::{self, Record};
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;

/// What a level may hold: of `PrintableString`, no longer than an organization, and so that few labels grow
/// too long.
const VALUE: &str = "[A-Za-z0-9 .'(),/:=?+-]{0,13}[A-Za-z0-9.+-]";

/// A point of the hierarchy in the text of the tables.
fn point() -> impl Strategy<Value = String> {
    let level = || weighted(0.8, prop_oneof![9 => VALUE, 1 => Just(" ".to_owned())]);
    ("[A-Za-z]{2}", vec(level(), 1..=3), vec(VALUE, 0..=4)).prop_map(|(country, upper, units)| {
        let keywords = ["ADMD", "PRMD", "O"].into_iter().zip(&upper);
        let upper_levels = keywords.map(|(keyword, value)| match value {
            Some(value) => format!("{keyword}${}", value.replace('.', "\\.")),
            None => format!("{keyword}$@"),
        });
        let units = units
            .iter()
            .filter(|_| upper.len() == 3)
            .map(|unit| format!("OU${}", unit.replace('.', "\\.")));
        let levels = std::iter::once(format!("C${country}"));
        let mut levels: Vec<String> = levels.chain(upper_levels).chain(units).collect();
        levels.reverse();
        levels.join(".")
    })
}

proptest! {
    #[test]
    fn rfc2163_4_2_what_has_a_name_comes_back_from_it(text in point()) {
        let prefix: Prefix = text.parse().expect("a point");
        let Ok(name) = px::to_domain(prefix.levels()) else {
            return Ok(());
        };
        prop_assert!(name.split('.').all(|label| label.len() <= 63 && !label.ends_with('-')));
        prop_assert_eq!(px::from_domain(&name), Ok(prefix.clone()));
        prop_assert_eq!(px::from_domain(&name.to_ascii_uppercase()).map(|again| again.to_string().to_ascii_uppercase()), Ok(text.to_ascii_uppercase()));
        let owner = px::owner(prefix.levels()).expect("shorter than the name");
        let names = px::names_of_address(prefix.levels());
        prop_assert_eq!(names.first(), Some(&owner));
        prop_assert!(names.len() <= px::MOST_NAMES);
        let below = px::from_owner(&owner).expect("a name under its country");
        prop_assert_eq!(below.levels().get(1..), prefix.levels().get(1..));
        for gateway in [false, true] {
            if let Ok(record) = Record::new(7, "a.example", prefix.clone(), gateway) {
                prop_assert_eq!(Record::decode(&record.encode()), Ok(record.clone()));
                prop_assert_eq!(record.to_string().parse(), Ok(record));
            }
        }
    }

    #[test]
    fn rfc2163_4_octets_of_strangers_are_a_record_or_a_fault(octets in vec(any::<u8>(), 0..300)) {
        if let Ok(record) = Record::decode(&octets) {
            prop_assert_eq!(Record::decode(&record.encode()), Ok(record));
        }
    }

    /// Most octets fail at once; so a record is bent in one place.
    #[test]
    fn rfc2163_4_a_bent_record_is_a_record_or_a_fault(text in point(), at in any::<prop::sample::Index>(), octet in any::<u8>()) {
        let prefix: Prefix = text.parse().expect("a point");
        let Ok(record) = Record::new(7, "mail.example", prefix, true) else {
            return Ok(());
        };
        let mut octets = record.encode();
        let place = at.index(octets.len());
        octets[place] = octet;
        if let Ok(record) = Record::decode(&octets) {
            prop_assert_eq!(Record::decode(&record.encode()), Ok(record));
        }
    }

    #[test]
    fn rfc2163_5_any_text_may_be_asked_for(text in "\\PC{0,300}") {
        let names = px::names_of_domain(&text);
        prop_assert!(names.len() <= px::MOST_NAMES);
        prop_assert!(names.iter().all(|name| name.len() <= 253 && name.is_ascii()));
        let _ = px::from_domain(&text);
        let _ = px::from_owner(&text);
        let _ = text.parse::<Record>();
    }
}
