//! RFC 2156 appendix F: what may stand in tables, what other formats of them say, and what is odd.

use mixgate::mixer::address::Attributes;
use mixgate::mixer::address::mcgam::{Row, TableError, TableKind, Tables, rows};
use mixgate::mixer::address::tables::export::{self, export};
use mixgate::mixer::address::tables::import::{Format, import};
use mixgate::mixer::address::tables::lint::lint;
use mixgate::mixer::address::tables::{canonical, mirrored};

use crate::world::World;

const POINT: &str = "O$Example.PRMD$EX.ADMD$a.C$GB";

#[test]
fn app_f_7_and_8_a_name_stands_in_one_of_two_tables_whichever_comes_first() {
    let by_domain = format!("example.org#{POINT}#");
    let by_point = format!("{POINT}#example.org#");
    for (one, other, line, section) in [
        (TableKind::Table1, TableKind::Gate1, &by_domain, "F.7"),
        (TableKind::Gate1, TableKind::Table1, &by_domain, "F.7"),
        (TableKind::Table2, TableKind::Gate2, &by_point, "F.8"),
        (TableKind::Gate2, TableKind::Table2, &by_point, "F.8"),
    ] {
        let mut tables = Tables::default();
        tables.load(one, "first", line).expect("the first");
        // In another case, with other spaces: the same name.
        let again = line.to_uppercase().replace("C$GB", "c$gb");
        let faults = tables.load(other, "second", &again).expect_err("both");
        let told = faults[0].to_string();
        assert!(told.starts_with("second:1:1: also at first:1"), "{told}");
        assert!(told.contains(section), "{told}");
    }
}

#[test]
fn app_f_3_a_gateway_alone_may_have_other_attributes() {
    let gateway = "~X$y.O$Example.ADMD$a.C$GB";
    for (kind, line, good) in [
        (TableKind::Gate1, format!("example.org#{gateway}#"), true),
        (TableKind::Table1, format!("example.org#{gateway}#"), false),
        (TableKind::Gate2, format!("{gateway}#example.org#"), false),
        (TableKind::Table2, format!("{gateway}#example.org#"), false),
    ] {
        assert_eq!(Tables::default().load(kind, "t", &line).is_ok(), good);
    }
}

fn texts(rows: &[Row]) -> Vec<String> {
    let told = |row: &Row| format!("{} {row}", row.kind.name());
    rows.iter().map(told).collect()
}

fn told(errors: &[TableError]) -> Vec<String> {
    errors.iter().map(ToString::to_string).collect()
}

#[test]
fn app_f_what_old_files_skip_is_mended_and_told() {
    for (line, row, warning) in [
        (
            "XEROX.COM#O$Xerox.ADMD$ATT.C$US#",
            "table1 XEROX.COM#O$Xerox.PRMD$@.ADMD$ATT.C$US#",
            "f:1:11: `PRMD$@` added for the level skipped (RFC 2156 F.3)",
        ),
        (
            "OU$a.C$GB#a.example#",
            "table2 OU$a.O$@.PRMD$@.ADMD$@.C$GB#a.example#",
            "f:1:1: `ADMD$@` added for the level skipped (RFC 2156 F.3)",
        ),
        (
            "ninp.it#O.PRMD$ninp.ADMD$acme.C$it#",
            "table1 ninp.it#O$@.PRMD$ninp.ADMD$acme.C$it#",
            "f:1:9: `O` without a value is written `O$@` (RFC 2156 F.3)",
        ),
        (
            "HMI.DFN#O$@.PRMD$HMI.ADMD.DBP.C$DE#",
            "table1 HMI.DFN#O$@.PRMD$HMI.ADMD$DBP.C$DE#",
            "f:1:9: `ADMD.DBP` is written `ADMD$DBP` (RFC 2156 F.3)",
        ),
        (
            "PRMD$UK.AC.ADMD$ .C$GB#ac.uk#",
            "table2 PRMD$UK\\.AC.ADMD$ .C$GB#ac.uk#",
            "f:1:1: the full stop before `AC` is written `\\.` (RFC 2156 F.3)",
        ),
        (
            "C$GB.ADMD$a.PRMD$p#p.example#",
            "table2 PRMD$p.ADMD$a.C$GB#p.example#",
            "f:1:1: the most significant component stands on the right (RFC 2156 F.3)",
        ),
        (
            "p.example#PRMD$p.ADMD$a.C$GB",
            "table1 p.example#PRMD$p.ADMD$a.C$GB#",
            "f:1:29: `#` added after the value (RFC 2156 F.5)",
        ),
    ] {
        let found = import(None, None, "f", line);
        assert_eq!(texts(&found.rows), [row], "{:?}", found.faults);
        assert_eq!(told(&found.warnings)[0], warning);
        let Row { kind, .. } = found.rows[0];
        let strict = rows(kind, "f", line).next().expect("a line");
        assert!(strict.is_err(), "{line} is in order");
    }
    let role = import(
        None,
        Some(TableKind::Gate1),
        "f",
        r"x.y#ROLE$Big\.Chief.ADMD$A.C$US#",
    );
    assert_eq!(
        texts(&role.rows),
        [r"gate1 x.y#~ROLE$Big\.Chief.ADMD$A.C$US#"]
    );
    assert_eq!(role.warnings.len(), 1);
}

#[test]
fn app_f_1_others_number_the_tables_the_other_way_round() {
    let line = "ADMD$acme.C$it#acme.it#";
    let kinds = |format, file: &str| {
        let found = import(format, None, file, line);
        let kinds: Vec<TableKind> = found.rows.iter().map(|row| row.kind).collect();
        (kinds, found.warnings.len(), found.faults.len())
    };
    assert_eq!(kinds(None, "map1"), (vec![TableKind::Table2], 0, 0));
    assert_eq!(kinds(None, "table2"), (vec![TableKind::Table2], 0, 0));
    // Called table 1, it can only be the table 1 of RFC 2163: told, once for the file.
    assert_eq!(kinds(None, "table1"), (vec![TableKind::Table2], 1, 0));
    assert_eq!(kinds(None, "gate1"), (vec![TableKind::Gate2], 1, 0));
    assert_eq!(
        kinds(Some(Format::Rfc2163), "gate1"),
        (vec![TableKind::Gate2], 0, 0)
    );
    assert_eq!(kinds(Some(Format::Rfc2163), "table2"), (vec![], 0, 1));
    assert_eq!(kinds(Some(Format::Rfc2156), "table1"), (vec![], 0, 1));
    assert_eq!(
        kinds(Some(Format::Rfc2156), "table2"),
        (vec![TableKind::Table2], 0, 0)
    );
}

#[test]
fn the_files_of_pp_are_read_and_written() {
    let text = "# a comment\nO$a:b.PRMD$p.ADMD$\\ .C$GB:p.example\nq.example:PRMD$q.ADMD$a.C$GB\nC$UK:alias C$GB\nC$FR:valid\nC$AT:mta relay.example\n";
    let found = import(None, None, "or2rfc", text);
    let read = [
        "table2 O$a:b.PRMD$p.ADMD$ .C$GB#p.example#",
        "table1 q.example#PRMD$q.ADMD$a.C$GB#",
    ];
    assert_eq!(texts(&found.rows), read);
    let lines: Vec<usize> = found.faults.iter().map(|fault| fault.line).collect();
    assert_eq!(lines, [4, 5, 6], "routing lines of PP");
    assert_eq!(
        export(export::Format::Or2rfc, &found.rows) + &export(export::Format::Rfc2or, &found.rows),
        "O$a:b.PRMD$p.ADMD$ .C$GB:p.example\nq.example:PRMD$q.ADMD$a.C$GB\n"
    );
}

#[test]
fn every_format_gives_the_tables_back() {
    let text = "#! table1\nb.example#PRMD$b.ADMD$ .C$GB#\na.example#O$@.PRMD$A\\.B.ADMD$ .C$GB#\n#! table2\nO$@.PRMD$A\\.B.ADMD$ .C$GB#a.example#\n#! gate1\nc.example#~ROLE$gw.O$x.PRMD$y.ADMD$z.C$GB#\n#! gate2\nADMD$z.C$GB#gw.example#\n";
    let found = import(None, None, "all", text);
    assert_eq!(told(&found.faults), Vec::<String>::new());
    let (rows, contradictions) = canonical(&found.rows);
    assert_eq!((rows.len(), contradictions.len()), (5, 0));
    assert_eq!(rows[0].domain, "a.example", "sorted");
    for (format, file) in [
        (export::Format::Rfc2156, "all"),
        (export::Format::Csv, "all.csv"),
        (export::Format::Toml, "all.toml"),
    ] {
        let written = export(format, &rows);
        let again = import(None, None, file, &written);
        assert_eq!(told(&again.faults), Vec::<String>::new(), "{written}");
        assert_eq!(texts(&canonical(&again.rows).0), texts(&rows), "{written}");
    }
}

#[test]
fn csv_and_toml_take_addresses_as_people_write_them_and_tell_where_they_are_wrong() {
    let csv = "domain,table,address\nexample.org,,O=Example; P=EX; A=a; C=GB\nex_ample.org,pair,C=GB\nb.org,gate1,/DD.ROLE=gw/ADMD=a/C=GB/\nc.org,table9,C$GB\n";
    let found = import(None, None, "x.csv", csv);
    let expected = [
        "table1 example.org#O$Example.PRMD$EX.ADMD$a.C$GB#",
        "table2 O$Example.PRMD$EX.ADMD$a.C$GB#example.org#",
        "gate1 b.org#~ROLE$gw.ADMD$a.C$GB#",
    ];
    assert_eq!(texts(&found.rows), expected);
    let places: Vec<(usize, usize)> = found.faults.iter().map(|f| (f.line, f.column)).collect();
    assert_eq!(places, [(3, 1), (5, 7)]);
    let toml = "[[pair]]\ndomain = \"example.org\"\naddress = 'O=Example; P=EX; A=a; C=GB'\n\n[[table1]]\ndomain = \"ex_ample.org\"\naddress = \"C=GB\"\n";
    let found = import(None, None, "x.toml", toml);
    assert_eq!(texts(&found.rows), expected[..2]);
    let places: Vec<(usize, usize)> = found.faults.iter().map(|f| (f.line, f.column)).collect();
    assert_eq!(places, [(6, 11)]);
    assert_eq!(import(None, None, "x.toml", "[[pair]\n").faults[0].line, 1);
    assert_eq!(import(None, None, "x.csv", "a,b\n1,2\n").faults.len(), 1);
}

#[test]
fn contradictions_cost_only_themselves_and_mirrors_add_what_is_missing() {
    let text =
        format!("{POINT}#example.org#\nPRMD$p.ADMD$a.C$GB#example.org#\n{POINT}#other.org#\n");
    let found = import(None, Some(TableKind::Table2), "f", &text);
    let back = mirrored(&found.rows);
    let domains: Vec<&str> = back.iter().map(|row| row.domain.as_str()).collect();
    assert_eq!(
        domains,
        ["example.org", "other.org"],
        "the first of two keys"
    );
    let (rows, faults) = canonical(&found.rows);
    assert_eq!(rows.len(), 2);
    assert_eq!(
        told(&faults),
        ["f:3:1: mapped otherwise at f:1 (RFC 2156 F.4)"]
    );
}

/// The remarks on tables, each `kind table:line`.
fn remarks(tables: &[(TableKind, &str)], routed: Option<&str>) -> Vec<String> {
    let world = World::new("/O=Gateway/PRMD=EXAMPLE/ADMD= /C=GB/", tables);
    let read = tables
        .iter()
        .flat_map(|(kind, text)| rows(*kind, kind.name(), text));
    let rows: Vec<Row> = read.map(|row| row.expect("a line")).collect();
    let is_routed = |address: &Attributes| {
        Some(address.to_string()).is_some_and(|text| text.contains(routed.unwrap_or_default()))
    };
    let found = lint(
        &world.context(),
        &rows,
        routed.map(|_| &is_routed as &dyn Fn(&Attributes) -> bool),
    );
    found
        .iter()
        .map(|remark| {
            format!(
                "{} {}:{}",
                remark.kind.name(),
                remark.told.file,
                remark.told.line
            )
        })
        .collect()
}

#[test]
fn s4_2_a_pair_that_is_mirrored_routed_and_short_has_no_remarks() {
    let (one, two) = (
        format!("example.org#{POINT}#"),
        format!("{POINT}#example.org#"),
    );
    let pair = [
        (TableKind::Table1, one.as_str()),
        (TableKind::Table2, two.as_str()),
    ];
    assert_eq!(remarks(&pair, Some("EX")), Vec::<String>::new());
    assert_eq!(remarks(&pair, Some("elsewhere")), ["unroutable table1:1"]);
    // Without a mirror neither leads back.
    assert_eq!(remarks(&pair[..1], None), ["no-way-back table1:1"]);
    assert_eq!(remarks(&pair[1..], None), ["no-way-back table2:1"]);
}

#[test]
fn app_f_4_a_line_that_adds_nothing_is_pointed_out() {
    let one = "a.org#PRMD$a.ADMD$x.C$US#\nb.a.org#O$B.PRMD$a.ADMD$x.C$US#\nc.a.org#O$other.PRMD$a.ADMD$x.C$US#\n";
    let two = "PRMD$a.ADMD$x.C$US#a.org#\nO$b.PRMD$a.ADMD$x.C$US#B.a.org#\nO$other.PRMD$a.ADMD$x.C$US#c.a.org#\n";
    let found = remarks(&[(TableKind::Table1, one), (TableKind::Table2, two)], None);
    assert_eq!(found, ["shadowed table1:2", "shadowed table2:2"]);
    let gates = [
        (
            TableKind::Gate1,
            "a.org#O$g.PRMD$a.ADMD$x.C$US#\nb.a.org#O$g.PRMD$a.ADMD$x.C$US#\n",
        ),
        (
            TableKind::Gate2,
            "PRMD$p.ADMD$x.C$US#g.org#\nO$o.PRMD$p.ADMD$x.C$US#g.org#\n",
        ),
    ];
    assert_eq!(
        remarks(&gates, None),
        ["shadowed gate1:2", "shadowed gate2:2"]
    );
}

#[test]
fn s4_2_two_keys_of_one_name_are_pointed_out() {
    let one = "a.org#PRMD$a.ADMD$x.C$US#\n";
    let two = "PRMD$a.ADMD$x.C$US#a.org#\nPRMD$b.ADMD$x.C$US#A.org#\n";
    let found = remarks(&[(TableKind::Table1, one), (TableKind::Table2, two)], None);
    assert_eq!(found, ["two-keys table2:2"]);
}

#[test]
fn app_f_7_a_gateway_below_a_mapped_name_is_never_used() {
    let tables = [
        (TableKind::Table1, "a.org#PRMD$a.ADMD$x.C$US#"),
        (TableKind::Table2, "PRMD$a.ADMD$x.C$US#a.org#"),
        (
            TableKind::Gate1,
            "b.a.org#O$g.PRMD$g.ADMD$x.C$US#\norg#O$g.PRMD$h.ADMD$x.C$US#",
        ),
        (
            TableKind::Gate2,
            "O$o.PRMD$a.ADMD$x.C$US#g.org#\nADMD$x.C$US#h.org#",
        ),
    ];
    let found = remarks(&tables, None);
    assert_eq!(found, ["both-tables gate1:1", "both-tables gate2:1"]);
}

#[test]
fn x411_annex_b_what_overflows_is_pointed_out() {
    let deep = "OU$e.OU$d.OU$c.OU$b.O$a.PRMD$a.ADMD$x.C$US";
    let (one, two) = (
        format!("a.org#{deep}#"),
        format!("{deep}#a.org#\nPRMD$seventeen-letters.ADMD$x.C$US#b.org#"),
    );
    let tables = [
        (TableKind::Table1, one.as_str()),
        (TableKind::Table2, two.as_str()),
        (TableKind::Gate1, "g.org#~ROLE$gw.O$o.PRMD$p.ADMD$x.C$US#"),
    ];
    let found = remarks(&tables, None);
    assert_eq!(
        found,
        [
            "overflow table1:1",
            "overflow table2:2",
            "no-way-back table2:2",
            "overflow gate1:1"
        ]
    );
}

#[test]
fn rfc1649_3_1_doubtful_values_are_pointed_out() {
    let one = "a.uk#PRMD$a b-.ADMD$ .C$UK#\nb.fr#PRMD$b.ADMD$x.C$DE#\nc.org#PRMD$c.ADMD$x.C$CDN#\n";
    let two = "PRMD$a b-.ADMD$ .C$UK#a.uk#\nPRMD$b.ADMD$x.C$DE#b.fr#\nPRMD$c.ADMD$x.C$CDN#c.org#\n";
    let found = remarks(&[(TableKind::Table1, one), (TableKind::Table2, two)], None);
    let of_one: Vec<&str> = found
        .iter()
        .map(String::as_str)
        .filter(|remark| remark.contains("table1"))
        .collect();
    assert_eq!(
        of_one,
        [
            "doubtful table1:1",
            "authority table1:2",
            "doubtful table1:3"
        ]
    );
    assert_eq!(found.len(), 6);
}
