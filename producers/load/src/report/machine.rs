//! Where a run was done.

use std::{fs, path::Path, process::Command, thread};

use super::Place;
use crate::target::Target;

impl Place {
    /// This machine and the commit of this project that is checked out in `folder`, if one is, for a run against `target`.
    #[must_use]
    pub fn here(target: &dyn Target, folder: &Path) -> Self {
        let line = |file: &str, name: &str| {
            let text = fs::read_to_string(file).ok()?;
            let line = text.lines().find(|line| line.starts_with(name))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let memory =
            line("/proc/meminfo", "MemTotal").and_then(|text| text.trim_end_matches(" kB").parse::<u64>().ok());
        Self {
            target: target.name(),
            durability: target.durability().map(str::to_owned),
            commit: commit(folder),
            version: env!("CARGO_PKG_VERSION").into(),
            build: if cfg!(debug_assertions) { "debug" } else { "release" }.into(),
            processor: line("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.into()),
            processors: thread::available_parallelism().map_or(1, Into::into),
            memory: memory.map(|kib| kib << 10),
            system: format!("{} {}", std::env::consts::OS, kernel.trim()).trim().to_owned(),
        }
    }
}

/// The commit, where the repository around the folder is this project: that of another one says nothing about a system.
fn commit(folder: &Path) -> Option<String> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).current_dir(folder).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
        output.status.success().then_some(text)
    };
    let root = git(&["rev-parse", "--show-toplevel"])?;
    if !is_this_project(Path::new(&root)) {
        return None;
    }
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let is_changed = git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|text| !text.is_empty());
    Some(if is_changed { format!("{commit}, changed") } else { commit })
}

fn is_this_project(root: &Path) -> bool {
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap_or_default();
    let crate_name = concat!("name = \"", env!("CARGO_PKG_NAME"), "\"");
    let member = fs::read_to_string(root.join("producers/load/Cargo.toml")).unwrap_or_default();
    manifest.contains("\"producers/load\"") && member.lines().any(|line| line == crate_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn git(folder: &Path, arguments: &[&str]) {
        let who = ["-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"];
        let mut command = Command::new("git");
        // Within a hook these name the repository that the hook belongs to.
        for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
            command.env_remove(variable);
        }
        let output = command.args(who).args(arguments).current_dir(folder).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    #[test]
    fn only_a_commit_of_this_project_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let load = root.join("producers/load");
        fs::create_dir_all(&load).unwrap();
        fs::write(root.join("Cargo.toml"), "[package]\nname = \"another\"\n").unwrap();
        git(root, &["init", "--quiet"]);
        git(root, &["add", "."]);
        git(root, &["commit", "--quiet", "--message", "another project"]);
        assert_eq!(commit(&load), None);

        fs::write(root.join("Cargo.toml"), "[workspace]\nmembers = [\"producers/load\"]\n").unwrap();
        fs::write(load.join("Cargo.toml"), "[package]\nname = \"sendoff-load\"\n").unwrap();
        let changed = commit(&load).unwrap();
        assert!(changed.len() > 12 && changed.ends_with(", changed"), "{changed}");
        git(root, &["add", "."]);
        git(root, &["commit", "--quiet", "--message", "this project"]);
        assert_eq!(commit(&load).map(|commit| commit.len()), Some(12));
    }
}
