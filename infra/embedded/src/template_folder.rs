//! An operator's own templates, in a folder.

use std::{fs, io, path::Path};

use sendoff_consumers::templates::{TemplateError, TemplateProblems, Templates};

/// The most files that a folder of templates may have.
const FILES: usize = 5000;
/// The largest of them, in bytes.
const BYTES: u64 = 256 * 1024;
/// How deep they stand: `email/NAME/LOCALE/PART`.
const DEPTH: usize = 4;

/// The standard templates, with those of a folder over them if one is given: files at the same paths take the standard ones'
/// place, others are added. Files that begin with a dot, and `README.md`, are nobody's template.
///
/// # Errors
///
/// [`TemplateProblems`] with everything that is wrong: what can't be read, and what [`Templates::with_files`] finds.
pub fn load(folder: Option<&Path>) -> Result<Templates, TemplateProblems> {
    let standard = Templates::standard().map_err(|problem| TemplateProblems(vec![problem]))?;
    let Some(folder) = folder else { return Ok(standard) };
    let mut found = Found::default();
    found.look_into(folder, "", DEPTH);
    let Found { files, mut problems } = found;
    match standard.with_files(files) {
        Ok(templates) if problems.is_empty() => Ok(templates),
        Ok(_) => Err(TemplateProblems(problems)),
        Err(TemplateProblems(more)) => {
            problems.extend(more);
            Err(TemplateProblems(problems))
        }
    }
}

#[derive(Default)]
struct Found {
    files: Vec<(String, String)>,
    problems: Vec<TemplateError>,
}

impl Found {
    /// Takes what stands in `folder`, whose path below the templates' folder is `below`.
    fn look_into(&mut self, folder: &Path, below: &str, depth: usize) {
        let entries = match fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>) {
            Ok(entries) => entries,
            Err(error) => {
                return self.unread(if below.is_empty() { folder.display().to_string() } else { below.into() }, &error);
            }
        };
        for entry in entries {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with('.') || name == "README.md" {
                continue;
            }
            let path = if below.is_empty() { name } else { format!("{below}/{name}") };
            match fs::metadata(entry.path()) {
                Ok(about) if about.is_dir() && depth > 1 => self.look_into(&entry.path(), &path, depth - 1),
                Ok(about) if about.is_dir() => self.problem(path, "it is a folder, where templates have none".into()),
                Ok(about) if about.len() > BYTES => {
                    self.problem(path, format!("it is larger than {} KiB", BYTES / 1024));
                }
                Ok(_) if self.files.len() == FILES => {
                    return self.problem(path, format!("there are more than {FILES} files"));
                }
                Ok(_) => match fs::read_to_string(entry.path()) {
                    Ok(text) => self.files.push((path, text)),
                    Err(error) => self.unread(path, &error),
                },
                Err(error) => self.unread(path, &error),
            }
        }
    }

    fn unread(&mut self, path: String, error: &io::Error) {
        self.problem(path, format!("it can't be read: {error}"));
    }

    fn problem(&mut self, template: String, problem: String) {
        self.problems.push(TemplateError { template, line: None, expression: None, problem });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (path, bytes) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        folder
    }

    #[test]
    fn a_folder_stands_over_the_standard_templates() {
        let folder = folder(&[
            ("sms/app-assigned/en.txt", b"Own".as_slice()),
            ("sms/welcome/en.txt", b"Welcome"),
            (".git/config", b"\xff"),
            ("README.md", b"what this is"),
        ]);
        let templates = load(Some(folder.path())).unwrap_or_else(|problems| panic!("{problems}"));
        let render = |name| templates.render_sms(name, "en", &serde_json::json!({}), &Default::default()).unwrap();
        assert_eq!((render("app-assigned").as_str(), render("welcome").as_str()), ("Own", "Welcome"));
        assert!(load(None).is_ok());
    }

    #[test]
    fn everything_that_is_wrong_in_a_folder_is_told_together() {
        let large = vec![b'x'; 300 * 1024];
        let folder = folder(&[
            ("sms/app-assigned/en.txt", b"\xff\xfe".as_slice()),
            ("sms/app-assigned/de.txt", &large),
            ("sms/welcome/en.txt", b"{{ user. }}"),
            ("email/a/en/deeper/body.txt", b"x"),
            ("notes.txt", b"x"),
        ]);
        let problems = load(Some(folder.path())).err().unwrap().to_string();
        for problem in [
            "the templates have 5 problems:",
            "`sms/app-assigned/en.txt`: it can't be read: stream did not contain valid UTF-8",
            "`sms/app-assigned/de.txt`: it is larger than 256 KiB",
            "`sms/welcome/en.txt`, line 1: syntax error",
            "`email/a/en/deeper`: it is a folder, where templates have none",
            "`notes.txt`: it stands in none of the folders",
        ] {
            assert!(problems.contains(problem), "{problem} in {problems}");
        }
    }

    #[test]
    fn a_folder_that_is_not_there_is_a_problem() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing");
        let problems = load(Some(&missing)).err().unwrap().to_string();
        assert!(problems.contains("/missing`: it can't be read: "), "{problems}");
    }
}
