//! tests/fixture/functions.txt lists every function with what it promises, so that a change of any is seen and meant.

use std::path::Path;
use std::{env, fs};

use parlant_tests::Cluster;

const REWRITE: &str = "PARLANT_REWRITE";

const FUNCTIONS: &str = "
    SELECT format('%s(%s)%s: %s', proname, pg_get_function_arguments(oid), ' returns ' || pg_get_function_result(oid),
                  concat_ws(', ',
                      CASE provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' ELSE 'volatile' END,
                      CASE proparallel WHEN 's' THEN 'parallel safe' WHEN 'r' THEN 'parallel restricted' ELSE 'parallel unsafe' END,
                      CASE WHEN proisstrict THEN 'strict' END,
                      CASE WHEN proleakproof THEN 'leakproof' END,
                      CASE WHEN prosecdef THEN 'security definer' END,
                      'set ' || array_to_string(proconfig, ', set ')))
    FROM pg_proc WHERE pronamespace = 'parlant'::regnamespace
    ORDER BY proname COLLATE \"C\", pg_get_function_arguments(oid) COLLATE \"C\"";

#[test]
fn every_function_is_listed_with_what_it_promises() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixture/functions.txt");
    let mut connection = Cluster::shared().database().connect();
    connection.run("SET search_path = pg_catalog");
    let functions: Vec<String> = connection.column(FUNCTIONS);
    if env::var_os(REWRITE).is_some() {
        fs::write(&file, functions.join("\n") + "\n").unwrap();
    }
    let list = fs::read_to_string(&file).unwrap();
    let listed: Vec<&str> = list.lines().collect();
    let only_listed =
        listed.iter().filter(|line| !functions.iter().any(|f| f == *line)).map(|line| format!("- {line}\n"));
    let only_there = functions.iter().filter(|f| !listed.contains(&f.as_str())).map(|f| format!("+ {f}\n"));
    let difference: String = only_listed.chain(only_there).collect();
    assert!(
        difference.is_empty(),
        "{} differs from the catalog (- only listed, + only there). If that is meant, run this test once with {REWRITE}=1 to rewrite the list.\n{difference}",
        file.display()
    );
}
