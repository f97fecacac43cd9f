//! The documentation of error numbers is the table in the code.

use std::fmt::Write as _;

const README: &str = include_str!("../../../README.md");

const BEGIN: &str = "prints it -->\n";
const END: &str = "<!-- errors end -->";

#[test]
fn the_readme_has_the_table_of_errors() {
    let mut table = "\n| error | situation |\n|---|---|\n".to_owned();
    for row in swamp_mount::errno_rows() {
        writeln!(table, "| {} | {} |", row.errno, row.situation).expect("writing to a string works");
    }
    table.push('\n');

    let (_, after) = README.split_once(BEGIN).expect("the README marks the place");
    let (written, _) = after.split_once(END).expect("the README marks the place");

    assert_eq!(written, table, "put this there:\n{table}");
}
