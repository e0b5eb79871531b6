//! How fast tables of 100,000 rules are loaded and looked up, and how much memory they take, beside a
//! `HashMap` of the same lines in the same run.

#![allow(clippy::unwrap_used, reason = "a benchmark that fails may end")]

use std::collections::HashMap;
use std::fmt::Write as _;
use std::hint::black_box;
use std::io::Write as _;

use criterion::{Criterion, criterion_group, criterion_main};
use mixgate::mixer::address::Attributes;
use mixgate::mixer::address::mcgam::{TableKind, Tables};

/// Rules in each table.
const RULES: usize = 100_000;

/// The texts of tables 1 and 2, mirrored.
fn texts() -> (String, String) {
    let (mut one, mut two) = (String::new(), String::new());
    for rule in 0..RULES {
        let domain = format!("org{rule}.prmd{}.example", rule % 997);
        let point = format!(
            "O$org{rule}.PRMD$prmd{}.ADMD$admd{}.C$GB",
            rule % 997,
            rule % 13
        );
        writeln!(one, "{domain}#{point}#").unwrap();
        writeln!(two, "{point}#{domain}#").unwrap();
    }
    (one, two)
}

fn loaded(one: &str, two: &str) -> Tables {
    let mut tables = Tables::default();
    tables.load(TableKind::Table1, "table1", one).unwrap();
    tables.load(TableKind::Table2, "table2", two).unwrap();
    tables
}

/// The reference: key and value of each line, as they stand.
fn mapped(text: &str) -> HashMap<String, String> {
    let split = text.lines().filter_map(|line| {
        let (key, rest) = line.split_once('#')?;
        Some((key.to_owned(), rest.trim_end_matches('#').to_owned()))
    });
    split.collect()
}

/// Resident memory in KiB, where the system tells it.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.unwrap_or_default()
}

fn memory(one: &str, two: &str) {
    let mut at = resident();
    let mut grown = |what: &str| {
        let now = resident();
        let of_one = (now.saturating_sub(at)) * 1024 / (2 * RULES);
        let text = format!(
            "memory/{what}: {} KiB, {of_one} octets a rule",
            now - at.min(now)
        );
        writeln!(std::io::stderr().lock(), "{text}").unwrap();
        at = now;
    };
    let tables = loaded(one, two);
    grown("tables");
    let maps = (mapped(one), mapped(two));
    grown("HashMap");
    black_box((tables, maps));
}

fn tables(criterion: &mut Criterion) {
    let (one, two) = texts();
    memory(&one, &two);
    let mut group = criterion.benchmark_group("load");
    group.sample_size(10);
    group.bench_function("tables", |bench| bench.iter(|| loaded(&one, &two)));
    group.bench_function("HashMap", |bench| {
        bench.iter(|| (mapped(&one), mapped(&two)))
    });
    group.finish();

    let tables = loaded(&one, &two);
    let map = mapped(&one);
    let mut group = criterion.benchmark_group("domain");
    for (name, domain) in [
        ("hit", "org77777.prmd11.example"),
        ("deep", "a.b.c.d.org77777.prmd11.example"),
        ("miss", "mail.example.org"),
    ] {
        assert_eq!(tables.table1.lookup(domain).is_some(), name != "miss");
        group.bench_function(name, |bench| {
            bench.iter(|| black_box(tables.table1.lookup(black_box(domain)).is_some()));
        });
    }
    let key = "org77777.prmd11.example";
    group.bench_function("HashMap", |bench| {
        bench.iter(|| map.contains_key(&black_box(key).to_ascii_lowercase()));
    });
    group.finish();

    let mut group = criterion.benchmark_group("address");
    for (name, address) in [
        (
            "hit",
            "/S=somebody/O=org77777/PRMD=prmd11/ADMD=admd11/C=GB/",
        ),
        (
            "deep",
            "/S=somebody/OU=d/OU=c/OU=b/OU=a/O=org77777/PRMD=prmd11/ADMD=admd11/C=GB/",
        ),
        (
            "miss",
            "/S=somebody/OU=d/OU=c/OU=b/OU=a/O=other/PRMD=other/ADMD= /C=US/",
        ),
    ] {
        let address: Attributes = address.parse().unwrap();
        assert_eq!(tables.table2.lookup(&address).is_some(), name != "miss");
        group.bench_function(name, |bench| {
            bench.iter(|| black_box(tables.table2.lookup(black_box(&address)).is_some()));
        });
    }
    group.finish();
}

criterion_group!(benches, tables);
criterion_main!(benches);
