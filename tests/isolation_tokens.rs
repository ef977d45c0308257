//! Entering by signed tokens: what a server believes, and who can read its keys. What a token must be like in all
//! other ways is tested in core/src/token.rs.

use std::fs;
use std::io::Write;
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use parlant_tests::{Cluster, Connection, Database, Tree, load_two_workspaces};
use serde_json::{Value, json};

/// An Ed25519 key, as a secret (PKCS #8) and in public.
const PRIVATE: [u8; 48] = [
    48, 46, 2, 1, 0, 48, 5, 6, 3, 43, 101, 112, 4, 34, 4, 32, 147, 4, 93, 102, 201, 146, 186, 145, 241, 94, 14, 136,
    181, 24, 87, 206, 32, 219, 35, 157, 63, 15, 48, 38, 167, 46, 28, 30, 0, 149, 29, 174,
];
const PUBLIC: &str = r#"{"kid": "ed", "alg": "EdDSA", "kty": "OKP", "crv": "Ed25519", "x": "LzQW7nRP7EHqry4IukC7rvYSQjt_Cm4lxmLNEYot5Dk"}"#;
/// The bytes 0123456789abcdef0123456789abcdef.
const SECRET: &str =
    r#"{"kid": "hs", "alg": "HS256", "kty": "oct", "k": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}"#;

fn cluster_with(settings: &str) -> Cluster {
    let cluster = Cluster::init(Tree::under_test());
    let mut file = fs::OpenOptions::new().append(true).open(cluster.data().join("postgresql.conf")).unwrap();
    writeln!(file, "{settings}").unwrap();
    cluster.start_server();
    cluster
}

fn key_set(keys: &[&str]) -> String {
    format!("parlant.token_keys = '{{\"keys\": [{}]}}'\nparlant.token_audience = 'parlant'", keys.join(", "))
}

/// A server that believes tokens of both keys.
fn shared() -> &'static Cluster {
    static SHARED: OnceLock<Cluster> = OnceLock::new();
    SHARED
        .get_or_init(|| cluster_with(&format!("shared_preload_libraries = 'parlant'\n{}", key_set(&[PUBLIC, SECRET]))))
}

struct World<'c> {
    database: Database<'c>,
    role: String,
}

impl World<'_> {
    fn app(&self) -> Connection {
        self.database.connect_as(&self.role)
    }
}

/// The role enters by token only.
fn world(cluster: &Cluster) -> World<'_> {
    let database = cluster.database();
    let role = database.create_role("app");
    let mut owner = database.connect();
    load_two_workspaces(&mut owner);
    owner
        .run("SELECT parlant.grant_workspace('acme', 'ann', 'admin'), parlant.grant_workspace('acme', 'wes', 'write')");
    owner.run(&format!("SELECT parlant.grant_app_role('{role}', tokens_only => true)"));
    World { database, role }
}

fn claims(workspace: &str, bearer: &str, id: &str) -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let mut claims = json!({"workspace_id": workspace, "aud": "parlant", "exp": now + 600});
    claims[bearer] = json!(id);
    claims
}

fn signed(kid: &str, claims: &Value) -> String {
    let (algorithm, key) = match kid {
        "ed" => (Algorithm::EdDSA, EncodingKey::from_ed_der(&PRIVATE)),
        _ => (Algorithm::HS256, EncodingKey::from_secret(b"0123456789abcdef0123456789abcdef")),
    };
    let mut header = Header::new(algorithm);
    header.kid = Some(kid.to_owned());
    encode(&header, claims, &key).unwrap()
}

fn enter(token: &str) -> String {
    format!("SELECT parlant.enter_workspace_with_token('{token}')")
}

#[test]
fn a_token_enters_as_whom_it_names_with_the_permission_that_they_have() {
    let world = world(shared());
    for kid in ["ed", "hs"] {
        let mut app = world.app();
        app.run("BEGIN");
        let wes = signed(kid, &claims("acme", "user_id", "wes"));
        assert_eq!(app.value::<String>(&enter(&wes)), "write");
        assert_eq!(app.value::<String>(&enter(&wes)), "write", "the same again");
        assert_eq!(app.value::<i64>("SELECT count(*) FROM parlant.parlant_agent"), 2);
        app.assert_refused(&enter(&signed(kid, &claims("acme", "user_id", "ann"))), "55000");
        app.run("ROLLBACK; BEGIN");
        assert_eq!(app.value::<Option<String>>(&enter(&signed(kid, &claims("acme", "customer_id", "ada")))), None);
        assert_eq!(app.value::<String>("SELECT parlant.current_customer_id()"), "ada");
        assert_eq!(app.value::<i64>("SELECT count(*) FROM parlant.parlant_session"), 1);
    }
}

#[test]
fn a_token_gives_nothing_that_its_bearer_does_not_have() {
    let world = world(shared());
    let mut app = world.app();
    for (workspace, user) in [("rival", "wes"), ("nowhere", "wes"), ("acme", "nobody")] {
        app.assert_refused(&enter(&signed("ed", &claims(workspace, "user_id", user))), "42501")
            .message("entry into the workspace is refused");
    }
    world.database.connect().run("SELECT parlant.revoke_workspace('acme', 'wes')");
    app.assert_refused(&enter(&signed("ed", &claims("acme", "user_id", "wes"))), "42501");
}

#[test]
fn a_token_that_is_not_believed_is_refused_without_a_reason() {
    let world = world(shared());
    let mut app = world.app();
    let mut expired = claims("acme", "user_id", "wes");
    expired["exp"] = json!(1);
    let mut elsewhere = claims("acme", "user_id", "wes");
    elsewhere["aud"] = json!("elsewhere");
    let good = signed("ed", &claims("acme", "user_id", "wes"));
    let other = signed("ed", &claims("acme", "user_id", "ann"));
    let (message, signature) = (good.rsplit_once('.').unwrap().0, other.rsplit_once('.').unwrap().1);
    for (token, reason) in [
        (signed("ed", &expired), "expired token"),
        (signed("ed", &elsewhere), "token for another audience"),
        (signed("unknown", &claims("acme", "user_id", "wes")), "token of an unknown key"),
        (format!("{message}.{signature}"), "token with a wrong signature"),
        ("eyJhbGciOiJub25lIn0.e30.".to_owned(), "malformed token"),
        ("x".repeat(8193), "oversized token"),
        (String::new(), "malformed token"),
    ] {
        let line = format!(r#"parlant refused entry: {{"reason":"{reason}","role":"{}"}}"#, world.role);
        let before = shared().log().matches(&line).count();
        app.assert_refused(&enter(&token), "42501")
            .message("entry into the workspace is refused")
            .detail("There is no such workspace, or it is archived, or it does not admit whoever asks.");
        assert_eq!(shared().log().matches(&line).count(), before + 1, "{reason}");
    }
    app.assert_refused("SELECT parlant.enter_workspace_with_token(NULL)", "22023");
    app.assert_refused("SELECT parlant.enter_workspace('acme', 'wes')", "42501").message("permission denied");
}

#[test]
fn nobody_is_shown_the_keys() {
    let world = world(shared());
    let name = &world.database.name;
    let mut owner = world.database.connect();
    owner.run(&format!("CREATE ROLE {name}_monitor LOGIN; GRANT pg_monitor TO {name}_monitor"));
    world.app().assert_refused("SHOW parlant.token_keys", "42501");
    world.app().assert_refused("SELECT current_setting('parlant.token_keys')", "42501");
    let mut monitor = world.database.connect_as(&format!("{name}_monitor"));
    for connection in [&mut monitor, &mut owner] {
        assert_eq!(connection.value::<String>("SHOW parlant.token_keys"), "********");
        assert_eq!(connection.value::<i64>("SELECT count(*) FROM pg_settings WHERE name = 'parlant.token_keys'"), 0);
    }
    monitor.assert_refused("SELECT * FROM pg_file_settings", "42501");
    // What these would keep, every role could read.
    owner.assert_refused(&format!("ALTER DATABASE {name} SET parlant.token_keys = ''"), "55P02");
    owner.assert_refused(&format!("ALTER ROLE {name}_monitor SET parlant.token_keys = ''"), "55P02");
    owner.assert_refused("SET parlant.token_keys = ''", "55P02");
}

#[test]
fn keys_change_with_the_configuration_and_broken_ones_are_refused() {
    let cluster = cluster_with(&format!("shared_preload_libraries = 'parlant'\n{}", key_set(&[PUBLIC])));
    let world = world(&cluster);
    let (mut owner, mut app) = (world.database.connect(), world.app());
    app.run(&enter(&signed("ed", &claims("acme", "user_id", "wes"))));
    app.assert_refused(&enter(&signed("hs", &claims("acme", "user_id", "wes"))), "42501");
    owner
        .assert_refused(r#"ALTER SYSTEM SET parlant.token_keys = '{"keys": [{"kid": "x", "kty": "oct", "alg": "HS256", "k": "c2hvcnQ"}]}'"#, "22023")
        .detail("Key 0: its k has less than 32 bytes.");
    owner.run(&format!("ALTER SYSTEM SET parlant.token_keys = '{{\"keys\": [{SECRET}]}}'"));
    owner.run("SELECT pg_reload_conf()");
    parlant_tests::eventually("the other key is believed", || {
        app.try_to_run(&enter(&signed("hs", &claims("acme", "user_id", "wes")))).ok()
    });
    app.assert_refused(&enter(&signed("ed", &claims("acme", "user_id", "wes"))), "42501");
}

#[test]
fn public_keys_need_no_preloading_and_secret_ones_do() {
    let cluster = cluster_with(&key_set(&[PUBLIC]));
    let world = world(&cluster);
    world.app().run(&enter(&signed("ed", &claims("acme", "user_id", "wes"))));

    let cluster = cluster_with(&key_set(&[PUBLIC, SECRET]));
    let world = self::world(&cluster);
    for kid in ["ed", "hs"] {
        world
            .app()
            .assert_refused(&enter(&signed(kid, &claims("acme", "user_id", "wes"))), "55000")
            .detail("every role can read while the library is not loaded");
    }
    world
        .database
        .connect()
        .run(&format!("ALTER DATABASE {} SET session_preload_libraries = 'parlant'", world.database.name));
    for kid in ["ed", "hs"] {
        world.app().run(&enter(&signed(kid, &claims("acme", "user_id", "wes"))));
    }
}

#[test]
fn without_keys_or_audience_there_are_no_tokens() {
    for settings in ["", "parlant.token_audience = 'parlant'"] {
        let cluster = cluster_with(settings);
        world(&cluster).app().assert_refused(&enter("x.y.z"), "55000").detail("parlant.token_keys holds no key.");
    }
    let cluster = cluster_with(&format!("parlant.token_keys = '{{\"keys\": [{PUBLIC}]}}'"));
    world(&cluster).app().assert_refused(&enter("x.y.z"), "55000").detail("parlant.token_audience is not set.");
}
