//! One database of a server, and the tools that dump and restore it.

use std::process::Command;
use std::thread;

use crate::server::run;
use crate::{Cluster, Connection};

pub struct Database<'c> {
    pub cluster: &'c Cluster,
    pub name: String,
}

impl Database<'_> {
    pub fn connect(&self) -> Connection {
        self.connect_as("postgres")
    }

    pub fn connect_as(&self, role: &str) -> Connection {
        self.cluster.connect(&self.name, role)
    }

    /// A connection with the options that PostgreSQL reads before it does anything else.
    pub fn connect_with_options(&self, role: &str, options: &str) -> Connection {
        self.cluster.connect_with_options(&self.name, role, options)
    }

    /// A role of this database's tests alone, though roles belong to the whole server.
    pub fn create_role(&self, name: &str) -> String {
        let role = format!("{}_{name}", self.name);
        self.connect().run(&format!("CREATE ROLE {role} LOGIN"));
        role
    }

    /// Dumps into a file of the server's directory.
    pub fn dump(&self, file: &str, options: &[&str]) {
        run(self.command("pg_dump").args(options).args(["--file", file]));
    }

    /// Restores a dump that is not plain.
    pub fn restore(&self, file: &str, options: &[&str]) {
        run(self.command("pg_restore").args(["--exit-on-error", "--dbname", &self.name]).args(options).arg(file));
    }

    /// Restores a plain dump.
    pub fn run_file(&self, file: &str, options: &[&str]) {
        run(self
            .command("psql")
            .args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"])
            .args(options)
            .args(["--file", file]));
    }

    fn command(&self, program: &str) -> Command {
        let mut command = self.cluster.command(program);
        command.env("PGDATABASE", &self.name);
        command
    }
}

impl Drop for Database<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.cluster.keep();
        }
    }
}
