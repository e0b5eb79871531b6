//! mixgate and real peers, each started and stopped by the test that needs it.
//!
//! Where a peer is not installed its tests are listed as ignored, the reason in their kind; with
//! `MIXGATE_REQUIRE_PEERS=1` they fail.

// A test is where a wrong value may end the program; clippy knows only functions marked as tests.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs
)]

mod bind;
mod capture;
mod commands;
mod inputs;
mod keeper;
mod p1;
mod postfix;
mod program;
mod road;
mod smtp;
mod strong;
mod tls;
mod turns;

use libtest_mimic::{Arguments, Failed, Trial};

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = smtp::trials();
    trials.extend(p1::trials());
    trials.extend(road::trials());
    trials.extend(commands::trials());
    trials.extend(inputs::trials());
    trials.extend(tls::trials());
    trials.extend(strong::trials());
    trials.extend(bind::trials());
    libtest_mimic::run(&arguments, trials).exit();
}

/// A test that needs the named programs.
pub fn trial(
    name: &str,
    programs: &[&str],
    test: impl FnOnce() -> Result<(), Failed> + Send + 'static,
) -> Trial {
    let absent: Vec<String> = programs
        .iter()
        .filter_map(|program| absence(program))
        .collect();
    if absent.is_empty() {
        return Trial::test(name, test);
    }
    let reason = absent.join(", ");
    let required = std::env::var_os("MIXGATE_REQUIRE_PEERS").is_some_and(|value| value == "1");
    let failure = reason.clone();
    Trial::test(name, move || Err(failure.into()))
        .with_kind(reason)
        .with_ignored_flag(!required)
}

/// Why `program` cannot be used, if so.
fn absence(program: &str) -> Option<String> {
    if postfix::find(program).is_none() {
        return Some(format!("no {program}"));
    }
    let needs_root = matches!(program, "postfix" | "smtp-sink" | "tshark");
    (needs_root && !postfix::am_root()).then(|| format!("{program} needs root"))
}
