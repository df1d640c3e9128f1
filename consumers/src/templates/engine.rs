//! How every template is run.

use std::{io, panic::resume_unwind, thread};

use minijinja::{AutoEscape, Environment, Template, UndefinedBehavior, Value};

use super::TemplateError;

/// What one rendering may cost. One step costs 1, and so do 64 bytes that it makes: three megabytes at most.
pub(super) const FUEL: u64 = 50_000;
/// The longest result: larger mails are clipped by mailboxes anyway (Gmail: 102 KB).
pub(super) const MAX_OUTPUT: usize = 512 * 1024;

/// The stack that a template of a tenant is read and run on. Fuel bounds how long it runs, and nothing how deep it nests: of 20,000
/// characters, which is the longest one, each may be an operator, and each operator a call. Only what is used of it takes memory.
const STACK: usize = 256 * 1024 * 1024;

/// Does it on a stack that no template of 20,000 characters overflows: that would end the process, whoever's template it is.
pub(super) fn on_a_deep_stack<T: Send>(name: &str, work: impl FnOnce() -> T + Send) -> Result<T, TemplateError> {
    thread::scope(|scope| {
        let started = thread::Builder::new().name("template".into()).stack_size(STACK).spawn_scoped(scope, work);
        let started = started.map_err(|e| TemplateError::plain(name, format!("no thread can be had for it: {e}")))?;
        Ok(started.join().unwrap_or_else(|panic| resume_unwind(panic)))
    })
}

pub(super) fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|name| match name.rsplit('.').next() {
        Some("html") => AutoEscape::Html,
        _ => AutoEscape::None,
    });
    environment.set_fuel(Some(FUEL));
    // So that an error can name the expression it came from.
    environment.set_debug(true);
    // It writes out what the engine holds, which is nobody's to mail.
    environment.remove_global("debug");
    environment
}

pub(super) fn render(template: &Template<'_, '_>, data: Value) -> Result<String, TemplateError> {
    let mut output = Bounded { bytes: Vec::new(), full: false };
    let rendered = template.render_captured_to(data, &mut output).map(drop);
    if output.full {
        return Err(TemplateError::too_long(template.name(), MAX_OUTPUT));
    }
    rendered.map_err(|e| TemplateError::new(template.name(), &e))?;
    String::from_utf8(output.bytes).map_err(|_| TemplateError::not_utf8(template.name()))
}

/// A buffer that takes only so much.
struct Bounded {
    bytes: Vec<u8>,
    full: bool,
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > MAX_OUTPUT {
            self.full = true;
            return Err(io::Error::other("too long"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::environment;

    #[test]
    fn a_template_can_not_write_out_the_engine() {
        assert!(environment().render_str("{{ debug() }}", ()).is_err());
    }
}
