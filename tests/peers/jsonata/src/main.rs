//! Evaluates JSONata: for each line `{"jsonata": "…", "bindings": {"name": value}}` on the standard input, a line `{"value": …}` or
//! `{"error": "…"}`. A result that is undefined is an error.

use std::io::{BufRead, Write};

use jsonata_core::{
    evaluator::{Context, Evaluator},
    parser,
    value::JValue,
};
use serde_json::{Value, json};

fn evaluate(case: &Value) -> Result<Value, String> {
    let text = case["jsonata"].as_str().ok_or("there is no text `jsonata`")?;
    let bindings = case["bindings"].as_object().ok_or("there is no object `bindings`")?;
    let ast = parser::parse(text).map_err(|error| format!("it can't be parsed: {error}"))?;
    let mut context = Context::new();
    for (name, value) in bindings {
        context.bind(name.clone(), JValue::from_json_str(&value.to_string()).map_err(|error| error.to_string())?);
    }
    let value = Evaluator::with_context(context).evaluate(&ast, &JValue::Null).map_err(|error| error.to_string())?;
    if matches!(value, JValue::Undefined) {
        return Err("it is undefined".into());
    }
    let value = value.to_json_string().map_err(|error| error.to_string())?;
    serde_json::from_str(&value).map_err(|error| error.to_string())
}

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let answer = serde_json::from_str(&line?).map_err(|error| error.to_string()).and_then(|case| evaluate(&case));
        let answer = match answer {
            Ok(value) => json!({ "value": value }),
            Err(error) => json!({ "error": error }),
        };
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}
