//! Every released version can be updated to this one, and its dumps can be restored here. Either way the database
//! then is what a fresh installation makes, with its rows as they were.

use std::fs;
use std::path::{Path, PathBuf};

use parlant_tests::{
    Cluster, Connection, Database, TableColumns, TableRows, assert_same, assert_works, columns_without, fingerprint,
    load_fixture, row_hashes_of,
};

/// A released version as it is frozen in `sql/releases`.
struct Release {
    version: String,
    dir: PathBuf,
}

fn releases() -> Vec<Release> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sql/releases");
    let mut releases: Vec<Release> = fs::read_dir(&dir)
        .unwrap_or_else(|error| panic!("{}: {error}", dir.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .map(|dir| Release { version: dir.file_name().unwrap().to_str().unwrap().to_owned(), dir })
        .collect();
    assert!(!releases.is_empty(), "{} holds no release", dir.display());
    releases.sort_by(|a, b| a.version.cmp(&b.version));
    releases
}

/// The install script of a release, where CREATE EXTENSION finds it, while this lives.
struct PlacedScript(PathBuf);

impl PlacedScript {
    fn place(release: &Release) -> PlacedScript {
        let script = format!("parlant--{}.sql", release.version);
        let place = Cluster::shared().tree.extension_dir().join(&script);
        assert!(!place.exists(), "{} is there already", place.display());
        fs::copy(release.dir.join(&script), &place).unwrap_or_else(|error| panic!("{}: {error}", place.display()));
        PlacedScript(place)
    }
}

impl Drop for PlacedScript {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Counted by clients before 0.2.0, and from the log since.
const RECOUNTED: &[&str] = &["parlant_session.event_count", "parlant_session.message_count"];

/// What a release holds, in the columns that it has.
struct Held {
    columns: Vec<TableColumns>,
    rows: Vec<TableRows>,
}

impl Held {
    fn by(connection: &mut Connection) -> Held {
        let columns = columns_without(connection, RECOUNTED);
        let rows = row_hashes_of(connection, &columns);
        Held { columns, rows }
    }

    #[track_caller]
    fn assert_held_by(&self, connection: &mut Connection, when: &str) {
        assert_eq!(self.rows, row_hashes_of(connection, &self.columns), "{when}");
    }
}

impl Release {
    fn install(&self, connection: &mut Connection) {
        let _script = PlacedScript::place(self);
        connection.run("SET row_security = off"); // the tables are not this library's to make
        connection.run(&format!("CREATE EXTENSION parlant VERSION '{}'", self.version));
        connection.run("RESET row_security");
    }

    /// A database as this release made it, with rows.
    fn database(&self) -> (Database<'static>, Connection, Held) {
        let database = Cluster::shared().empty_database();
        let mut connection = database.connect();
        self.install(&mut connection);
        connection.run(&fs::read_to_string(self.dir.join("tables.sql")).unwrap());
        load_fixture(&mut connection);
        let held = Held::by(&mut connection);
        (database, connection, held)
    }
}

#[test]
fn every_release_becomes_this_one() {
    let fresh = fingerprint(&mut Cluster::shared().database().connect());
    for release in releases() {
        let (database, mut connection, held) = release.database();
        let dump = format!("release-{}.sql", release.version);
        database.dump(&dump, &[]);

        connection.run("ALTER EXTENSION parlant UPDATE");
        let when = format!("after the update from {}", release.version);
        assert_same(&fresh, &fingerprint(&mut connection), &when);
        held.assert_held_by(&mut connection, &when);
        assert_works(&mut connection);

        let mut in_latin = Cluster::shared().empty_database_in("LATIN1").connect();
        release.install(&mut in_latin);
        in_latin.assert_refused("ALTER EXTENSION parlant UPDATE", "0A000").message("parlant needs a database in UTF-8");

        let copy = Cluster::shared().empty_database();
        copy.run_file(&dump, &[]);
        let mut connection = copy.connect();
        connection.run("SELECT parlant.install_tables()");
        let when = format!("after restoring a dump of {}", release.version);
        assert_same(&fresh, &fingerprint(&mut connection), &when);
        held.assert_held_by(&mut connection, &when);
        assert_works(&mut connection);
    }
}
