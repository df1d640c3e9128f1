//! `--script`: a jq program that gets an envelope and gives the changed one.
//!
//! A program may run for ever, and nothing in it can be asked to stop. So it runs on a thread of its own, and whoever has waited
//! longer than its patience gives it up: the thread ends with its process, which is [one of its own](super::apart). It gets no way to
//! the outside either: no environment, no time, no further inputs, no output but its result.

use std::{sync::mpsc, thread, time::Duration};

use jaq_core::{
    Compiler, Ctx, Vars, data, load,
    load::{Arena, File, Loader},
    unwrap_valr,
};
use jaq_json::Val;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// For how long one letter's program may run.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Deep results are printed and dropped by recursion.
const STACK_BYTES: usize = 128 * 1024 * 1024;

/// What leads out of the program.
const OUTSIDE: [&str; 10] = [
    "env",
    "now",
    "halt",
    "halt_error",
    "debug",
    "debug_empty",
    "stderr",
    "stderr_empty",
    "localtime",
    "strflocaltime",
];

/// Why there is no changed envelope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScriptError {
    /// The program says so, perhaps in words of the envelope.
    #[error("the script fails: {0}")]
    Fails(String),
    /// It comes to nothing that can be used.
    #[error("{0}")]
    Unusable(String),
    /// It took too long or too much, and is over.
    #[error("{0}")]
    Ended(String),
}

impl From<&str> for ScriptError {
    fn from(why: &str) -> Self {
        Self::Unusable(why.to_owned())
    }
}

/// A program that waits for envelopes.
pub(super) struct Script {
    envelopes: mpsc::Sender<String>,
    results: mpsc::Receiver<Result<String, ScriptError>>,
    patience: Duration,
}

impl Script {
    /// Compiles the program.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and where.
    pub(super) fn start(program: &str, patience: Duration) -> Result<Self, ScriptError> {
        let (envelopes, inputs) = mpsc::channel();
        let (outputs, results) = mpsc::channel();
        let program = program.to_owned();
        let work = move || serve(&program, &inputs, &outputs);
        let thread = thread::Builder::new().name("jq".into()).stack_size(STACK_BYTES).spawn(work);
        thread.map_err(|error| ScriptError::Ended(format!("no thread can be started for it: {error}")))?;
        let script = Self { envelopes, results, patience };
        // The first thing that it says is whether it compiles.
        script.answer().map(|_| script)
    }

    /// Runs it over an envelope, and gives what it prints.
    ///
    /// # Errors
    ///
    /// When it fails, runs for too long, or gives anything but one result.
    pub(super) fn run(&self, envelope: &str) -> Result<String, ScriptError> {
        self.envelopes.send(envelope.to_owned()).map_err(|_| ScriptError::Ended(GONE.into()))?;
        self.answer()
    }

    fn answer(&self) -> Result<String, ScriptError> {
        self.results.recv_timeout(self.patience).unwrap_or_else(|error| {
            Err(ScriptError::Ended(match error {
                mpsc::RecvTimeoutError::Timeout => {
                    format!("the script ran for more than {} s and was given up", self.patience.as_secs_f64())
                }
                mpsc::RecvTimeoutError::Disconnected => GONE.to_owned(),
            }))
        })
    }
}

const GONE: &str = "the script broke off";

/// The object that a script has printed.
///
/// # Errors
///
/// When it is something else.
pub(super) fn object(result: &str) -> Result<Value, ScriptError> {
    let unusable = match serde_json::from_str(result) {
        Ok(value @ Value::Object(_)) => return Ok(value),
        Ok(other) => format!("the script gives {}, not an object", super::path::kind(&other)),
        Err(error) => format!("the script gives something that isn't JSON: {error}"),
    };
    Err(ScriptError::Unusable(unusable))
}

fn serve(program: &str, inputs: &mpsc::Receiver<String>, outputs: &mpsc::Sender<Result<String, ScriptError>>) {
    let filter = match compile(program) {
        Ok(filter) => filter,
        Err(error) => {
            let _ = outputs.send(Err(ScriptError::Unusable(error)));
            return;
        }
    };
    let mut answer = Ok(String::new());
    // Ends when nobody listens any more.
    while outputs.send(answer).is_ok() {
        let Ok(envelope) = inputs.recv() else { return };
        answer = one(&filter, &envelope);
    }
}

type Filter = jaq_core::Filter<data::JustLut<Val>>;

fn one(filter: &Filter, envelope: &str) -> Result<String, ScriptError> {
    let input: Val = serde_json::from_str(envelope).map_err(|error| ScriptError::Unusable(error.to_string()))?;
    let cx = Ctx::<data::JustLut<Val>>::new(&filter.lut, Vars::new([]));
    let mut results = filter.id.run((cx, input)).map(unwrap_valr);
    let failed = |error: jaq_core::Error<Val>| ScriptError::Fails(error.to_string());
    let result = results.next().ok_or("the script gives nothing, not an object")?.map_err(failed)?;
    match results.next() {
        None => Ok(result.to_string()),
        Some(Err(error)) => Err(failed(error)),
        Some(Ok(_)) => Err("the script gives more than one result".into()),
    }
}

fn compile(program: &str) -> Result<Filter, String> {
    let inside = |name: &str| !OUTSIDE.contains(&name);
    let defs = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs()).filter(|def| inside(def.name));
    let funs = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs()).filter(|fun| inside(fun.0));
    let arena = Arena::default();
    let modules =
        Loader::new(defs).load(&arena, File { code: program, path: () }).map_err(|e| unreadable(program, &e))?;
    Compiler::default().with_funs(funs).compile(modules).map_err(|errors| {
        let unknown =
            errors.iter().flat_map(|(_, errors)| errors).map(|(name, what)| format!("{} `{name}`", what.as_str()));
        format!("the script uses what there isn't here: {}", unknown.collect::<Vec<_>>().join(", "))
    })
}

fn unreadable(program: &str, errors: &load::Errors<&str, ()>) -> String {
    let place = |rest: &str| {
        // What is left over is a slice of the program.
        let at = (rest.as_ptr() as usize).wrapping_sub(program.as_ptr() as usize);
        if at < program.len() { format!("at character {}", at + 1) } else { "at its end".to_owned() }
    };
    let told = errors.iter().flat_map(|(_, error)| match error {
        load::Error::Io(errors) => errors.iter().map(|(_, why)| why.clone()).collect::<Vec<_>>(),
        load::Error::Lex(errors) => {
            errors.iter().map(|(expected, rest)| format!("{}: expected {}", place(rest), expected.as_str())).collect()
        }
        load::Error::Parse(errors) => {
            errors.iter().map(|(expected, rest)| format!("{}: expected {}", place(rest), expected.as_str())).collect()
        }
    });
    format!("the script can't be read: {}", told.collect::<Vec<_>>().join("; "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn run(program: &str, input: Value) -> Result<Value, String> {
        let result = Script::start(program, PATIENCE).and_then(|script| object(&script.run(&input.to_string())?));
        result.map_err(|error| error.to_string())
    }

    #[test]
    fn a_script_gives_the_changed_envelope() {
        let input = json!({ "data": { "app": "cms", "n": 18_446_744_073_709_551_615_u64, "x": 0.1 } });
        let mut changed = input.clone();
        changed["data"]["app"] = json!("crm");
        assert_eq!(run(r#".data.app |= sub("cms"; "crm")"#, input.clone()), Ok(changed));
        assert_eq!(run(".", input.clone()), Ok(input));
    }

    #[test]
    fn a_script_gives_exactly_one_object() {
        for (program, why) in [
            (".data", "not an object"),
            ("empty", "gives nothing"),
            (".,.", "more than one"),
            ("repeat(.)", "more than one"),
            (". + {x: nan}", ""),
            ("error(\"no\")", "fails"),
            (".data.x", "fails"),
        ] {
            match run(program, json!({ "data": 1 })) {
                Err(error) => assert!(error.contains(why), "{program}: {error}"),
                Ok(given) => assert_eq!(given, json!({ "data": 1, "x": null }), "{program}"),
            }
        }
    }

    #[test]
    fn what_is_wrong_with_a_script_is_told_with_its_place() {
        assert!(run(".data |", json!({})).unwrap_err().contains("at its end"));
        assert!(run(".data = ) 1", json!({})).unwrap_err().contains("at character"));
        assert!(run("nosuch", json!({})).unwrap_err().contains("`nosuch`"));
    }

    #[test]
    fn a_script_sees_nothing_of_the_outside() {
        for program in ["env", "$ENV", "now", "halt", "input", "inputs", "debug", "include \"x\"; .", "input_filename"]
        {
            assert!(run(program, json!({})).is_err(), "{program}");
        }
    }

    #[test]
    fn a_script_that_runs_for_too_long_is_given_up() {
        let script = Script::start("last(range(0; 3000000)) as $n | .", Duration::from_millis(1));
        let given_up = script.and_then(|script| script.run("{}")).unwrap_err();
        assert!(matches!(&given_up, ScriptError::Ended(why) if why.contains("given up")), "{given_up}");
    }
}
