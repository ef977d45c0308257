//! Performs a side of a comparison for as long as a round takes, and prints how often a second it was done, and how
//! many errors it met on the way. `bench/run` calls it for what pgbench cannot do.

mod conventional;
mod database;
mod native;
mod random;
mod script;

use std::env;
use std::error::Error;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// What a client does again and again. It returns the number of errors that made it begin anew.
trait Task: Send {
    fn perform(&mut self) -> Result<u64>;
}

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["script", path] => {
            let text = std::fs::read_to_string(path)?;
            measure(|client| script::Script::new(&text, client))
        }
        ["conventional_context"] => measure(|client| conventional::Context::new(client, false)),
        ["conventional_context", "after_writing"] => measure(|client| conventional::Context::new(client, true)),
        ["conventional_walk"] => measure(conventional::Walk::new),
        ["parse_json", blocks] => measure(|_| native::parse(blocks)),
        ["minijinja"] => measure(|_| native::minijinja()),
        ["cel"] => measure(|_| native::cel()),
        ["jsonschema"] => measure(|_| native::json_schema()),
        _ => Err(format!("there is nothing called {arguments:?}").into()),
    }
}

/// Lets as many clients as `CLIENTS` perform a task side by side for `SECONDS_A_ROUND`.
fn measure<T: Task>(prepare: impl Fn(u64) -> Result<T>) -> Result<()> {
    let clients: u64 = env::var("CLIENTS")?.parse()?;
    let span = Duration::from_secs_f64(env::var("SECONDS_A_ROUND")?.parse()?);
    let mut tasks = (0..clients).map(&prepare).collect::<Result<Vec<T>>>()?;
    let barrier = Barrier::new(tasks.len());
    let rounds = thread::scope(|scope| {
        let threads: Vec<_> = tasks
            .iter_mut()
            .map(|task| {
                scope.spawn(|| {
                    barrier.wait();
                    round(task, span)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().map_err(|_| "a client panicked")?).collect::<Result<Vec<_>>>()
    })?;
    let rate: f64 = rounds.iter().map(|(rate, _)| rate).sum();
    let errors: u64 = rounds.iter().map(|(_, errors)| errors).sum();
    println!("{rate} {errors}");
    Ok(())
}

/// How often a second a task was performed in a span of time, and its errors.
fn round(task: &mut impl Task, span: Duration) -> Result<(f64, u64)> {
    let begin = Instant::now();
    let (mut times, mut errors) = (0.0, 0);
    while begin.elapsed() < span {
        errors += task.perform()?;
        times += 1.0;
    }
    Ok((times / begin.elapsed().as_secs_f64(), errors))
}
